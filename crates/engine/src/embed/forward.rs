//! One pass of an encoder on the CPU kernels, over the packed rows of some texts.
//!
//! Loops are written as `for`: they are part of a function that enables the instructions, where a closure that a library
//! calls is not, and would compute one number at a time.

use super::attention::{attend, AttentionSpace, Rows};
use super::config::{Activation, EncoderConfig};
use super::functions::{gelu, gelu_tanh};
use super::linear::KernelLinear;
use crate::model::rotary::RotaryTable;
use crate::simd::isa::Isa;
use crate::simd::math::{rotate, silu, sum};
use std::collections::HashMap;

pub(super) struct Norm {
    pub weight: Vec<f32>,
    pub bias: Option<Vec<f32>>,
    pub eps: f32,
}

pub(super) struct Layer {
    pub attention_norm: Option<Norm>,
    pub qkv: KernelLinear,
    pub output: KernelLinear,
    pub mlp_norm: Norm,
    pub up: KernelLinear,
    pub down: KernelLinear,
    pub window: Option<usize>,
    /// Bits of θ: which rotary table.
    pub theta: Option<u64>,
}

/// The weights of an encoder as the pass reads them.
pub(super) struct PackedEncoder {
    pub config: EncoderConfig,
    pub words: Vec<f32>,
    /// Row t is position t plus type 0.
    pub positions: Option<Vec<f32>>,
    pub norm: Norm,
    pub layers: Vec<Layer>,
    pub final_norm: Option<Norm>,
    /// By the bits of θ.
    pub tables: HashMap<u64, RotaryTable>,
}

/// Buffers of one unit.
#[derive(Default)]
pub(super) struct Space {
    pub x: Vec<f32>,
    normed: Vec<f32>,
    qkv: Vec<f32>,
    attended: Vec<f32>,
    up: Vec<f32>,
    activated: Vec<f32>,
    attention: AttentionSpace,
}

#[inline(always)]
pub(super) fn forward<I: Isa>(encoder: &PackedEncoder, texts: &[&[u32]], space: &mut Space) {
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
fn embed(encoder: &PackedEncoder, texts: &[&[u32]], x: &mut [f32]) {
    let width = encoder.config.hidden_size;
    let places = texts.iter().flat_map(|text| text.iter().enumerate());
    let mut sum = vec![0.0; width];
    for (row, (position, &token)) in x.chunks_exact_mut(width).zip(places) {
        sum.copy_from_slice(&encoder.words[token as usize * width..][..width]);
        if let Some(positions) = &encoder.positions {
            for (slot, value) in sum.iter_mut().zip(&positions[position * width..]) {
                *slot += value;
            }
        }
        encoder.norm.apply(&sum, row);
    }
}

/// x ← x + attention, normalised before or after.
#[inline(always)]
fn attention<I: Isa>(encoder: &PackedEncoder, layer: &Layer, texts: &[&[u32]], space: &mut Space) {
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
        for head in row[..stride / 3 * 2].chunks_exact_mut(dim) {
            rotate(head, cos, sin);
        }
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
        for (slot, &value) in out.iter_mut().zip(up) {
            *slot = f(value);
        }
        return;
    }
    for (row, out) in up.chunks_exact(2 * inner).zip(out.chunks_exact_mut(inner)) {
        let (value, gate) = row.split_at(inner);
        for ((slot, &value), &gate) in out.iter_mut().zip(value).zip(gate) {
            *slot = f(value) * gate;
        }
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
            for ((slot, &value), &weight) in out.iter_mut().zip(row).zip(&self.weight) {
                *slot = (value - mean) * scale * weight;
            }
            if let Some(bias) = &self.bias {
                for (slot, bias) in out.iter_mut().zip(bias) {
                    *slot += bias;
                }
            }
        }
    }
}
