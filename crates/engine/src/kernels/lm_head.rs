//! The language-model head: final hidden states to log-probabilities and entropies, and back, a few rows of logits at a
//! time. R rows · V vocabulary.

use super::decoder::KernelDecoder;
use super::gradients;
use super::prompt_group::PromptGroup;
use super::training_weights::TrainingWeights;
use crate::simd::isa::Isa;
use crate::simd::math::{exp, max, LANES, LEAST_EXPONENT};
use crate::with_instructions;

/// d(loss)/d(log-probability) of every token, and d(loss)/d(entropy) where the loss depends on it.
#[derive(Clone, Copy)]
pub struct HeadGrads<'a> {
    pub logprobs: &'a [f32],
    pub entropies: Option<&'a [f32]>,
}

impl<'a> HeadGrads<'a> {
    pub(super) fn split_at(self, middle: usize) -> (Self, Self) {
        let (first, second) = self.logprobs.split_at(middle);
        let entropies = self.entropies.map(|entropies| entropies.split_at(middle));
        let half = |logprobs, entropies| HeadGrads { logprobs, entropies };
        (half(first, entropies.map(|(first, _)| first)), half(second, entropies.map(|(_, second)| second)))
    }
}

/// Log-probabilities and entropies `[R]` of rows of final hidden states.
#[derive(Default)]
pub(super) struct HeadOutput {
    pub logprobs: Vec<f32>,
    pub entropies: Vec<f32>,
    /// Softmax `[R, V]`, kept for the backward pass.
    pub probabilities: Option<Vec<f32>>,
}

/// Computes `chunk` rows of logits at a time, or all at once with `keep`, which keeps their probabilities.
pub(super) fn forward(
    decoder: &KernelDecoder,
    states: &[f32],
    targets: &[u32],
    temperature: f64,
    chunk: usize,
    keep: bool,
) -> HeadOutput {
    let (width, vocabulary) = (decoder.config.hidden_size, decoder.config.vocab_size);
    let mut output = HeadOutput::default();
    let mut kept = Vec::new();
    let mut logits = Vec::new();
    let chunk = if keep { targets.len() } else { chunk };
    for (states, targets) in states.chunks(chunk * width).zip(targets.chunks(chunk)) {
        decoder.logits(states, &mut logits);
        for (row, &target) in logits.chunks_exact_mut(vocabulary).zip(targets) {
            let (logprob, entropy) = normalise(decoder, row, target, temperature);
            output.logprobs.push(logprob);
            output.entropies.push(entropy);
        }
        if keep {
            kept = std::mem::take(&mut logits);
        }
    }
    output.probabilities = keep.then_some(kept);
    output
}

fn normalise(decoder: &KernelDecoder, row: &mut [f32], target: u32, temperature: f64) -> (f32, f32) {
    let scale = 1.0 / temperature as f32;
    with_instructions!(decoder.instructions, fn normalise_row(row: &mut [f32], target: u32, scale: f32) -> (f32, f32))
}

/// row ← softmax(scale · row); (log-probability of the target, entropy Σ −p log p).
#[inline(always)]
fn normalise_row(row: &mut [f32], target: u32, scale: f32) -> (f32, f32) {
    let largest = max(row);
    let shifted_target = (row[target as usize] - largest) * scale;
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
    // `exp` clamps: below its least value, at a small temperature, the exponent itself is the logarithm.
    let weight =
        if shifted_target < LEAST_EXPONENT { f64::from(shifted_target) } else { f64::from(row[target as usize]).ln() };
    let logprob = weight - total.ln();
    let inverse = (1.0 / total) as f32;
    row.iter_mut().for_each(|value| *value *= inverse);
    (logprob as f32, (total.ln() - weighted / total) as f32)
}

/// Adds the gradient of the head to `grad` and returns that of the final hidden states, `[R, D]`.
#[inline(always)]
pub(super) fn backward<I: Isa>(
    weights: &TrainingWeights,
    group: &PromptGroup,
    grads: HeadGrads,
    grad: &mut [f32],
) -> Vec<f32> {
    let (width, vocabulary) = (weights.decoder.config.hidden_size, weights.decoder.config.vocab_size);
    let (states, rows) = (&group.completions.activations.normed, group.targets.len());
    let mut d_states = vec![0f32; rows * width];
    let mut d_logits = Vec::new();
    let chunk = weights.logit_rows();
    for start in (0..rows).step_by(chunk) {
        let end = rows.min(start + chunk);
        let states = &states[start * width..end * width];
        match &group.probabilities {
            Some(kept) => {
                d_logits.clear();
                d_logits.extend_from_slice(&kept[start * vocabulary..end * vocabulary]);
            }
            None => {
                weights.decoder.logits(states, &mut d_logits);
                for (row, &target) in d_logits.chunks_exact_mut(vocabulary).zip(&group.targets[start..end]) {
                    normalise(&weights.decoder, row, target, weights.settings.temperature);
                }
            }
        }
        for (row, token) in d_logits.chunks_exact_mut(vocabulary).zip(start..end) {
            differentiate_row(row, group, token, grads, weights.settings.temperature as f32);
        }
        let d_lm_head = weights.grad_of(weights.leaves.lm_head, grad);
        gradients::weight::<I>(&d_logits, states, d_lm_head, vocabulary, width);
        weights.lm_head.apply::<I>(&d_logits, &mut d_states[start * width..end * width], false);
    }
    d_states
}

/// Turns a row of probabilities into d(loss)/d(logits). With z the logits over the temperature T: d log p_t / dz_v = 1[v = t] − p_v and
/// dH / dz_v = −p_v (log p_v + H).
#[inline(always)]
fn differentiate_row(row: &mut [f32], group: &PromptGroup, token: usize, grads: HeadGrads, temperature: f32) {
    let scale = grads.logprobs[token] / temperature;
    match grads.entropies {
        None => row.iter_mut().for_each(|value| *value *= -scale),
        Some(entropies) => {
            let (of_entropy, entropy) = (entropies[token] / temperature, group.entropies[token]);
            for value in row.iter_mut() {
                // p log p → 0 as p → 0: the smallest positive number replaces 0.
                let log = value.max(f32::MIN_POSITIVE).ln();
                *value *= -scale - of_entropy * (log + entropy);
            }
        }
    }
    row[group.targets[token] as usize] += scale;
}
