//! An encoder on the CPU kernels, fp32. Texts are packed without padding, and every number of a text is computed from
//! that text alone, in one order: a vector does not depend on the batch it was computed in, bit for bit.

use super::attention::{attend, AttentionSpace, Rows};
use super::config::{Activation, EncoderConfig};
use super::functions::{gelu, gelu_tanh};
use super::layout::{Affine, EncoderWeights};
use super::linear::KernelLinear;
use super::network::{rotary_table, Network};
use crate::cpu::isa::{Instructions, Isa};
use crate::cpu::math::{rotate, silu, sum};
use crate::cpu::trainer::Pool;
use crate::error::Result;
use crate::model::rotary::RotaryTable;
use crate::with_instructions;
use rayon::prelude::*;
use std::collections::HashMap;

/// Rows computed together: activations of this many rows stay in a core's cache.
const UNIT_ROWS: usize = 256;

struct Norm {
    weight: Vec<f32>,
    bias: Option<Vec<f32>>,
    eps: f32,
}

struct Layer {
    attention_norm: Option<Norm>,
    qkv: KernelLinear,
    output: KernelLinear,
    mlp_norm: Norm,
    up: KernelLinear,
    down: KernelLinear,
    window: Option<usize>,
    /// Bits of θ: which rotary table.
    theta: Option<u64>,
}

pub struct KernelEncoder {
    config: EncoderConfig,
    instructions: Instructions,
    words: Vec<f32>,
    /// Row t is position t plus type 0.
    positions: Option<Vec<f32>>,
    norm: Norm,
    layers: Vec<Layer>,
    final_norm: Option<Norm>,
    tables: HashMap<u64, RotaryTable>,
    pool: Pool,
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
        }
    }

    fn unit(&self, texts: &[&[u32]]) -> Vec<Vec<f32>> {
        let (encoder, mut space) = (self, Space::default());
        let buffers = &mut space;
        with_instructions!(self.instructions, fn forward<I>(encoder: &KernelEncoder, texts: &[&[u32]], buffers: &mut Space));
        let mut rows = space.x.as_slice();
        let split = texts.iter().map(|text| {
            let (own, rest) = rows.split_at(text.len() * self.config.hidden_size);
            rows = rest;
            own.to_vec()
        });
        split.collect()
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

/// Buffers of one unit.
#[derive(Default)]
struct Space {
    x: Vec<f32>,
    normed: Vec<f32>,
    qkv: Vec<f32>,
    attended: Vec<f32>,
    up: Vec<f32>,
    activated: Vec<f32>,
    attention: AttentionSpace,
}

#[inline(always)]
fn forward<I: Isa>(encoder: &KernelEncoder, texts: &[&[u32]], space: &mut Space) {
    let config = &encoder.config;
    let (rows, width, inner) =
        (texts.iter().map(|text| text.len()).sum::<usize>(), config.hidden_size, config.intermediate_size);
    space.x.resize(rows * width, 0.0);
    space.normed.resize(rows * width, 0.0);
    space.qkv.resize(rows * 3 * width, 0.0);
    space.attended.resize(rows * width, 0.0);
    space.activated.resize(rows * inner, 0.0);
    embed(encoder, texts, &mut space.x);
    for layer in &encoder.layers {
        space.up.resize(rows * layer.up.outputs(), 0.0);
        attention::<I>(encoder, layer, texts, space);
        mlp::<I>(config, layer, space);
    }
    if let Some(norm) = &encoder.final_norm {
        space.normed.copy_from_slice(&space.x);
        norm.apply(&space.normed, &mut space.x);
    }
}

#[inline(always)]
fn embed(encoder: &KernelEncoder, texts: &[&[u32]], x: &mut [f32]) {
    let width = encoder.config.hidden_size;
    let places = texts.iter().flat_map(|text| text.iter().enumerate());
    let mut sum = vec![0.0; width];
    for (row, (position, &token)) in x.chunks_exact_mut(width).zip(places) {
        sum.copy_from_slice(&encoder.words[token as usize * width..][..width]);
        if let Some(positions) = &encoder.positions {
            sum.iter_mut().zip(&positions[position * width..]).for_each(|(slot, value)| *slot += value);
        }
        encoder.norm.apply(&sum, row);
    }
}

/// x ← x + attention, normalised before or after.
#[inline(always)]
fn attention<I: Isa>(encoder: &KernelEncoder, layer: &Layer, texts: &[&[u32]], space: &mut Space) {
    let before = encoder.config.norm_first();
    match layer.attention_norm.as_ref().filter(|_| before) {
        Some(norm) => norm.apply(&space.x, &mut space.normed),
        None => space.normed.copy_from_slice(&space.x),
    }
    layer.qkv.apply::<I>(&space.normed, &mut space.qkv, false);
    if let Some(table) = layer.theta.and_then(|theta| encoder.tables.get(&theta)) {
        rotate_rows(encoder.config.head_dim(), table, texts, &mut space.qkv, 3 * encoder.config.hidden_size);
    }
    let (mut qkv, mut attended) = (space.qkv.as_slice(), space.attended.as_mut_slice());
    for text in texts {
        let (own, rest) = qkv.split_at(text.len() * 3 * encoder.config.hidden_size);
        let (out, rest_out) = attended.split_at_mut(text.len() * encoder.config.hidden_size);
        let rows = Rows { qkv: own, tokens: text.len(), heads: encoder.config.heads, window: layer.window };
        attend::<I>(&rows, &mut space.attention, out);
        (qkv, attended) = (rest, rest_out);
    }
    layer.output.apply::<I>(&space.attended, &mut space.x, true);
    if let Some(norm) = layer.attention_norm.as_ref().filter(|_| !before) {
        space.normed.copy_from_slice(&space.x);
        norm.apply(&space.normed, &mut space.x);
    }
}

/// x ← x + MLP(x), normalised before or after.
#[inline(always)]
fn mlp<I: Isa>(config: &EncoderConfig, layer: &Layer, space: &mut Space) {
    if config.norm_first() {
        layer.mlp_norm.apply(&space.x, &mut space.normed);
        layer.up.apply::<I>(&space.normed, &mut space.up, false);
    } else {
        layer.up.apply::<I>(&space.x, &mut space.up, false);
    }
    activate(config, &space.up, &mut space.activated);
    layer.down.apply::<I>(&space.activated, &mut space.x, true);
    if !config.norm_first() {
        space.normed.copy_from_slice(&space.x);
        layer.mlp_norm.apply(&space.normed, &mut space.x);
    }
}

#[inline(always)]
fn rotate_rows(dim: usize, table: &RotaryTable, texts: &[&[u32]], qkv: &mut [f32], stride: usize) {
    let positions = texts.iter().flat_map(|text| 0..text.len());
    for (row, position) in qkv.chunks_exact_mut(stride).zip(positions) {
        let place = position * table.half..(position + 1) * table.half;
        let (cos, sin) = (&table.cos[place.clone()], &table.sin[place]);
        row[..stride / 3 * 2].chunks_exact_mut(dim).for_each(|head| rotate(head, cos, sin));
    }
}

/// f(u), or f(u) · gate for rows `[u | gate]`.
#[inline(always)]
fn activate(config: &EncoderConfig, up: &[f32], out: &mut [f32]) {
    match config.activation {
        Activation::Gelu => activate_rows(up, out, config.intermediate_size, gelu),
        Activation::GeluTanh => activate_rows(up, out, config.intermediate_size, gelu_tanh),
        Activation::Relu => activate_rows(up, out, config.intermediate_size, |x| x.max(0.0)),
        Activation::Silu => activate_rows(up, out, config.intermediate_size, silu),
    }
}

#[inline(always)]
fn activate_rows(up: &[f32], out: &mut [f32], inner: usize, f: impl Fn(f32) -> f32) {
    if up.len() == out.len() {
        out.iter_mut().zip(up).for_each(|(slot, &value)| *slot = f(value));
        return;
    }
    for (row, out) in up.chunks_exact(2 * inner).zip(out.chunks_exact_mut(inner)) {
        let (value, gate) = row.split_at(inner);
        out.iter_mut().zip(value).zip(gate).for_each(|((slot, &value), &gate)| *slot = f(value) * gate);
    }
}

impl Norm {
    /// (x − mean) / √(variance + ε) · weight + bias, row by row.
    #[inline(always)]
    fn apply(&self, x: &[f32], out: &mut [f32]) {
        let width = self.weight.len();
        for (row, out) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
            let mean = sum(row, |value| value) / width as f32;
            let variance = sum(row, |value| (value - mean) * (value - mean)) / width as f32;
            let scale = 1.0 / (variance + self.eps).sqrt();
            out.iter_mut()
                .zip(row)
                .zip(&self.weight)
                .for_each(|((slot, &value), &weight)| *slot = (value - mean) * scale * weight);
            if let Some(bias) = &self.bias {
                out.iter_mut().zip(bias).for_each(|(slot, bias)| *slot += bias);
            }
        }
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
