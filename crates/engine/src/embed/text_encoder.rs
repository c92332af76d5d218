//! What turns the tokens of texts into hidden states: an encoder or a decoder, on our kernels or on libtorch.
//!
//! It is narrower than a policy's `Backend`: an encoder has no cache, samples nothing and learns nothing, and its texts
//! are no batch with prompts.

use crate::error::Result;
use crate::model::rotary::RotaryTable;
use crate::placement::Pool;
use tch::{Device, Kind};

pub trait TextEncoder {
    fn width(&self) -> usize;
    /// Called before `states` with the longest text's length.
    fn reserve(&mut self, longest: usize) -> Result<()>;
    /// Hidden states `[tokens, width]` of each text; no text is empty.
    fn states(&self, texts: &[&[u32]]) -> Result<Vec<Vec<f32>>>;
}

/// Where and how a network computes.
#[derive(Clone)]
pub struct Placement {
    pub device: Device,
    pub kind: Kind,
    /// Our own kernels, with these threads; else libtorch.
    pub kernels: Option<Pool>,
}

/// cos and sin of θ_i = base^(−2i/d) at every position below `positions`, as transformers computes them.
pub fn rotary_table(base: f64, dim: usize, positions: usize) -> RotaryTable {
    let frequencies: Vec<f32> =
        (0..dim / 2).map(|index| (1.0 / base.powf(2.0 * index as f64 / dim as f64)) as f32).collect();
    let angles = (0..positions)
        .flat_map(|position| frequencies.iter().map(move |frequency| f64::from(frequency * position as f32)));
    let (cos, sin) = angles.map(|angle| (angle.cos() as f32, angle.sin() as f32)).unzip();
    RotaryTable { cos, sin, positions, half: dim / 2 }
}
