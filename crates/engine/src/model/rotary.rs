//! Rotary position embedding tables, as transformers computes them.

use super::config::{DecoderConfig, RopeScaling};
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
        let frequencies = inverse_frequencies(config);
        let half = frequencies.len();
        let angles = (0..positions)
            .flat_map(|position| frequencies.iter().map(move |frequency| (frequency * position as f32) as f64));
        let (cos, sin) = angles.map(|angle| (angle.cos() as f32, angle.sin() as f32)).unzip();
        Self { cos, sin, positions, half }
    }
}

/// θ_i = base^(−2i/d), rescaled where the config asks for a longer context.
fn inverse_frequencies(config: &DecoderConfig) -> Vec<f32> {
    let dim = config.head_dim as f64;
    (0..config.head_dim / 2)
        .map(|index| 1.0 / config.rope.theta.powf(2.0 * index as f64 / dim))
        .map(|frequency| scaled(frequency, &config.rope.scaling) as f32)
        .collect()
}

fn scaled(frequency: f64, scaling: &RopeScaling) -> f64 {
    match *scaling {
        RopeScaling::None => frequency,
        RopeScaling::Linear { factor } => frequency / factor,
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
