//! Log-probabilities and their gradient on the CPU kernels.
//!
//! The forward pass is the one that decodes: training sees the very numbers that sampling saw. A unit is one prompt
//! with completions of it; units are independent, so threads share them out, each with a gradient of its own, which are
//! added in order. n completion tokens · V vocabulary · D width.

use super::attention::{score, softmax};
use super::cache::KvCache;
use super::decoder::{CpuDecoder, Segment, Workspace};
use super::gradient;
use super::isa::Isa;
use super::linear::PackedLinear;
use super::math::{exp, max, rotate, LANES};
use super::tape::{LayerTape, Tape};
use crate::error::Result;
use crate::model::layout::{DecoderLeaves, LayerLeaves, Layout};
use crate::model::parameters::Parameters;
use crate::train::batch::Batch;
use crate::with_instructions;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;

/// Threads to share units among; None computes on the calling thread.
pub type Pool = Option<Arc<rayon::ThreadPool>>;

pub struct CpuTrainer {
    decoder: CpuDecoder,
    layout: Layout,
    leaves: DecoderLeaves,
    layers: Vec<Transposed>,
    head: PackedLinear,
    pool: Pool,
}

/// Transposed weights, for gradients of inputs.
struct Transposed {
    qkv: PackedLinear,
    output: PackedLinear,
    gate_up: PackedLinear,
    down: PackedLinear,
}

/// A prompt and completions of it, computed.
pub struct Unit {
    prompt: Pass,
    completions: Pass,
    /// Softmax of every completion row at the temperature, `[n, V]`.
    probabilities: Vec<f32>,
    targets: Vec<u32>,
    pub logprobs: Vec<f32>,
    pub entropies: Vec<f32>,
}

/// Segments computed together, their caches and the tape.
#[derive(Default)]
struct Pass {
    tokens: Vec<Vec<u32>>,
    caches: Vec<KvCache>,
    tape: Tape,
}

/// Gradient of keys and values of a prompt's positions: per layer `[positions, 2 · kv width]`.
struct KvGradient {
    layers: Vec<Vec<f32>>,
}

impl CpuTrainer {
    pub fn new(parameters: &Parameters, longest: usize, pool: Pool) -> Result<Self> {
        let mut decoder = CpuDecoder::new(parameters)?;
        decoder.reserve_positions(longest);
        let flat = parameters.to_host()?;
        let transposed = |leaf: usize| {
            let leaf = &parameters.layout.leaves[leaf];
            let (outputs, inputs) = (leaf.shape[0] as usize, leaf.shape[1] as usize);
            let weight = &flat[leaf.offset..leaf.offset + outputs * inputs];
            PackedLinear::pack_transposed(weight, outputs, inputs, decoder.instructions)
        };
        let layers = parameters.leaves.layers.iter().map(|layer| Transposed {
            qkv: transposed(layer.qkv),
            output: transposed(layer.output),
            gate_up: transposed(layer.gate_up),
            down: transposed(layer.down),
        });
        Ok(Self {
            layers: layers.collect(),
            head: transposed(parameters.leaves.head),
            layout: parameters.layout.clone(),
            leaves: parameters.leaves.clone(),
            decoder,
            pool,
        })
    }

    /// Computes sequences, unit by unit; log-probabilities and entropies lie in the order of the sequences.
    pub fn forward(&self, batch: &Batch, sequences: Range<usize>, temperature: f64) -> Vec<Unit> {
        let units = units(batch, sequences);
        let one = |unit: &Range<usize>| self.forward_unit(batch, unit.clone(), temperature);
        match &self.pool {
            Some(pool) => pool.install(|| units.par_iter().map(one).collect()),
            None => units.iter().map(one).collect(),
        }
    }

    /// Adds the gradient to `grad`, laid out like the parameters, given d(loss)/d(log-probability) of every token.
    pub fn backward(&self, units: &[Unit], d_logprobs: &[f32], temperature: f64, grad: &mut [f32]) {
        let mut rest = d_logprobs;
        let work: Vec<(&Unit, &[f32])> = units
            .iter()
            .map(|unit| {
                let (own, others) = rest.split_at(unit.logprobs.len());
                rest = others;
                (unit, own)
            })
            .collect();
        let Some(pool) = &self.pool else {
            return work.iter().for_each(|(unit, d)| self.backward_unit(unit, d, temperature, grad));
        };
        // The shares depend on the number of threads alone: a run repeats bit for bit.
        let share = work.len().div_ceil(pool.current_num_threads()).max(1);
        let partial = |units: &[(&Unit, &[f32])]| {
            let mut own = vec![0f32; grad.len()];
            units.iter().for_each(|(unit, d)| self.backward_unit(unit, d, temperature, &mut own));
            own
        };
        let partials: Vec<Vec<f32>> = pool.install(|| work.par_chunks(share).map(partial).collect());
        for partial in partials {
            gradient::add_scaled(grad, 1.0, &partial);
        }
    }

    fn forward_unit(&self, batch: &Batch, sequences: Range<usize>, temperature: f64) -> Unit {
        let ids = |tokens: &[i32]| -> Vec<u32> { tokens.iter().map(|&token| token as u32).collect() };
        let prompt = ids(batch.prompts.get(batch.prompt[sequences.start] as usize));
        let (last, before) = prompt.split_last().expect("a checked prompt has a token");
        let answers: Vec<Vec<u32>> = sequences.map(|index| ids(batch.sequences.get(index))).collect();
        let mut workspace = Workspace::default();
        let mut first = Pass::new(&self.decoder, if before.is_empty() { vec![] } else { vec![before.to_vec()] });
        first.run(&self.decoder, None, &mut workspace, false);
        let inputs = answers.iter().map(|answer| {
            let (_, inputs) = answer.split_last().expect("a checked sequence has a token");
            std::iter::once(last).chain(inputs).copied().collect()
        });
        let mut second = Pass::new(&self.decoder, inputs.collect());
        second.run(&self.decoder, first.caches.first(), &mut workspace, true);
        let mut unit = Unit {
            prompt: first,
            completions: second,
            probabilities: std::mem::take(&mut workspace.logits),
            targets: answers.concat(),
            logprobs: Vec::new(),
            entropies: Vec::new(),
        };
        unit.normalise(self.decoder.config.vocab_size, temperature as f32, self.decoder.instructions);
        unit
    }

    fn backward_unit(&self, unit: &Unit, d_logprobs: &[f32], temperature: f64, grad: &mut [f32]) {
        let trainer = self;
        let temperature = temperature as f32;
        with_instructions!(self.decoder.instructions, fn backward_unit<I>(trainer: &CpuTrainer, unit: &Unit, d_logprobs: &[f32], temperature: f32, grad: &mut [f32]));
    }

    fn grad_of<'a>(&self, leaf: usize, grad: &'a mut [f32]) -> &'a mut [f32] {
        let leaf = &self.layout.leaves[leaf];
        let size = leaf.shape.iter().product::<i64>() as usize;
        &mut grad[leaf.offset..leaf.offset + size]
    }
}

/// Neighbours with the same prompt.
fn units(batch: &Batch, sequences: Range<usize>) -> Vec<Range<usize>> {
    let mut units: Vec<Range<usize>> = Vec::new();
    for index in sequences {
        match units.last_mut() {
            Some(unit) if batch.prompt[unit.start] == batch.prompt[index] => unit.end = index + 1,
            _ => units.push(index..index + 1),
        }
    }
    units
}

impl Pass {
    fn new(decoder: &CpuDecoder, tokens: Vec<Vec<u32>>) -> Self {
        let caches = tokens.iter().map(|tokens| KvCache::new(&decoder.config, tokens.len())).collect();
        Self { tokens, caches, tape: Tape::default() }
    }

    fn run(&mut self, decoder: &CpuDecoder, prefix: Option<&KvCache>, workspace: &mut Workspace, logits: bool) {
        if self.tokens.is_empty() {
            return;
        }
        let pairs = self.tokens.iter().zip(&mut self.caches);
        let mut segments: Vec<Segment> = pairs.map(|(tokens, own)| Segment { tokens, prefix, own }).collect();
        decoder.forward_taped(&mut segments, workspace, logits, Some(&mut self.tape));
    }

    fn rows(&self) -> usize {
        self.tokens.iter().map(Vec::len).sum()
    }
}

impl Unit {
    /// Logits to probabilities, log-probabilities of the targets and entropies.
    fn normalise(&mut self, vocabulary: usize, temperature: f32, instructions: super::isa::Instructions) {
        let scale = 1.0 / temperature;
        for (row, &target) in self.probabilities.chunks_exact_mut(vocabulary).zip(&self.targets) {
            let (logprob, entropy) = with_instructions!(instructions, fn normalise_row(row: &mut [f32], target: u32, scale: f32) -> (f32, f32));
            self.logprobs.push(logprob);
            self.entropies.push(entropy);
        }
    }
}

/// row ← softmax(scale · row); (log-probability of the target, entropy Σ −p log p).
#[inline(always)]
fn normalise_row(row: &mut [f32], target: u32, scale: f32) -> (f32, f32) {
    let largest = max(row);
    let (mut totals, mut weighted) = ([0f64; LANES], [0f64; LANES]);
    for chunk in row.chunks_mut(LANES) {
        for ((value, total), weighted) in chunk.iter_mut().zip(&mut totals).zip(&mut weighted) {
            let shifted = (*value - largest) * scale;
            *value = exp(shifted);
            *total += f64::from(*value);
            *weighted += f64::from(*value * shifted);
        }
    }
    let (total, weighted) = (totals.iter().sum::<f64>(), weighted.iter().sum::<f64>());
    let logprob = f64::from(row[target as usize]).ln() - total.ln();
    let inverse = (1.0 / total) as f32;
    row.iter_mut().for_each(|value| *value *= inverse);
    (logprob as f32, (total.ln() - weighted / total) as f32)
}

#[inline(always)]
fn backward_unit<I: Isa>(trainer: &CpuTrainer, unit: &Unit, d_logprobs: &[f32], temperature: f32, grad: &mut [f32]) {
    let (config, leaves) = (&trainer.decoder.config, &trainer.leaves);
    let (vocabulary, width) = (config.vocab_size, config.hidden_size);
    // d(logit v) = d(logprob) · (1[v = target] − p_v) / temperature
    let mut d_logits = unit.probabilities.clone();
    for ((row, &target), &d) in d_logits.chunks_exact_mut(vocabulary).zip(&unit.targets).zip(d_logprobs) {
        let scale = d / temperature;
        row.iter_mut().for_each(|value| *value *= -scale);
        row[target as usize] += scale;
    }
    let rows = unit.targets.len();
    let tape = &unit.completions.tape;
    gradient::weight::<I>(&d_logits, &tape.normed, trainer.grad_of(leaves.head, grad), vocabulary, width);
    let mut d_normed = vec![0f32; rows * width];
    trainer.head.apply::<I>(&d_logits, &mut d_normed, false);
    let mut dx = vec![0f32; rows * width];
    let norm = &trainer.decoder.norm;
    norm_rows::<I>(&tape.x, norm, config.rms_norm_eps, &d_normed, &mut dx, trainer.grad_of(leaves.norm, grad));
    let prompt_rows = unit.prompt.rows();
    let layer_size = prompt_rows * 2 * config.kv_width();
    let mut prompt_kv = KvGradient { layers: vec![vec![0f32; layer_size]; config.layers] };
    backward_pass::<I>(trainer, &unit.completions, Some(&unit.prompt), dx, &mut prompt_kv, grad);
    if prompt_rows > 0 {
        let dx = vec![0f32; prompt_rows * width];
        backward_pass::<I>(trainer, &unit.prompt, None, dx, &mut prompt_kv, grad);
    }
}

/// From d(final residual) down to the embedding. Completions add to the prompt's keys and values; the prompt's own pass
/// begins from what they added.
#[inline(always)]
fn backward_pass<I: Isa>(
    trainer: &CpuTrainer,
    pass: &Pass,
    prompt: Option<&Pass>,
    mut dx: Vec<f32>,
    prompt_kv: &mut KvGradient,
    grad: &mut [f32],
) {
    let config = &trainer.decoder.config;
    let rows = pass.rows();
    let mut buffers = Buffers::new(config, rows);
    for index in (0..config.layers).rev() {
        let (tape, leaves) = (&pass.tape.layers[index], &trainer.leaves.layers[index]);
        buffers.qkv.fill(0.0);
        if prompt.is_none() {
            add_prompt_gradient(trainer, &prompt_kv.layers[index], &mut buffers.qkv);
        }
        // A prompt's last layer was computed up to its keys and values.
        if prompt.is_some() || index + 1 < config.layers {
            backward_mlp::<I>(trainer, index, leaves, tape, &mut dx, &mut buffers, grad);
            let output = trainer.grad_of(leaves.output, grad);
            gradient::weight::<I>(&dx, &tape.attended, output, config.hidden_size, config.attention_width());
            trainer.layers[index].output.apply::<I>(&dx, &mut buffers.attended, false);
            let from = AttentionInputs { layer: index, pass, prompt: prompt.filter(|prompt| prompt.rows() > 0) };
            backward_attention::<I>(trainer, &from, &buffers.attended, &mut buffers.qkv, &mut prompt_kv.layers[index]);
        }
        backward_heads::<I>(trainer, index, leaves, pass, prompt, &mut buffers.qkv, grad);
        let qkv = trainer.grad_of(leaves.qkv, grad);
        gradient::weight::<I>(&buffers.qkv, &tape.normed, qkv, config.qkv_rows(), config.hidden_size);
        trainer.layers[index].qkv.apply::<I>(&buffers.qkv, &mut buffers.normed, false);
        let weight = &trainer.decoder.layers[index].attention_norm;
        let norm = trainer.grad_of(leaves.attention_norm, grad);
        norm_rows::<I>(&tape.x, weight, config.rms_norm_eps, &buffers.normed, &mut dx, norm);
    }
    let embedding = trainer.grad_of(trainer.leaves.embedding, grad);
    for (row, &token) in dx.chunks_exact(config.hidden_size).zip(pass.tokens.iter().flatten()) {
        gradient::add_scaled(&mut embedding[token as usize * config.hidden_size..][..config.hidden_size], 1.0, row);
    }
}

struct Buffers {
    normed: Vec<f32>,
    attended: Vec<f32>,
    qkv: Vec<f32>,
    activated: Vec<f32>,
    gate_up: Vec<f32>,
}

impl Buffers {
    fn new(config: &crate::model::config::DecoderConfig, rows: usize) -> Self {
        Self {
            normed: vec![0.0; rows * config.hidden_size],
            attended: vec![0.0; rows * config.attention_width()],
            qkv: vec![0.0; rows * config.qkv_rows()],
            activated: vec![0.0; rows * config.intermediate_size],
            gate_up: vec![0.0; rows * 2 * config.intermediate_size],
        }
    }
}

#[inline(always)]
fn norm_rows<I: Isa>(x: &[f32], weight: &[f32], eps: f64, dy: &[f32], dx: &mut [f32], dw: &mut [f32]) {
    let width = weight.len();
    let inputs = x.chunks_exact(width).zip(dy.chunks_exact(width));
    for ((x, dy), dx) in inputs.zip(dx.chunks_exact_mut(width)) {
        gradient::rms_norm::<I>(x, weight, eps as f32, dy, dx, dw);
    }
}

#[inline(always)]
fn backward_mlp<I: Isa>(
    trainer: &CpuTrainer,
    index: usize,
    leaves: &LayerLeaves,
    tape: &LayerTape,
    dx: &mut [f32],
    buffers: &mut Buffers,
    grad: &mut [f32],
) {
    let config = &trainer.decoder.config;
    let (width, inner) = (config.hidden_size, config.intermediate_size);
    let Transposed { down, gate_up, .. } = &trainer.layers[index];
    gradient::weight::<I>(dx, &tape.activated, trainer.grad_of(leaves.down, grad), width, inner);
    down.apply::<I>(dx, &mut buffers.activated, false);
    gradient::activate(&tape.gate_up, &buffers.activated, inner, &mut buffers.gate_up);
    let target = trainer.grad_of(leaves.gate_up, grad);
    gradient::weight::<I>(&buffers.gate_up, &tape.mlp_normed, target, 2 * inner, width);
    gate_up.apply::<I>(&buffers.gate_up, &mut buffers.normed, false);
    let weight = &trainer.decoder.layers[index].mlp_norm;
    let norm = trainer.grad_of(leaves.mlp_norm, grad);
    norm_rows::<I>(&tape.middle, weight, config.rms_norm_eps, &buffers.normed, dx, norm);
}

/// d(keys, values) of the prompt that its completions found.
#[inline(always)]
fn add_prompt_gradient(trainer: &CpuTrainer, kv: &[f32], qkv: &mut [f32]) {
    let config = &trainer.decoder.config;
    let rows = qkv.chunks_exact_mut(config.qkv_rows()).zip(kv.chunks_exact(2 * config.kv_width()));
    for (row, kv) in rows {
        gradient::add_scaled(&mut row[config.attention_width()..], 1.0, kv);
    }
}

struct AttentionInputs<'a> {
    layer: usize,
    pass: &'a Pass,
    prompt: Option<&'a Pass>,
}

/// With p = softmax(scores) and dp_t = dO · v_t: ds_t = p_t (dp_t − dO · O), dq = Σ ds_t k_t / √d, dk_t = ds_t q / √d,
/// dv_t = p_t dO.
#[inline(always)]
fn backward_attention<I: Isa>(
    trainer: &CpuTrainer,
    from: &AttentionInputs,
    d_attended: &[f32],
    d_qkv: &mut [f32],
    prompt_kv: &mut [f32],
) {
    let config = &trainer.decoder.config;
    let (dim, stride, keys) = (config.head_dim, config.qkv_rows(), config.attention_width());
    let (share, kv_width) = (config.heads / config.kv_heads, config.kv_width());
    let tape = &from.pass.tape.layers[from.layer];
    let prefix = from.prompt.map(|prompt| (&prompt.caches[0], &prompt.tape.layers[from.layer].qkv));
    let before = prefix.map_or(0, |(cache, _)| cache.length);
    let longest = before + from.pass.tokens.iter().map(Vec::len).max().unwrap_or(0);
    let mut scores = vec![0f32; longest + 4 * LANES];
    let mut d_query = vec![0f32; dim];
    let mut first = 0;
    for (tokens, own) in from.pass.tokens.iter().zip(&from.pass.caches) {
        for row in first..first + tokens.len() {
            let own_length = row - first + 1;
            for head in 0..config.heads {
                let kv_head = head / share;
                let query = &tape.qkv[row * stride + head * dim..][..dim];
                let spot = row * config.attention_width() + head * dim;
                let (d_out, out) = (&d_attended[spot..spot + dim], &tape.attended[spot..spot + dim]);
                if let Some((cache, _)) = prefix {
                    let keys = cache.head(from.layer, kv_head).0;
                    score::<I, 1>(keys, cache.capacity, query, before, &mut scores, 0);
                }
                let own_keys = own.head(from.layer, kv_head).0;
                score::<I, 1>(own_keys, own.capacity, query, own_length, &mut scores[before..], 0);
                softmax(&mut scores[..before + own_length]);
                let delta = gradient::dot::<I>(d_out, out);
                let scale = 1.0 / (dim as f32).sqrt();
                d_query.fill(0.0);
                if let Some((_, rows)) = prefix {
                    for (position, &weight) in scores[..before].iter().enumerate() {
                        let source = position * stride + keys + kv_head * dim;
                        let (key, value) = (&rows[source..][..dim], &rows[source + kv_width..][..dim]);
                        let d_score = weight * (gradient::dot::<I>(d_out, value) - delta) * scale;
                        gradient::add_scaled(&mut d_query, d_score, key);
                        let target = position * 2 * kv_width + kv_head * dim;
                        gradient::add_scaled(&mut prompt_kv[target..][..dim], d_score, query);
                        gradient::add_scaled(&mut prompt_kv[target + kv_width..][..dim], weight, d_out);
                    }
                }
                for position in 0..own_length {
                    let source = (first + position) * stride + keys + kv_head * dim;
                    let (key, value) = (&tape.qkv[source..][..dim], &tape.qkv[source + kv_width..][..dim]);
                    let weight = scores[before + position];
                    let d_score = weight * (gradient::dot::<I>(d_out, value) - delta) * scale;
                    gradient::add_scaled(&mut d_query, d_score, key);
                    gradient::add_scaled(&mut d_qkv[source..][..dim], d_score, query);
                    gradient::add_scaled(&mut d_qkv[source + kv_width..][..dim], weight, d_out);
                }
                gradient::add_scaled(&mut d_qkv[row * stride + head * dim..][..dim], 1.0, &d_query);
            }
        }
        first += tokens.len();
    }
}

/// Back through rotation, head normalisation and bias: d(rotated q, k, v) becomes d(projection).
#[inline(always)]
fn backward_heads<I: Isa>(
    trainer: &CpuTrainer,
    index: usize,
    leaves: &LayerLeaves,
    pass: &Pass,
    prompt: Option<&Pass>,
    d_qkv: &mut [f32],
    grad: &mut [f32],
) {
    let config = &trainer.decoder.config;
    let (dim, half) = (config.head_dim, config.head_dim / 2);
    let start = prompt.map_or(0, Pass::rows);
    let positions = pass.tokens.iter().flat_map(|tokens| start..start + tokens.len());
    let rotary = &trainer.decoder.rotary;
    let layer = &trainer.decoder.layers[index];
    let mut raw = pass.tape.layers[index].raw_qkv.chunks_exact(config.qkv_rows());
    let mut d_head = vec![0f32; dim];
    for (row, position) in d_qkv.chunks_exact_mut(config.qkv_rows()).zip(positions) {
        let cos = &rotary.cos[position * half..][..half];
        let back: Vec<f32> = rotary.sin[position * half..][..half].iter().map(|sin| -sin).collect();
        let raw = raw.next();
        for (head, values) in row.chunks_exact_mut(dim).take(config.heads + config.kv_heads).enumerate() {
            rotate(values, cos, &back);
            if let (Some((query, key)), Some((query_leaf, key_leaf)), Some(raw)) = (&layer.qk_norm, leaves.qk_norm, raw)
            {
                let is_query = head < config.heads;
                let (weight, leaf) = if is_query { (query, query_leaf) } else { (key, key_leaf) };
                d_head.fill(0.0);
                let x = &raw[head * dim..][..dim];
                let dw = trainer.grad_of(leaf, grad);
                gradient::rms_norm::<I>(x, weight, config.rms_norm_eps as f32, values, &mut d_head, dw);
                values.copy_from_slice(&d_head);
            }
        }
        if let Some(leaf) = leaves.qkv_bias {
            gradient::add_scaled(trainer.grad_of(leaf, grad), 1.0, row);
        }
    }
}
