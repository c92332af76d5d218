//! The decoder's forward pass on the CPU kernels.
//!
//! A pass takes segments: some tokens of one sequence, which follow a shared prompt (`prefix`) and the sequence's own
//! earlier tokens (`own`). Decoding is one token a segment, prefilling all tokens of a prompt in one.

use super::cache::{KvCache, VALUE_LANES};
use super::isa::{Instructions, Isa};
use super::linear::PackedLinear;
use super::math::{exp, max, rms_norm, rotate, silu, sum, LANES};
use crate::error::Result;
use crate::model::config::DecoderConfig;
use crate::model::layout::{DecoderLeaves, LayerLeaves, Layout};
use crate::model::parameters::Parameters;
use crate::model::rotary::RotaryTable;
use crate::with_instructions;

pub struct CpuDecoder {
    pub config: DecoderConfig,
    instructions: Instructions,
    layers: Vec<Layer>,
    embedding: Vec<f32>,
    norm: Vec<f32>,
    head: PackedLinear,
    rotary: RotaryTable,
}

struct Layer {
    attention_norm: Vec<f32>,
    qkv: PackedLinear,
    qkv_bias: Option<Vec<f32>>,
    qk_norm: Option<(Vec<f32>, Vec<f32>)>,
    output: PackedLinear,
    mlp_norm: Vec<f32>,
    gate_up: PackedLinear,
    down: PackedLinear,
}

/// Tokens of one sequence, to be computed after `prefix` and what `own` already holds.
pub struct Segment<'a> {
    pub tokens: &'a [u32],
    pub prefix: Option<&'a KvCache>,
    pub own: &'a mut KvCache,
}

/// Query heads attended together at most.
const MAX_QUERIES: usize = 4;

/// Buffers of one pass, kept from pass to pass. M rows.
#[derive(Default)]
pub struct Workspace {
    x: Vec<f32>,
    normed: Vec<f32>,
    qkv: Vec<f32>,
    attended: Vec<f32>,
    gate_up: Vec<f32>,
    activated: Vec<f32>,
    scores: Vec<f32>,
    /// `[M, V]` after a pass that wants logits.
    pub logits: Vec<f32>,
}

impl CpuDecoder {
    pub fn new(parameters: &Parameters) -> Result<Self> {
        let config = parameters.config.clone();
        let flat = parameters.to_host()?;
        let weights = Weights { flat: &flat, layout: &parameters.layout, instructions: Instructions::detect() };
        Ok(Self::pack(&weights, &parameters.leaves, config, RotaryTable::default()))
    }

    /// Makes rotary tables for sequences of up to `positions` tokens; passes over longer ones would be out of bounds.
    pub fn reserve_positions(&mut self, positions: usize) {
        if self.rotary.positions < positions {
            self.rotary = RotaryTable::new(&self.config, positions.next_power_of_two());
        }
    }

    fn pack(weights: &Weights, leaves: &DecoderLeaves, config: DecoderConfig, rotary: RotaryTable) -> Self {
        Self {
            config,
            rotary,
            instructions: weights.instructions,
            layers: leaves.layers.iter().map(|layer| Layer::pack(weights, layer)).collect(),
            embedding: weights.vector(leaves.embedding),
            norm: weights.vector(leaves.norm),
            head: weights.linear(leaves.head),
        }
    }

    /// Takes over changed weights.
    pub fn refresh(&mut self, parameters: &Parameters) -> Result<()> {
        let flat = parameters.to_host()?;
        let weights = Weights { flat: &flat, layout: &parameters.layout, instructions: self.instructions };
        let rotary = std::mem::take(&mut self.rotary);
        *self = Self::pack(&weights, &parameters.leaves, self.config.clone(), rotary);
        Ok(())
    }

    /// Computes the segments' tokens and appends them to their own caches; `logits` asks for every row's logits.
    pub fn forward(&self, segments: &mut [Segment], workspace: &mut Workspace, logits: bool) {
        let decoder = self;
        with_instructions!(self.instructions, fn forward<I>(decoder: &CpuDecoder, segments: &mut [Segment], workspace: &mut Workspace, logits: bool));
    }
}

struct Weights<'a> {
    flat: &'a [f32],
    layout: &'a Layout,
    instructions: Instructions,
}

impl Weights<'_> {
    fn vector(&self, leaf: usize) -> Vec<f32> {
        let leaf = &self.layout.leaves[leaf];
        self.flat[leaf.offset..leaf.offset + leaf.shape.iter().product::<i64>() as usize].to_vec()
    }

    fn linear(&self, leaf: usize) -> PackedLinear {
        let Leafed { offset, outputs, inputs } = Leafed::of(self.layout, leaf);
        PackedLinear::pack(&self.flat[offset..offset + outputs * inputs], outputs, inputs, self.instructions)
    }
}

struct Leafed {
    offset: usize,
    outputs: usize,
    inputs: usize,
}

impl Leafed {
    fn of(layout: &Layout, leaf: usize) -> Self {
        let leaf = &layout.leaves[leaf];
        Self { offset: leaf.offset, outputs: leaf.shape[0] as usize, inputs: leaf.shape[1] as usize }
    }
}

impl Layer {
    fn pack(weights: &Weights, leaves: &LayerLeaves) -> Self {
        Self {
            attention_norm: weights.vector(leaves.attention_norm),
            qkv: weights.linear(leaves.qkv),
            qkv_bias: leaves.qkv_bias.map(|leaf| weights.vector(leaf)),
            qk_norm: leaves.qk_norm.map(|(query, key)| (weights.vector(query), weights.vector(key))),
            output: weights.linear(leaves.output),
            mlp_norm: weights.vector(leaves.mlp_norm),
            gate_up: weights.linear(leaves.gate_up),
            down: weights.linear(leaves.down),
        }
    }
}

#[inline(always)]
fn forward<I: Isa>(decoder: &CpuDecoder, segments: &mut [Segment], workspace: &mut Workspace, logits: bool) {
    let config = &decoder.config;
    let rows = segments.iter().map(|segment| segment.tokens.len()).sum();
    workspace.resize(config, rows, longest(segments));
    embed(decoder, segments, &mut workspace.x);
    for (index, layer) in decoder.layers.iter().enumerate() {
        normalise_rows(&workspace.x, &layer.attention_norm, config, &mut workspace.normed);
        layer.qkv.apply::<I>(&workspace.normed, &mut workspace.qkv, false);
        prepare_heads(decoder, layer, segments, &mut workspace.qkv);
        store_keys_and_values(config, index, segments, &workspace.qkv);
        attend::<I>(config, index, segments, workspace);
        layer.output.apply::<I>(&workspace.attended, &mut workspace.x, true);
        normalise_rows(&workspace.x, &layer.mlp_norm, config, &mut workspace.normed);
        layer.gate_up.apply::<I>(&workspace.normed, &mut workspace.gate_up, false);
        activate(&workspace.gate_up, config.intermediate_size, &mut workspace.activated);
        layer.down.apply::<I>(&workspace.activated, &mut workspace.x, true);
    }
    for segment in segments.iter_mut() {
        segment.own.length += segment.tokens.len();
    }
    if logits {
        normalise_rows(&workspace.x, &decoder.norm, config, &mut workspace.normed);
        workspace.logits.resize(rows * config.vocab_size, 0.0);
        decoder.head.apply::<I>(&workspace.normed, &mut workspace.logits, false);
    }
}

impl Workspace {
    fn resize(&mut self, config: &DecoderConfig, rows: usize, longest: usize) {
        self.x.resize(rows * config.hidden_size, 0.0);
        self.normed.resize(rows * config.hidden_size, 0.0);
        self.qkv.resize(rows * config.qkv_rows(), 0.0);
        self.attended.resize(rows * config.attention_width(), 0.0);
        self.gate_up.resize(rows * 2 * config.intermediate_size, 0.0);
        self.activated.resize(rows * config.intermediate_size, 0.0);
        self.scores.resize(MAX_QUERIES * (longest + 4 * LANES), 0.0);
    }
}

/// Most positions that a token of these segments looks at.
fn longest(segments: &[Segment]) -> usize {
    segments.iter().map(|segment| segment.start() + segment.tokens.len()).max().unwrap_or(0)
}

impl Segment<'_> {
    fn prefix_length(&self) -> usize {
        self.prefix.map_or(0, |prefix| prefix.length)
    }

    /// Position of the first token in its sequence.
    fn start(&self) -> usize {
        self.prefix_length() + self.own.length
    }
}

#[inline(always)]
fn embed(decoder: &CpuDecoder, segments: &[Segment], x: &mut [f32]) {
    let width = decoder.config.hidden_size;
    let tokens = segments.iter().flat_map(|segment| segment.tokens);
    for (row, &token) in x.chunks_exact_mut(width).zip(tokens) {
        row.copy_from_slice(&decoder.embedding[token as usize * width..][..width]);
    }
}

#[inline(always)]
fn normalise_rows(x: &[f32], weight: &[f32], config: &DecoderConfig, out: &mut [f32]) {
    for (row, slot) in x.chunks_exact(weight.len()).zip(out.chunks_exact_mut(weight.len())) {
        rms_norm(row, weight, config.rms_norm_eps as f32, slot);
    }
}

/// Adds the bias, normalises heads where the family does, and rotates queries and keys.
#[inline(always)]
fn prepare_heads(decoder: &CpuDecoder, layer: &Layer, segments: &[Segment], qkv: &mut [f32]) {
    let config = &decoder.config;
    let half = config.head_dim / 2;
    let positions = segments.iter().flat_map(|segment| segment.start()..segment.start() + segment.tokens.len());
    for (row, position) in qkv.chunks_exact_mut(config.qkv_rows()).zip(positions) {
        if let Some(bias) = &layer.qkv_bias {
            row.iter_mut().zip(bias).for_each(|(value, bias)| *value += bias);
        }
        let (cos, sin) =
            (&decoder.rotary.cos[position * half..][..half], &decoder.rotary.sin[position * half..][..half]);
        let rotated = row.chunks_exact_mut(config.head_dim).take(config.heads + config.kv_heads);
        for (head, values) in rotated.enumerate() {
            if let Some((query, key)) = &layer.qk_norm {
                normalise_head(values, if head < config.heads { query } else { key }, config);
            }
            rotate(values, cos, sin);
        }
    }
}

#[inline(always)]
fn normalise_head(values: &mut [f32], weight: &[f32], config: &DecoderConfig) {
    let mean = sum(values, |value| value * value) / values.len() as f32;
    let scale = 1.0 / (mean + config.rms_norm_eps as f32).sqrt();
    values.iter_mut().zip(weight).for_each(|(value, weight)| *value *= scale * weight);
}

#[inline(always)]
fn store_keys_and_values(config: &DecoderConfig, layer: usize, segments: &mut [Segment], qkv: &[f32]) {
    let (dim, keys, values) = (config.head_dim, config.attention_width(), config.attention_width() + config.kv_width());
    let mut rows = qkv.chunks_exact(config.qkv_rows());
    for segment in segments {
        let start = segment.own.length;
        for (offset, row) in rows.by_ref().take(segment.tokens.len()).enumerate() {
            for head in 0..config.kv_heads {
                let (key, value) = (&row[keys + head * dim..][..dim], &row[values + head * dim..][..dim]);
                segment.own.write(layer, head, start + offset, key, value);
            }
        }
    }
}

#[inline(always)]
fn attend<I: Isa>(config: &DecoderConfig, layer: usize, segments: &[Segment], workspace: &mut Workspace) {
    let share = config.heads / config.kv_heads;
    let (width, dim) = (config.attention_width(), config.head_dim);
    let queries = workspace.qkv.chunks_exact(config.qkv_rows());
    let outputs = workspace.attended.chunks_exact_mut(width);
    let places = segments
        .iter()
        .flat_map(|segment| (1..=segment.tokens.len()).map(move |offset| (segment, segment.own.length + offset)));
    for ((query, out), (segment, own_length)) in queries.zip(outputs).zip(places) {
        let mut head = 0;
        while head < config.heads {
            let spot = Spot { layer, head: head / share, own_length };
            // Query heads of one key head go together: keys and values are loaded once for all.
            let left = share - head % share;
            let together = if left >= 4 { 4 } else { left.min(2) };
            let range = head * dim..(head + together) * dim;
            let (query, out) = (&query[range.clone()], &mut out[range]);
            match together {
                4 => attend_heads::<I, 4>(segment, &spot, query, &mut workspace.scores, out),
                2 => attend_heads::<I, 2>(segment, &spot, query, &mut workspace.scores, out),
                _ => attend_heads::<I, 1>(segment, &spot, query, &mut workspace.scores, out),
            }
            head += together;
        }
    }
}

struct Spot {
    layer: usize,
    head: usize,
    own_length: usize,
}

/// softmax(q · kᵀ / √d) · v over the prefix and then the sequence's own positions, for Q query heads of one key head.
/// A head's numbers do not depend on Q.
#[inline(always)]
fn attend_heads<I: Isa, const Q: usize>(
    segment: &Segment,
    spot: &Spot,
    query: &[f32],
    scores: &mut [f32],
    out: &mut [f32],
) {
    let before = segment.prefix_length();
    let total = before + spot.own_length;
    let stride = scores.len() / MAX_QUERIES;
    if let Some(prefix) = segment.prefix {
        score::<I, Q>(prefix.head(spot.layer, spot.head).0, prefix.capacity, query, before, scores, stride);
    }
    let (own_keys, own_values) = segment.own.head(spot.layer, spot.head);
    score::<I, Q>(own_keys, segment.own.capacity, query, spot.own_length, &mut scores[before..], stride);
    for head in 0..Q {
        softmax(&mut scores[head * stride..][..total]);
    }
    out.fill(0.0);
    if let Some(prefix) = segment.prefix {
        mix::<I, Q>(prefix.head(spot.layer, spot.head).1, prefix.value_width(), scores, stride, before, out);
    }
    mix::<I, Q>(own_values, segment.own.value_width(), &scores[before..], stride, spot.own_length, out);
}

/// Scaled products with `count` transposed keys, for each query `stride` apart. Two vectors of positions at a time, so
/// that multiply-adds do not wait for each other; writes up to 31 numbers past `count`.
#[inline(always)]
fn score<I: Isa, const Q: usize>(
    keys: &[f32],
    capacity: usize,
    query: &[f32],
    count: usize,
    scores: &mut [f32],
    stride: usize,
) {
    let dim = query.len() / Q;
    let scale = 1.0 / (dim as f32).sqrt();
    let block = 2 * I::LANES;
    assert!(keys.len() == dim * capacity && count.next_multiple_of(block) <= capacity);
    assert!((Q - 1) * stride + count.next_multiple_of(block) <= scores.len());
    // SAFETY: reads stay below `capacity` in each of the `dim` rows and writes below `scores.len()`, as asserted.
    unsafe {
        for start in (0..count).step_by(block) {
            let mut sums = [[I::splat(0.0); 2]; Q];
            for index in 0..dim {
                let key = keys.as_ptr().add(index * capacity + start);
                let (first, second) = (I::load(key), I::load(key.add(I::LANES)));
                for (head, sum) in sums.iter_mut().enumerate() {
                    let value = I::splat(query.get_unchecked(head * dim + index) * scale);
                    sum[0] = I::fma(value, first, sum[0]);
                    sum[1] = I::fma(value, second, sum[1]);
                }
            }
            for (head, sum) in sums.iter().enumerate() {
                let target = scores.as_mut_ptr().add(head * stride + start);
                I::store(target, sum[0]);
                I::store(target.add(I::LANES), sum[1]);
            }
        }
    }
}

#[inline(always)]
fn softmax(scores: &mut [f32]) {
    let largest = max(scores);
    for value in scores.iter_mut() {
        *value = exp(*value - largest);
    }
    let scale = 1.0 / sum(scores, |value| value);
    for value in scores.iter_mut() {
        *value *= scale;
    }
}

/// out += Σ_t weights[t] · values[t] over `count` positions, for each query. Even and odd positions are summed apart.
#[inline(always)]
fn mix<I: Isa, const Q: usize>(
    values: &[f32],
    width: usize,
    weights: &[f32],
    stride: usize,
    count: usize,
    out: &mut [f32],
) {
    let dim = out.len() / Q;
    assert!(values.len() >= count * width && weights.len() >= (Q - 1) * stride + count);
    for start in (0..dim).step_by(I::LANES) {
        let mut parts = [[0f32; VALUE_LANES]; Q];
        // SAFETY: `width` is `dim` rounded up to whole vectors, so a row is readable from any `start`; see the assert.
        unsafe {
            let mut sums = [[I::splat(0.0); 2]; Q];
            for position in 0..count {
                let row = I::load(values.as_ptr().add(position * width + start));
                for (head, sum) in sums.iter_mut().enumerate() {
                    let weight = I::splat(*weights.get_unchecked(head * stride + position));
                    // Alternating by exchange keeps both sums in registers.
                    *sum = [sum[1], I::fma(weight, row, sum[0])];
                }
            }
            for (part, sum) in parts.iter_mut().zip(sums) {
                I::store(part.as_mut_ptr(), I::fma(I::splat(1.0), sum[0], sum[1]));
            }
        }
        for (head, part) in parts.iter().enumerate() {
            let end = (start + I::LANES).min(dim);
            out[head * dim + start..head * dim + end].iter_mut().zip(part).for_each(|(slot, value)| *slot += value);
        }
    }
}

/// silu(gate) · up, rows of `[gate | up]`.
#[inline(always)]
fn activate(gate_up: &[f32], width: usize, out: &mut [f32]) {
    for (row, out) in gate_up.chunks_exact(2 * width).zip(out.chunks_exact_mut(width)) {
        let (gate, up) = row.split_at(width);
        for ((slot, &gate), &up) in out.iter_mut().zip(gate).zip(up) {
            *slot = silu(gate) * up;
        }
    }
}
