//! The decoder's forward pass on the CPU kernels.
//!
//! A pass takes segments: some tokens of one sequence, which follow a shared prompt (`prefix`) and the sequence's own
//! earlier tokens (`own`). Decoding is one token a segment, prefilling all tokens of a prompt in one.

use super::attention::{attend, MAX_QUERIES};
use super::cache::KvCache;
use super::isa::{Instructions, Isa};
use super::linear::PackedLinear;
use super::math::{rms_norm, rotate, silu, sum, LANES};
use super::tape::Tape;
use crate::error::Result;
use crate::model::config::DecoderConfig;
use crate::model::layout::{DecoderLeaves, LayerLeaves, Layout};
use crate::model::parameters::Parameters;
use crate::model::rotary::RotaryTable;
use crate::with_instructions;

pub struct CpuDecoder {
    pub config: DecoderConfig,
    pub(super) instructions: Instructions,
    pub(super) layers: Vec<Layer>,
    embedding: Vec<f32>,
    pub(super) norm: Vec<f32>,
    head: PackedLinear,
    pub(super) rotary: RotaryTable,
}

pub(super) struct Layer {
    pub(super) attention_norm: Vec<f32>,
    qkv: PackedLinear,
    qkv_bias: Option<Vec<f32>>,
    pub(super) qk_norm: Option<(Vec<f32>, Vec<f32>)>,
    output: PackedLinear,
    output_bias: Option<Vec<f32>>,
    pub(super) mlp_norm: Vec<f32>,
    gate_up: PackedLinear,
    gate_up_bias: Option<Vec<f32>>,
    down: PackedLinear,
    down_bias: Option<Vec<f32>>,
}

/// Tokens of one sequence, to be computed after `prefix` and what `own` already holds.
pub struct Segment<'a> {
    pub tokens: &'a [u32],
    pub prefix: Option<&'a KvCache>,
    pub own: &'a mut KvCache,
}

/// How far a pass goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Of a prompt nobody reads more.
    KeysAndValues,
    States,
    Logits,
}

/// Buffers of one pass, kept from pass to pass. M rows.
#[derive(Default)]
pub struct Workspace {
    x: Vec<f32>,
    /// Final states after a pass that wants them.
    pub normed: Vec<f32>,
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
        let flat = parameters.on_host()?;
        let weights = Weights { flat, layout: &parameters.layout, instructions: Instructions::detect() };
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
        let flat = parameters.on_host()?;
        let weights = Weights { flat, layout: &parameters.layout, instructions: self.instructions };
        let rotary = std::mem::take(&mut self.rotary);
        *self = Self::pack(&weights, &parameters.leaves, self.config.clone(), rotary);
        Ok(())
    }

    /// Computes the segments' tokens and appends them to their own caches; `logits` asks for every row's logits.
    pub fn forward(&self, segments: &mut [Segment], workspace: &mut Workspace, logits: bool) {
        let output = if logits { Output::Logits } else { Output::KeysAndValues };
        self.forward_taped(segments, workspace, output, None);
    }

    /// Logits of final states, row by row.
    pub fn logits(&self, states: &[f32], logits: &mut Vec<f32>) {
        let rows = states.len() / self.config.hidden_size;
        logits.resize(rows * self.config.vocab_size, 0.0);
        let (head, target) = (&self.head, logits.as_mut_slice());
        with_instructions!(self.instructions, fn apply_head<I>(head: &PackedLinear, states: &[f32], target: &mut [f32]));
    }

    /// As `forward`; gives every row's final hidden state, normalised, `[M, D]`.
    pub fn states<'a>(&self, segments: &mut [Segment], workspace: &'a mut Workspace) -> &'a [f32] {
        self.forward_taped(segments, workspace, Output::States, None);
        workspace.states()
    }

    /// As `forward`, keeping on the tape what the gradient needs.
    pub fn forward_taped(
        &self,
        segments: &mut [Segment],
        workspace: &mut Workspace,
        output: Output,
        tape: Option<&mut Tape>,
    ) {
        let decoder = self;
        with_instructions!(self.instructions, fn forward<I>(decoder: &CpuDecoder, segments: &mut [Segment], workspace: &mut Workspace, output: Output, tape: Option<&mut Tape>));
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
        let bias = |leaf: Option<usize>| leaf.map(|leaf| weights.vector(leaf));
        Self {
            attention_norm: weights.vector(leaves.attention_norm),
            qkv: weights.linear(leaves.qkv),
            qkv_bias: bias(leaves.qkv_bias),
            qk_norm: leaves.qk_norm.map(|(query, key)| (weights.vector(query), weights.vector(key))),
            output: weights.linear(leaves.output),
            output_bias: bias(leaves.output_bias),
            mlp_norm: weights.vector(leaves.mlp_norm),
            gate_up: weights.linear(leaves.gate_up),
            gate_up_bias: bias(leaves.gate_up_bias),
            down: weights.linear(leaves.down),
            down_bias: bias(leaves.down_bias),
        }
    }
}

#[inline(always)]
fn forward<I: Isa>(
    decoder: &CpuDecoder,
    segments: &mut [Segment],
    workspace: &mut Workspace,
    output: Output,
    mut tape: Option<&mut Tape>,
) {
    let config = &decoder.config;
    let rows = segments.iter().map(|segment| segment.tokens.len()).sum();
    workspace.resize(config, rows, longest(segments));
    embed(decoder, segments, &mut workspace.x);
    for (index, layer) in decoder.layers.iter().enumerate() {
        let mut record = tape.as_deref_mut().map(|tape| tape.layer());
        let before = record.is_some().then(|| workspace.x.clone());
        normalise_rows(&workspace.x, &layer.attention_norm, config, &mut workspace.normed);
        layer.qkv.apply::<I>(&workspace.normed, &mut workspace.qkv, false);
        add_bias(layer.qkv_bias.as_deref(), &mut workspace.qkv);
        if let Some(record) = &mut record {
            record.x = before.unwrap_or_default();
            record.normed.clone_from(&workspace.normed);
            if layer.qk_norm.is_some() {
                record.raw_qkv.clone_from(&workspace.qkv);
            }
        }
        prepare_heads(decoder, layer, segments, &mut workspace.qkv);
        store_keys_and_values(config, index, segments, &workspace.qkv);
        if let Some(record) = &mut record {
            record.qkv.clone_from(&workspace.qkv);
        }
        if output == Output::KeysAndValues && index + 1 == config.layers {
            // Of a prompt's last layer nobody reads more than keys and values.
            break;
        }
        attend::<I>(config, index, segments, &workspace.qkv, &mut workspace.scores, &mut workspace.attended);
        layer.output.apply::<I>(&workspace.attended, &mut workspace.x, true);
        add_bias(layer.output_bias.as_deref(), &mut workspace.x);
        if let Some(record) = &mut record {
            record.middle.clone_from(&workspace.x);
        }
        normalise_rows(&workspace.x, &layer.mlp_norm, config, &mut workspace.normed);
        layer.gate_up.apply::<I>(&workspace.normed, &mut workspace.gate_up, false);
        add_bias(layer.gate_up_bias.as_deref(), &mut workspace.gate_up);
        activate(&workspace.gate_up, config.intermediate_size, &mut workspace.activated);
        layer.down.apply::<I>(&workspace.activated, &mut workspace.x, true);
        add_bias(layer.down_bias.as_deref(), &mut workspace.x);
        if let Some(record) = record {
            record.attended.clone_from(&workspace.attended);
            record.mlp_normed.clone_from(&workspace.normed);
            record.gate_up.clone_from(&workspace.gate_up);
            record.activated.clone_from(&workspace.activated);
        }
    }
    for segment in segments.iter_mut() {
        segment.own.length += segment.tokens.len();
    }
    if output != Output::KeysAndValues {
        normalise_rows(&workspace.x, &decoder.norm, config, &mut workspace.normed);
    }
    if output == Output::Logits {
        workspace.logits.resize(rows * config.vocab_size, 0.0);
        decoder.head.apply::<I>(&workspace.normed, &mut workspace.logits, false);
    }
    if let Some(tape) = tape {
        tape.x.clone_from(&workspace.x);
        tape.normed.clone_from(&workspace.normed);
    }
}

#[inline(always)]
fn apply_head<I: Isa>(head: &PackedLinear, states: &[f32], target: &mut [f32]) {
    head.apply::<I>(states, target, false);
}

impl Workspace {
    /// Final hidden states of every row, normalised, `[M, D]`, after a pass that wants them.
    pub fn states(&self) -> &[f32] {
        &self.normed
    }

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
    pub fn prefix_length(&self) -> usize {
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

#[inline(always)]
fn add_bias(bias: Option<&[f32]>, rows: &mut [f32]) {
    if let Some(bias) = bias {
        for row in rows.chunks_exact_mut(bias.len()) {
            row.iter_mut().zip(bias).for_each(|(value, bias)| *value += bias);
        }
    }
}

/// Normalises heads where the family does, and rotates queries and keys.
#[inline(always)]
fn prepare_heads(decoder: &CpuDecoder, layer: &Layer, segments: &[Segment], qkv: &mut [f32]) {
    let config = &decoder.config;
    let half = config.head_dim / 2;
    let positions = segments.iter().flat_map(|segment| segment.start()..segment.start() + segment.tokens.len());
    for (row, position) in qkv.chunks_exact_mut(config.qkv_rows()).zip(positions) {
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
