//! The interface to a network that computes hidden states of texts: an encoder or a decoder, on the kernels or on libtorch.
//!
//! It is narrower than a policy's `Backend`: an encoder has no KV cache, neither samples nor trains, and its texts share no
//! prompts.

use crate::error::Result;
use crate::model::rotary::{RopeConfig, RopeScaling, RotaryTable};
use crate::placement::Pool;
use tch::{Device, Kind};

/// A network that computes hidden states of texts.
pub trait TextEncoder {
    /// Width of the hidden states.
    fn width(&self) -> usize;
    /// Prepares for texts of up to `longest` tokens; precedes `states`.
    fn reserve(&mut self, longest: usize) -> Result<()>;
    /// Hidden states `[tokens, width]` of each text; texts are not empty.
    fn states(&self, texts: &[&[u32]]) -> Result<Vec<Vec<f32>>>;
}

/// Device, precision and backend of a network.
#[derive(Clone)]
pub struct Placement {
    pub device: Device,
    pub kind: Kind,
    /// The kernels with these threads; None means libtorch.
    pub kernels: Option<Pool>,
}

/// The rotary table of a plain base, `[positions, d/2]`: θ_i = base^(−2i/d) without rescaling.
pub fn rotary_table(base: f64, dim: usize, positions: usize) -> RotaryTable {
    RotaryTable::new(&RopeConfig { theta: base, scaling: RopeScaling::None }, dim, positions)
}
