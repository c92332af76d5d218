//! The gradient of a prompt group, layer by layer from the logits to the embedding. R rows · D width.

use super::activations::LayerActivations;
use super::attention_backward::{backward_attention, AttentionInputs};
use super::gated;
use super::gradients;
use super::lm_head::{self, HeadGrads};
use super::prompt_group::{Pass, PromptGroup};
use super::training_weights::{TrainingWeights, TransposedLayer};
use crate::model::config::DecoderConfig;
use crate::model::layout::LayerLeaves;
use crate::simd::isa::Isa;
use crate::simd::math::rotate;

/// Gradient of the keys and values of a prompt's positions, per layer `[positions, 2 · kv width]`.
struct KvGradient {
    layers: Vec<Vec<f32>>,
}

/// Adds the gradient of one prompt group to `grad`, which is laid out like the parameters.
#[inline(always)]
pub fn backward_group<I: Isa>(weights: &TrainingWeights, group: &PromptGroup, grads: HeadGrads, grad: &mut [f32]) {
    let (config, leaves) = (&weights.decoder.config, &weights.leaves);
    let (width, rows) = (config.hidden_size, group.targets.len());
    let activations = &group.completions.activations;
    let d_normed = lm_head::backward::<I>(weights, group, grads, grad);
    let mut dx = vec![0f32; rows * width];
    let norm = &weights.decoder.norm;
    norm_rows::<I>(&activations.x, norm, config.rms_norm_eps, &d_normed, &mut dx, weights.grad_of(leaves.norm, grad));
    let prompt_rows = group.prompt.rows();
    let layer_size = prompt_rows * 2 * config.kv_width();
    let mut prompt_kv = KvGradient { layers: vec![vec![0f32; layer_size]; config.layers] };
    backward_pass::<I>(weights, &group.completions, Some(&group.prompt), dx, &mut prompt_kv, grad);
    if prompt_rows > 0 {
        let dx = vec![0f32; prompt_rows * width];
        backward_pass::<I>(weights, &group.prompt, None, dx, &mut prompt_kv, grad);
    }
}

/// From d(final residual) to the embedding. The pass of the completions adds to the gradient of the prompt's keys and
/// values, `prompt_kv`; the pass of the prompt starts from that sum.
#[inline(always)]
fn backward_pass<I: Isa>(
    weights: &TrainingWeights,
    pass: &Pass,
    prompt: Option<&Pass>,
    mut dx: Vec<f32>,
    prompt_kv: &mut KvGradient,
    grad: &mut [f32],
) {
    let config = &weights.decoder.config;
    let rows = pass.rows();
    let mut buffers = Buffers::new(config, rows);
    for index in (0..config.layers).rev() {
        let (activations, leaves) = (&pass.activations.layers[index], &weights.leaves.layers[index]);
        buffers.qkv.fill(0.0);
        if prompt.is_none() {
            add_prompt_gradient(weights, &prompt_kv.layers[index], &mut buffers.qkv);
        }
        // The forward pass of a prompt ends with the keys and values of its last layer.
        if prompt.is_some() || index + 1 < config.layers {
            backward_mlp::<I>(weights, index, leaves, activations, &mut dx, &mut buffers, grad);
            add_bias_gradient(weights, leaves.o_bias, &dx, grad);
            let output = weights.grad_of(leaves.o_proj, grad);
            gradients::weight::<I>(&dx, &activations.attended, output, config.hidden_size, config.attention_width());
            weights.layers[index].o_proj.apply::<I>(&dx, &mut buffers.attended, false);
            let from = AttentionInputs { layer: index, pass, prompt: prompt.filter(|prompt| prompt.rows() > 0) };
            backward_attention::<I>(weights, &from, &buffers.attended, &mut buffers.qkv, &mut prompt_kv.layers[index]);
        }
        backward_heads::<I>(weights, index, leaves, pass, prompt, &mut buffers.qkv, grad);
        let qkv = weights.grad_of(leaves.qkv_proj, grad);
        gradients::weight::<I>(&buffers.qkv, &activations.normed, qkv, config.qkv_rows(), config.hidden_size);
        weights.layers[index].qkv_proj.apply::<I>(&buffers.qkv, &mut buffers.normed, false);
        let weight = &weights.decoder.layers[index].input_layernorm;
        let norm = weights.grad_of(leaves.input_layernorm, grad);
        norm_rows::<I>(&activations.x, weight, config.rms_norm_eps, &buffers.normed, &mut dx, norm);
    }
    let embedding = weights.grad_of(weights.leaves.embed_tokens, grad);
    for (row, &token) in dx.chunks_exact(config.hidden_size).zip(pass.tokens.iter().flatten()) {
        gradients::add_scaled(&mut embedding[token as usize * config.hidden_size..][..config.hidden_size], 1.0, row);
    }
}

/// Gradients of one layer's activations, reused from layer to layer.
struct Buffers {
    normed: Vec<f32>,
    attended: Vec<f32>,
    qkv: Vec<f32>,
    activated: Vec<f32>,
    gate_up: Vec<f32>,
}

impl Buffers {
    fn new(config: &DecoderConfig, rows: usize) -> Self {
        Self {
            normed: vec![0.0; rows * config.hidden_size],
            attended: vec![0.0; rows * config.attention_width()],
            qkv: vec![0.0; rows * config.qkv_rows()],
            activated: vec![0.0; rows * config.intermediate_size],
            gate_up: vec![0.0; rows * 2 * config.intermediate_size],
        }
    }
}

/// Backward of RMSNorm over rows: adds to `dx` and to the gradient of the weight, `dw`.
#[inline(always)]
fn norm_rows<I: Isa>(x: &[f32], weight: &[f32], eps: f64, dy: &[f32], dx: &mut [f32], dw: &mut [f32]) {
    let width = weight.len();
    let inputs = x.chunks_exact(width).zip(dy.chunks_exact(width));
    for ((x, dy), dx) in inputs.zip(dx.chunks_exact_mut(width)) {
        gradients::rms_norm::<I>(x, weight, eps as f32, dy, dx, dw);
    }
}

/// Backward of norm, gate, up and down projections; adds to `dx`.
#[inline(always)]
fn backward_mlp<I: Isa>(
    weights: &TrainingWeights,
    index: usize,
    leaves: &LayerLeaves,
    activations: &LayerActivations,
    dx: &mut [f32],
    buffers: &mut Buffers,
    grad: &mut [f32],
) {
    let config = &weights.decoder.config;
    let (width, inner) = (config.hidden_size, config.intermediate_size);
    let TransposedLayer { down_proj, gate_up_proj, .. } = &weights.layers[index];
    add_bias_gradient(weights, leaves.down_bias, dx, grad);
    gradients::weight::<I>(dx, &activations.activated, weights.grad_of(leaves.down_proj, grad), width, inner);
    down_proj.apply::<I>(dx, &mut buffers.activated, false);
    gated::backward(config.activation, &activations.gate_up, &buffers.activated, inner, &mut buffers.gate_up);
    add_bias_gradient(weights, leaves.gate_up_bias, &buffers.gate_up, grad);
    let target = weights.grad_of(leaves.gate_up_proj, grad);
    gradients::weight::<I>(&buffers.gate_up, &activations.mlp_normed, target, 2 * inner, width);
    gate_up_proj.apply::<I>(&buffers.gate_up, &mut buffers.normed, false);
    let weight = &weights.decoder.layers[index].post_attention_layernorm;
    let norm = weights.grad_of(leaves.post_attention_layernorm, grad);
    norm_rows::<I>(&activations.middle, weight, config.rms_norm_eps, &buffers.normed, dx, norm);
}

/// The gradient of a bias is the sum of the outputs' gradients over the rows; None has no bias.
#[inline(always)]
fn add_bias_gradient(weights: &TrainingWeights, leaf: Option<usize>, d_rows: &[f32], grad: &mut [f32]) {
    if let Some(leaf) = leaf {
        let target = weights.grad_of(leaf, grad);
        d_rows.chunks_exact(target.len()).for_each(|row| gradients::add_scaled(target, 1.0, row));
    }
}

/// Adds d(keys, values) of the prompt, which its completions computed.
#[inline(always)]
fn add_prompt_gradient(weights: &TrainingWeights, kv: &[f32], qkv: &mut [f32]) {
    let config = &weights.decoder.config;
    let rows = qkv.chunks_exact_mut(config.qkv_rows()).zip(kv.chunks_exact(2 * config.kv_width()));
    for (row, kv) in rows {
        gradients::add_scaled(&mut row[config.attention_width()..], 1.0, kv);
    }
}

/// Backward of rotary embedding, head norm and bias: turns d(rotated q, k, v) into d(projection) in place.
#[inline(always)]
fn backward_heads<I: Isa>(
    weights: &TrainingWeights,
    index: usize,
    leaves: &LayerLeaves,
    pass: &Pass,
    prompt: Option<&Pass>,
    d_qkv: &mut [f32],
    grad: &mut [f32],
) {
    let config = &weights.decoder.config;
    let (dim, half) = (config.head_dim, config.head_dim / 2);
    let start = prompt.map_or(0, Pass::rows);
    let positions = pass.tokens.iter().flat_map(|tokens| start..start + tokens.len());
    let rotary = &weights.decoder.rotary;
    let layer = &weights.decoder.layers[index];
    let mut raw = pass.activations.layers[index].raw_qkv.chunks_exact(config.qkv_rows());
    let mut d_head = vec![0f32; dim];
    for (row, position) in d_qkv.chunks_exact_mut(config.qkv_rows()).zip(positions) {
        let cos = &rotary.cos[position * half..][..half];
        let inverse_sin: Vec<f32> = rotary.sin[position * half..][..half].iter().map(|sin| -sin).collect();
        let raw = raw.next();
        for (head, values) in row.chunks_exact_mut(dim).take(config.heads + config.kv_heads).enumerate() {
            rotate(values, cos, &inverse_sin);
            if let (Some((query, key)), Some((query_leaf, key_leaf)), Some(raw)) = (&layer.qk_norm, leaves.qk_norm, raw)
            {
                let is_query = head < config.heads;
                let (weight, leaf) = if is_query { (query, query_leaf) } else { (key, key_leaf) };
                d_head.fill(0.0);
                let x = &raw[head * dim..][..dim];
                let dw = weights.grad_of(leaf, grad);
                gradients::rms_norm::<I>(x, weight, config.rms_norm_eps as f32, values, &mut d_head, dw);
                values.copy_from_slice(&d_head);
            }
        }
        if let Some(leaf) = leaves.qkv_bias {
            gradients::add_scaled(weights.grad_of(leaf, grad), 1.0, row);
        }
    }
}
