//! The forward pass of an encoder on the kernels, over the packed rows of a batch of texts.
//!
//! Loops are `for` loops: they belong to a function that enables the vector instructions. A closure that a library calls
//! does not, and computes one number at a time.

use super::encoder_attention::{attend, AttentionInput, AttentionWorkspace};
use super::encoder_config::EncoderConfig;
use super::kernel_linear::KernelLinear;
use crate::model::activation::Activation;
use crate::model::rotary::RotaryTable;
use crate::simd::gelu::{gelu, gelu_tanh, quick_gelu};
use crate::simd::isa::Isa;
use crate::simd::math::{rotate, silu, sum};
use std::collections::HashMap;

/// A layer norm.
pub(super) struct Norm {
    pub weight: Vec<f32>,
    pub bias: Option<Vec<f32>>,
    pub eps: f32,
}

/// Packed weights of one layer.
pub(super) struct Layer {
    pub attention_norm: Option<Norm>,
    pub qkv: KernelLinear,
    pub output: KernelLinear,
    pub mlp_norm: Norm,
    pub up: KernelLinear,
    pub down: KernelLinear,
    pub window: Option<usize>,
    /// Bits of θ, the key of the rotary table.
    pub theta: Option<u64>,
}

/// The packed weights of an encoder.
pub(super) struct PackedEncoder {
    pub config: EncoderConfig,
    pub word_embeddings: Vec<f32>,
    /// Row t is the embedding of position t plus that of type 0.
    pub position_embeddings: Option<Vec<f32>>,
    pub embedding_norm: Norm,
    pub layers: Vec<Layer>,
    pub final_norm: Option<Norm>,
    /// Rotary tables by the bits of θ.
    pub tables: HashMap<u64, RotaryTable>,
}

/// Buffers of one batch, reused by the next.
#[derive(Default)]
pub(super) struct EncoderWorkspace {
    pub x: Vec<f32>,
    normed: Vec<f32>,
    qkv: Vec<f32>,
    attended: Vec<f32>,
    up: Vec<f32>,
    activated: Vec<f32>,
    attention: AttentionWorkspace,
}

/// Final hidden states of all rows, `[R, D]`, in `workspace.x`.
#[inline(always)]
pub(super) fn forward<I: Isa>(encoder: &PackedEncoder, texts: &[&[u32]], workspace: &mut EncoderWorkspace) {
    let config = &encoder.config;
    let (rows, width, inner) =
        (texts.iter().map(|text| text.len()).sum::<usize>(), config.hidden_size, config.intermediate_size);
    workspace.x.resize(rows * width, 0.0);
    workspace.normed.resize(rows * width, 0.0);
    workspace.qkv.resize(rows * 3 * width, 0.0);
    workspace.attended.resize(rows * width, 0.0);
    workspace.activated.resize(rows * inner, 0.0);
    embed(encoder, texts, &mut workspace.x);
    for layer in &encoder.layers {
        workspace.up.resize(rows * layer.up.outputs(), 0.0);
        attention::<I>(encoder, layer, texts, workspace);
        mlp::<I>(config, layer, workspace);
    }
    if let Some(norm) = &encoder.final_norm {
        workspace.normed.copy_from_slice(&workspace.x);
        norm.apply(&workspace.normed, &mut workspace.x);
    }
}

/// Word, position and type embeddings, normalised.
#[inline(always)]
fn embed(encoder: &PackedEncoder, texts: &[&[u32]], x: &mut [f32]) {
    let width = encoder.config.hidden_size;
    let places = texts.iter().flat_map(|text| text.iter().enumerate());
    let mut sum = vec![0.0; width];
    for (row, (position, &token)) in x.chunks_exact_mut(width).zip(places) {
        sum.copy_from_slice(&encoder.word_embeddings[token as usize * width..][..width]);
        if let Some(positions) = &encoder.position_embeddings {
            for (slot, value) in sum.iter_mut().zip(&positions[position * width..]) {
                *slot += value;
            }
        }
        encoder.embedding_norm.apply(&sum, row);
    }
}

/// x ← x + attention(x), with the norm before or after.
#[inline(always)]
fn attention<I: Isa>(encoder: &PackedEncoder, layer: &Layer, texts: &[&[u32]], workspace: &mut EncoderWorkspace) {
    let norm_first = encoder.config.norm_first();
    match layer.attention_norm.as_ref().filter(|_| norm_first) {
        Some(norm) => norm.apply(&workspace.x, &mut workspace.normed),
        None => workspace.normed.copy_from_slice(&workspace.x),
    }
    layer.qkv.apply::<I>(&workspace.normed, &mut workspace.qkv, false);
    if let Some(table) = layer.theta.and_then(|theta| encoder.tables.get(&theta)) {
        rotate_rows(encoder.config.head_dim(), table, texts, &mut workspace.qkv, 3 * encoder.config.hidden_size);
    }
    let (mut qkv, mut attended) = (workspace.qkv.as_slice(), workspace.attended.as_mut_slice());
    for text in texts {
        let (text_qkv, rest) = qkv.split_at(text.len() * 3 * encoder.config.hidden_size);
        let (out, rest_out) = attended.split_at_mut(text.len() * encoder.config.hidden_size);
        let rows =
            AttentionInput { qkv: text_qkv, tokens: text.len(), heads: encoder.config.heads, window: layer.window };
        attend::<I>(&rows, &mut workspace.attention, out);
        (qkv, attended) = (rest, rest_out);
    }
    layer.output.apply::<I>(&workspace.attended, &mut workspace.x, true);
    if let Some(norm) = layer.attention_norm.as_ref().filter(|_| !norm_first) {
        workspace.normed.copy_from_slice(&workspace.x);
        norm.apply(&workspace.normed, &mut workspace.x);
    }
}

/// x ← x + MLP(x), with the norm before or after.
#[inline(always)]
fn mlp<I: Isa>(config: &EncoderConfig, layer: &Layer, workspace: &mut EncoderWorkspace) {
    if config.norm_first() {
        layer.mlp_norm.apply(&workspace.x, &mut workspace.normed);
        layer.up.apply::<I>(&workspace.normed, &mut workspace.up, false);
    } else {
        layer.up.apply::<I>(&workspace.x, &mut workspace.up, false);
    }
    activate(config, &workspace.up, &mut workspace.activated);
    layer.down.apply::<I>(&workspace.activated, &mut workspace.x, true);
    if !config.norm_first() {
        workspace.normed.copy_from_slice(&workspace.x);
        layer.mlp_norm.apply(&workspace.normed, &mut workspace.x);
    }
}

/// Rotary embedding of queries and keys.
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
        Activation::QuickGelu => activate_rows(up, out, config.intermediate_size, quick_gelu),
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
