//! Rotary position embedding tables, as transformers computes them.

use super::config::DecoderConfig;
use super::rope::{RopeConfig, RopeScaling};
use std::f64::consts::PI;

/// cos and sin of every position below `positions`, each `[positions, head_dim / 2]`.
#[derive(Debug, Clone, Default)]
pub struct RotaryTable {
    pub cos: Vec<f32>,
    pub sin: Vec<f32>,
    pub positions: usize,
    pub half: usize,
}

impl RotaryTable {
    pub fn new(config: &DecoderConfig, positions: usize) -> Self {
        let frequencies = inverse_frequencies(&config.rope, config.head_dim);
        let half = frequencies.len();
        let length = match config.rope.scaling {
            RopeScaling::Yarn { attention_factor, .. } => attention_factor as f32,
            _ => 1.0,
        };
        let angles = (0..positions)
            .flat_map(|position| frequencies.iter().map(move |frequency| (frequency * position as f32) as f64));
        let (cos, sin) = angles.map(|angle| (angle.cos() as f32 * length, angle.sin() as f32 * length)).unzip();
        Self { cos, sin, positions, half }
    }
}

/// θ_i = base^(−2i/d), rescaled where the config asks for a longer context.
fn inverse_frequencies(rope: &RopeConfig, head_dim: usize) -> Vec<f32> {
    let dim = head_dim as f64;
    let ramp = yarn_ramp(rope, dim);
    (0..head_dim / 2)
        .map(|index| (index, 1.0 / rope.theta.powf(2.0 * index as f64 / dim)))
        .map(|(index, frequency)| scaled(frequency, &rope.scaling, ramp.share(index)) as f32)
        .collect()
}

/// `interpolated` is YaRN's share of the divided frequency.
fn scaled(frequency: f64, scaling: &RopeScaling, interpolated: f64) -> f64 {
    match *scaling {
        RopeScaling::None => frequency,
        RopeScaling::Linear { factor } => frequency / factor,
        RopeScaling::Yarn { factor, .. } => frequency / factor * interpolated + frequency * (1.0 - interpolated),
        RopeScaling::Llama3 { factor, low_freq_factor, high_freq_factor, original_context } => {
            let wavelength = 2.0 * PI / frequency;
            if wavelength < original_context / high_freq_factor {
                return frequency;
            }
            if wavelength > original_context / low_freq_factor {
                return frequency / factor;
            }
            let smooth = (original_context / wavelength - low_freq_factor) / (high_freq_factor - low_freq_factor);
            (1.0 - smooth) * frequency / factor + smooth * frequency
        }
    }
}

/// Rises from 0 at dimension `low` to 1 at `high`.
struct Ramp {
    low: f64,
    high: f64,
}

impl Ramp {
    fn share(&self, index: usize) -> f64 {
        ((index as f64 - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }
}

/// Between the dimensions that turn `beta_fast` and `beta_slow` times within the original context:
/// d(β) = dim · ln(context / 2πβ) / (2 ln base).
fn yarn_ramp(rope: &RopeConfig, dim: f64) -> Ramp {
    let RopeScaling::Yarn { original_context, beta_fast, beta_slow, truncate, .. } = rope.scaling else {
        return Ramp { low: 0.0, high: 1.0 };
    };
    let turning = |beta: f64| dim * (original_context / (beta * 2.0 * PI)).ln() / (2.0 * rope.theta.ln());
    let (low, high) = (turning(beta_fast), turning(beta_slow));
    let (low, high) = if truncate { (low.floor(), high.ceil()) } else { (low, high) };
    let (low, high) = (low.max(0.0), high.min(dim - 1.0));
    // A step instead of a ramp where both meet, without dividing by zero.
    Ramp { low, high: if low == high { high + 0.001 } else { high } }
}
