//! The decoder's forward pass on the CPU kernels.
//!
//! A pass computes segments: consecutive tokens of one sequence, which follow a shared prompt (`prefix`) and the tokens
//! that the sequence's `cache` already holds. Decoding computes one token a segment, prefill all tokens of a prompt in one.

use super::activations::{Activations, LayerActivations};
use super::attention::attend;
use super::gated::activate;
use super::linear::PackedLinear;
use super::packed_weights::{FlatWeights, PackedLayer};
use super::qk_heads::{prepare_heads, store_keys_and_values};
use super::segment::{longest, Output, Segment, Workspace};
use crate::error::Result;
use crate::model::config::DecoderConfig;
use crate::model::layout::DecoderLeaves;
use crate::model::parameters::Parameters;
use crate::model::rotary::RotaryTable;
use crate::simd::isa::{Instructions, Isa};
use crate::simd::math::rms_norm;
use crate::with_instructions;

/// The decoder with its weights packed for the kernels.
pub struct KernelDecoder {
    pub config: DecoderConfig,
    pub(super) instructions: Instructions,
    pub(super) layers: Vec<PackedLayer>,
    embed_tokens: Vec<f32>,
    pub(super) norm: Vec<f32>,
    lm_head: PackedLinear,
    pub(super) rotary: RotaryTable,
}

impl KernelDecoder {
    /// Packs a copy of the weights.
    ///
    /// # Errors
    /// `backend` where the parameters are not fp32 on the CPU.
    pub fn new(parameters: &Parameters) -> Result<Self> {
        let config = parameters.config.clone();
        let flat = parameters.on_host()?;
        let weights = FlatWeights { flat, layout: &parameters.layout, instructions: Instructions::detect() };
        Ok(Self::pack(&weights, &parameters.leaves, config, RotaryTable::default()))
    }

    /// Extends the rotary tables to sequences of `positions` tokens; a pass over a longer one panics.
    pub fn reserve_positions(&mut self, positions: usize) {
        if self.rotary.positions < positions {
            self.rotary = RotaryTable::new(&self.config.rope, self.config.head_dim, positions.next_power_of_two());
        }
    }

    fn pack(weights: &FlatWeights, leaves: &DecoderLeaves, config: DecoderConfig, rotary: RotaryTable) -> Self {
        Self {
            config,
            rotary,
            instructions: weights.instructions,
            layers: leaves.layers.iter().map(|layer| PackedLayer::pack(weights, layer)).collect(),
            embed_tokens: weights.vector(leaves.embed_tokens),
            norm: weights.vector(leaves.norm),
            lm_head: weights.linear(leaves.lm_head),
        }
    }

    /// Packs the weights again after they changed. Errors as `new`.
    pub fn refresh(&mut self, parameters: &Parameters) -> Result<()> {
        let flat = parameters.on_host()?;
        let weights = FlatWeights { flat, layout: &parameters.layout, instructions: self.instructions };
        let rotary = std::mem::take(&mut self.rotary);
        *self = Self::pack(&weights, &parameters.leaves, self.config.clone(), rotary);
        Ok(())
    }

    /// Computes the segments' tokens and appends keys and values to their caches; with `logits`, `workspace.logits` holds
    /// every row's logits `[R, V]` afterwards.
    pub fn forward(&self, segments: &mut [Segment], workspace: &mut Workspace, logits: bool) {
        let output = if logits { Output::Logits } else { Output::KeysAndValues };
        self.forward_with_activations(segments, workspace, output, None);
    }

    /// Logits `[R, V]` of final hidden states `[R, D]`.
    pub fn logits(&self, states: &[f32], logits: &mut Vec<f32>) {
        let rows = states.len() / self.config.hidden_size;
        logits.resize(rows * self.config.vocab_size, 0.0);
        let (head, target) = (&self.lm_head, logits.as_mut_slice());
        with_instructions!(self.instructions, fn apply_lm_head<I>(head: &PackedLinear, states: &[f32], target: &mut [f32]));
    }

    /// As `forward`; returns every row's final hidden state, normalised, `[R, D]`.
    pub fn states<'a>(&self, segments: &mut [Segment], workspace: &'a mut Workspace) -> &'a [f32] {
        self.forward_with_activations(segments, workspace, Output::States, None);
        workspace.states()
    }

    /// As `forward`, up to `output`; fills `activations` for the backward pass.
    pub fn forward_with_activations(
        &self,
        segments: &mut [Segment],
        workspace: &mut Workspace,
        output: Output,
        activations: Option<&mut Activations>,
    ) {
        let decoder = self;
        with_instructions!(self.instructions, fn forward<I>(decoder: &KernelDecoder, segments: &mut [Segment], workspace: &mut Workspace, output: Output, activations: Option<&mut Activations>));
    }
}

#[inline(always)]
fn forward<I: Isa>(
    decoder: &KernelDecoder,
    segments: &mut [Segment],
    workspace: &mut Workspace,
    output: Output,
    mut activations: Option<&mut Activations>,
) {
    let config = &decoder.config;
    let rows = segments.iter().map(|segment| segment.tokens.len()).sum();
    workspace.resize(config, rows, longest(segments));
    embed(decoder, segments, &mut workspace.x);
    for index in 0..config.layers {
        let mut kept = activations.as_deref_mut().map(|activations| activations.push_layer());
        project_qkv::<I>(decoder, index, segments, workspace, kept.as_deref_mut());
        if output == Output::KeysAndValues && index + 1 == config.layers {
            // Only keys and values of a prompt's last layer are read.
            break;
        }
        attend::<I>(config, index, segments, &workspace.qkv, &mut workspace.attn_weights, &mut workspace.attended);
        project_and_mlp::<I>(decoder, index, workspace, kept);
    }
    for segment in segments.iter_mut() {
        segment.cache.length += segment.tokens.len();
    }
    if output != Output::KeysAndValues {
        normalise_rows(&workspace.x, &decoder.norm, config, &mut workspace.normed);
    }
    if output == Output::Logits {
        workspace.logits.resize(rows * config.vocab_size, 0.0);
        decoder.lm_head.apply::<I>(&workspace.normed, &mut workspace.logits, false);
    }
    if let Some(activations) = activations {
        activations.x.clone_from(&workspace.x);
        activations.normed.clone_from(&workspace.normed);
    }
}

/// Projects, normalises and rotates queries, keys and values of a layer; stores keys and values in the caches.
#[inline(always)]
fn project_qkv<I: Isa>(
    decoder: &KernelDecoder,
    index: usize,
    segments: &mut [Segment],
    workspace: &mut Workspace,
    mut kept: Option<&mut LayerActivations>,
) {
    let (config, layer) = (&decoder.config, &decoder.layers[index]);
    if let Some(kept) = &mut kept {
        kept.x.clone_from(&workspace.x);
    }
    normalise_rows(&workspace.x, &layer.input_layernorm, config, &mut workspace.normed);
    layer.qkv_proj.apply::<I>(&workspace.normed, &mut workspace.qkv, false);
    add_bias(layer.qkv_bias.as_deref(), &mut workspace.qkv);
    if let Some(kept) = &mut kept {
        kept.normed.clone_from(&workspace.normed);
        if layer.qk_norm.is_some() {
            kept.raw_qkv.clone_from(&workspace.qkv);
        }
    }
    prepare_heads(config, &decoder.rotary, layer, segments, &mut workspace.qkv);
    store_keys_and_values(config, index, segments, &workspace.qkv);
    if let Some(kept) = &mut kept {
        kept.qkv.clone_from(&workspace.qkv);
    }
}

/// Output projection and MLP of a layer, each added to the residual stream.
#[inline(always)]
fn project_and_mlp<I: Isa>(
    decoder: &KernelDecoder,
    index: usize,
    workspace: &mut Workspace,
    mut kept: Option<&mut LayerActivations>,
) {
    let (config, layer) = (&decoder.config, &decoder.layers[index]);
    layer.o_proj.apply::<I>(&workspace.attended, &mut workspace.x, true);
    add_bias(layer.o_bias.as_deref(), &mut workspace.x);
    if let Some(kept) = &mut kept {
        kept.middle.clone_from(&workspace.x);
    }
    normalise_rows(&workspace.x, &layer.post_attention_layernorm, config, &mut workspace.normed);
    layer.gate_up_proj.apply::<I>(&workspace.normed, &mut workspace.gate_up, false);
    add_bias(layer.gate_up_bias.as_deref(), &mut workspace.gate_up);
    activate(config.activation, &workspace.gate_up, config.intermediate_size, &mut workspace.activated);
    layer.down_proj.apply::<I>(&workspace.activated, &mut workspace.x, true);
    add_bias(layer.down_bias.as_deref(), &mut workspace.x);
    if let Some(kept) = kept {
        kept.attended.clone_from(&workspace.attended);
        kept.mlp_normed.clone_from(&workspace.normed);
        kept.gate_up.clone_from(&workspace.gate_up);
        kept.activated.clone_from(&workspace.activated);
    }
}

#[inline(always)]
fn apply_lm_head<I: Isa>(head: &PackedLinear, states: &[f32], target: &mut [f32]) {
    head.apply::<I>(states, target, false);
}

/// Rows of the embedding table.
#[inline(always)]
fn embed(decoder: &KernelDecoder, segments: &[Segment], x: &mut [f32]) {
    let width = decoder.config.hidden_size;
    let tokens = segments.iter().flat_map(|segment| segment.tokens);
    for (row, &token) in x.chunks_exact_mut(width).zip(tokens) {
        row.copy_from_slice(&decoder.embed_tokens[token as usize * width..][..width]);
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
