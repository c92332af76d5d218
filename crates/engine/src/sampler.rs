//! Samples a token from a row of logits.

pub mod edits;

use crate::error::{EngineError, Result};
use crate::philox::Place;
use crate::simd::isa::Instructions;
use crate::simd::math::{exp, max, LANES};
use crate::with_instructions;
use edits::Edits;

#[derive(Debug, Clone, PartialEq)]
pub struct Sampling {
    /// 0 takes the likeliest token.
    pub temperature: f64,
    /// Keeps the k likeliest tokens; 0 keeps all.
    pub top_k: usize,
    /// Keeps the smallest set of tokens with at least this probability; 1 keeps all.
    pub top_p: f64,
    /// Drops tokens below this share of the likeliest one's probability; 0 keeps all.
    pub min_p: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampled {
    pub token: u32,
    /// In nats, under the full softmax at the sampling temperature (1 when greedy); NaN when the logits give no
    /// distribution, which then drew the token from nothing.
    pub logprob: f32,
}

impl Sampling {
    /// @error names the setting that is out of range.
    pub fn check(&self) -> Result<()> {
        let range = |key: &str, value: f64, low: f64, high: f64| {
            if value.is_finite() && (low..=high).contains(&value) {
                return Ok(());
            }
            Err(EngineError::invalid(key, format!("{value} is not between {low} and {high}")))
        };
        range("temperature", self.temperature, 0.0, 1e4)?;
        range("topP", self.top_p, 0.0, 1.0)?;
        range("minP", self.min_p, 0.0, 1.0)
    }

    /// True when no truncation applies and every token may be drawn.
    pub fn is_plain(&self) -> bool {
        self.top_k == 0 && self.top_p >= 1.0 && self.min_p == 0.0
    }

    /// The divisor of the logits: the temperature, or 1 when greedy.
    pub fn divisor(&self) -> f64 {
        if self.temperature == 0.0 {
            1.0
        } else {
            self.temperature
        }
    }
}

/// Draws from the edited logits; the log-probability is that of the logits as they were.
pub fn sample_edited(
    logits: &mut [f32],
    edits: Option<&Edits>,
    sampling: &Sampling,
    place: Place,
    instructions: Instructions,
) -> Sampled {
    let Some(edits) = edits else { return sample(logits, sampling, place, instructions) };
    let mut edited = logits.to_vec();
    edits.apply(&mut edited);
    let Sampled { token, logprob: drawn } = sample(&mut edited, sampling, place, instructions);
    let scale = (1.0 / sampling.divisor()) as f32;
    let total = with_instructions!(instructions, fn exponentiate(logits: &mut [f32], scale: f32) -> f64);
    let logprob = if drawn.is_nan() { drawn } else { logprob(logits[token as usize], total) };
    Sampled { token, logprob }
}

/// Samples from `logits`, which it overwrites with unnormalised probabilities.
pub fn sample(logits: &mut [f32], sampling: &Sampling, place: Place, instructions: Instructions) -> Sampled {
    let scale = (1.0 / sampling.divisor()) as f32;
    let greedy = (sampling.temperature == 0.0).then(|| argmax(logits));
    let total = with_instructions!(instructions, fn exponentiate(logits: &mut [f32], scale: f32) -> f64);
    let token = greedy.unwrap_or_else(|| {
        if sampling.is_plain() {
            draw(logits.iter().copied().enumerate(), place.uniform() * total)
        } else {
            draw_truncated(logits, total, sampling, place.uniform())
        }
    });
    let logprob = logprob(logits[token], total);
    Sampled { token: token as u32, logprob }
}

/// The first index of the maximum.
fn argmax(logits: &[f32]) -> usize {
    (1..logits.len()).fold(0, |best, index| if logits[index] > logits[best] { index } else { best })
}

/// logits ← e^(scale · (logit − largest)); returns their sum.
#[inline(always)]
fn exponentiate(logits: &mut [f32], scale: f32) -> f64 {
    let largest = max(logits);
    let mut lanes = [0f64; LANES];
    for chunk in logits.chunks_mut(LANES) {
        for (value, lane) in chunk.iter_mut().zip(&mut lanes) {
            *value = exp((*value - largest) * scale);
            *lane += f64::from(*value);
        }
    }
    lanes.iter().sum()
}

fn logprob(weight: f32, total: f64) -> f32 {
    (f64::from(weight).ln() - total.ln()) as f32
}

/// Draws by the inverse of the cumulative distribution, in the order given.
fn draw(weights: impl Iterator<Item = (usize, f32)>, mut target: f64) -> usize {
    let mut last = 0;
    for (index, weight) in weights {
        if weight > 0.0 {
            last = index;
            target -= f64::from(weight);
            if target < 0.0 {
                return index;
            }
        }
    }
    // Rounding may leave a remainder, which falls to the last token with a positive weight.
    last
}

/// Draws after top-k, then top-p over the rest, then min-p: the order of transformers' warpers.
fn draw_truncated(weights: &[f32], total: f64, sampling: &Sampling, uniform: f64) -> usize {
    let mut ranked: Vec<(usize, f32)> = weights.iter().copied().enumerate().collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let mut kept_total = total;
    if sampling.top_k > 0 && sampling.top_k < ranked.len() {
        ranked.truncate(sampling.top_k);
        kept_total = mass(&ranked);
    }
    if sampling.top_p < 1.0 {
        ranked.truncate(nucleus(&ranked, sampling.top_p * kept_total));
    }
    let floor = sampling.min_p * f64::from(ranked[0].1);
    ranked.retain(|(_, weight)| f64::from(*weight) >= floor);
    draw(ranked.iter().copied(), uniform * mass(&ranked))
}

fn mass(ranked: &[(usize, f32)]) -> f64 {
    ranked.iter().map(|(_, weight)| f64::from(*weight)).sum()
}

/// The length of the shortest prefix with a mass of at least `target`, at least 1.
fn nucleus(ranked: &[(usize, f32)], target: f64) -> usize {
    let mut mass = 0.0;
    for (index, (_, weight)) in ranked.iter().enumerate() {
        mass += f64::from(*weight);
        if mass >= target {
            return index + 1;
        }
    }
    ranked.len()
}
