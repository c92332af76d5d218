//! An encoder on the CPU kernels, fp32. Texts are packed without padding, and every number of a text is computed from
//! that text alone, in one order: a vector does not depend on the batch it was computed in, bit for bit.

use super::config::EncoderConfig;
use super::forward::{forward, Layer, Norm, Space};
use super::layout::{Affine, EncoderWeights};
use super::linear::KernelLinear;
use super::network::{rotary_table, Network};
use crate::cpu::isa::Instructions;
use crate::cpu::trainer::Pool;
use crate::error::Result;
use crate::model::rotary::RotaryTable;
use crate::with_instructions;
use rayon::prelude::*;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Rows computed together: activations of this many rows stay in a core's cache.
const UNIT_ROWS: usize = 256;

pub struct KernelEncoder {
    pub(super) config: EncoderConfig,
    instructions: Instructions,
    pub(super) words: Vec<f32>,
    /// Row t is position t plus type 0.
    pub(super) positions: Option<Vec<f32>>,
    pub(super) norm: Norm,
    pub(super) layers: Vec<Layer>,
    pub(super) final_norm: Option<Norm>,
    pub(super) tables: HashMap<u64, RotaryTable>,
    pool: Pool,
    /// Buffers of finished units, for the next ones: to make their pages anew takes a twentieth of the time.
    spaces: Mutex<Vec<Space>>,
}

impl KernelEncoder {
    pub fn new(config: EncoderConfig, weights: &EncoderWeights, pool: Pool) -> Self {
        let build = Build { weights, instructions: Instructions::detect(), eps: config.norm_eps as f32 };
        let spans = &weights.spans;
        let kinds = config.layers.iter().zip(&spans.layers);
        Self {
            instructions: build.instructions,
            words: weights.slice(spans.words).to_vec(),
            positions: spans.positions.zip(spans.types).map(|(positions, types)| {
                let first = &weights.slice(types)[..config.hidden_size];
                weights
                    .slice(positions)
                    .iter()
                    .zip(first.iter().cycle())
                    .map(|(position, kind)| position + kind)
                    .collect()
            }),
            norm: build.norm(&spans.norm),
            layers: kinds
                .map(|(kind, spans)| Layer {
                    attention_norm: spans.attention_norm.as_ref().map(|norm| build.norm(norm)),
                    qkv: build.linear(&spans.qkv),
                    output: build.linear(&spans.output),
                    mlp_norm: build.norm(&spans.mlp_norm),
                    up: build.linear(&spans.up),
                    down: build.linear(&spans.down),
                    window: kind.window,
                    theta: kind.theta.map(f64::to_bits),
                })
                .collect(),
            final_norm: spans.final_norm.as_ref().map(|norm| build.norm(norm)),
            tables: HashMap::new(),
            config,
            pool,
            spaces: Mutex::default(),
        }
    }

    fn unit(&self, texts: &[&[u32]]) -> Vec<Vec<f32>> {
        let kept = self.spaces.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let (encoder, mut space) = (self, kept.unwrap_or_default());
        let buffers = &mut space;
        with_instructions!(self.instructions, fn forward<I>(encoder: &KernelEncoder, texts: &[&[u32]], buffers: &mut Space));
        let mut rows = space.x.as_slice();
        let split = texts.iter().map(|text| {
            let (own, rest) = rows.split_at(text.len() * self.config.hidden_size);
            rows = rest;
            own.to_vec()
        });
        let states = split.collect();
        if space.x.len() <= UNIT_ROWS * self.config.hidden_size {
            self.spaces.lock().unwrap_or_else(PoisonError::into_inner).push(space);
        }
        states
    }
}

impl Network for KernelEncoder {
    fn width(&self) -> usize {
        self.config.hidden_size
    }

    fn reserve(&mut self, longest: usize) -> Result<()> {
        for theta in self.layers.iter().filter_map(|layer| layer.theta) {
            if self.tables.get(&theta).is_none_or(|table| table.positions < longest) {
                let table = rotary_table(f64::from_bits(theta), self.config.head_dim(), longest.next_power_of_two());
                self.tables.insert(theta, table);
            }
        }
        Ok(())
    }

    fn states(&self, texts: &[&[u32]]) -> Result<Vec<Vec<f32>>> {
        let units = units(texts);
        Ok(match &self.pool {
            Some(pool) => pool.install(|| units.par_iter().flat_map_iter(|unit| self.unit(unit)).collect()),
            None => units.iter().flat_map(|unit| self.unit(unit)).collect(),
        })
    }
}

/// Consecutive texts of at most `UNIT_ROWS` tokens together; at least one text each.
pub fn units<'a, 'b>(texts: &'b [&'a [u32]]) -> Vec<&'b [&'a [u32]]> {
    let mut units = Vec::new();
    let (mut start, mut rows) = (0, 0);
    for (at, text) in texts.iter().enumerate() {
        if at > start && rows + text.len() > UNIT_ROWS {
            units.push(&texts[start..at]);
            (start, rows) = (at, 0);
        }
        rows += text.len();
    }
    if start < texts.len() {
        units.push(&texts[start..]);
    }
    units
}

struct Build<'a> {
    weights: &'a EncoderWeights,
    instructions: Instructions,
    eps: f32,
}

impl Build<'_> {
    fn norm(&self, norm: &Affine) -> Norm {
        let bias = norm.bias.map(|bias| self.weights.slice(bias).to_vec());
        Norm { weight: self.weights.slice(norm.weight).to_vec(), bias, eps: self.eps }
    }

    fn linear(&self, linear: &Affine) -> KernelLinear {
        let bias = linear.bias.map(|bias| self.weights.slice(bias).to_vec());
        let weight = linear.weight;
        KernelLinear::pack(self.weights.slice(weight), bias, weight.rows, weight.columns, self.instructions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_hold_whole_texts_in_order() {
        let lengths = [300usize, 100, 100, 100, 1, 256, 255];
        let tokens: Vec<Vec<u32>> = lengths.iter().map(|&length| vec![0; length]).collect();
        let texts: Vec<&[u32]> = tokens.iter().map(Vec::as_slice).collect();
        let found: Vec<Vec<usize>> =
            units(&texts).iter().map(|unit| unit.iter().map(|text| text.len()).collect()).collect();
        assert_eq!(found, [vec![300], vec![100, 100], vec![100, 1], vec![256], vec![255]]);
    }
}
