//! An encoder on the CPU kernels, fp32. Texts are packed without padding, and every number of a text is computed from
//! that text alone, in one order: a vector does not depend on the batch it was computed in, bit for bit.

use super::config::EncoderConfig;
use super::forward::{forward, Layer, Norm, PackedEncoder, Space};
use super::layout::{Affine, EncoderWeights};
use super::linear::KernelLinear;
use super::packed_texts::{units, UNIT_ROWS};
use super::text_encoder::{rotary_table, TextEncoder};
use crate::error::Result;
use crate::placement::Pool;
use crate::simd::isa::Instructions;
use crate::with_instructions;
use rayon::prelude::*;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

pub struct KernelEncoder {
    packed: PackedEncoder,
    instructions: Instructions,
    pool: Pool,
    /// Buffers of finished units, for the next ones: to make their pages anew takes a twentieth of the time.
    spaces: Mutex<Vec<Space>>,
}

impl KernelEncoder {
    pub fn new(config: EncoderConfig, weights: &EncoderWeights, pool: Pool) -> Self {
        let build = Build { weights, instructions: Instructions::detect(), eps: config.norm_eps as f32 };
        let spans = &weights.spans;
        let kinds = config.layers.iter().zip(&spans.layers);
        let packed = PackedEncoder {
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
        };
        Self { packed, instructions: build.instructions, pool, spaces: Mutex::default() }
    }

    fn unit(&self, texts: &[&[u32]]) -> Vec<Vec<f32>> {
        let kept = self.spaces.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let (encoder, mut space) = (&self.packed, kept.unwrap_or_default());
        let buffers = &mut space;
        with_instructions!(self.instructions, fn forward<I>(encoder: &PackedEncoder, texts: &[&[u32]], buffers: &mut Space));
        let mut rows = space.x.as_slice();
        let split = texts.iter().map(|text| {
            let (own, rest) = rows.split_at(text.len() * self.packed.config.hidden_size);
            rows = rest;
            own.to_vec()
        });
        let states = split.collect();
        if space.x.len() <= UNIT_ROWS * self.packed.config.hidden_size {
            self.spaces.lock().unwrap_or_else(PoisonError::into_inner).push(space);
        }
        states
    }
}

impl TextEncoder for KernelEncoder {
    fn width(&self) -> usize {
        self.packed.config.hidden_size
    }

    fn reserve(&mut self, longest: usize) -> Result<()> {
        for theta in self.packed.layers.iter().filter_map(|layer| layer.theta) {
            if self.packed.tables.get(&theta).is_none_or(|table| table.positions < longest) {
                let table =
                    rotary_table(f64::from_bits(theta), self.packed.config.head_dim(), longest.next_power_of_two());
                self.packed.tables.insert(theta, table);
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
