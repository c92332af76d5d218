//! Inputs and buffers of a pass.

use super::kv_cache::KvCache;
use crate::model::config::DecoderConfig;
use crate::simd::math::LANES;

/// Most query heads computed together.
pub(super) const MAX_QUERIES: usize = 4;

/// Consecutive tokens of one sequence, after `prefix` and the positions in `cache`.
pub struct Segment<'a> {
    pub tokens: &'a [u32],
    pub prefix: Option<&'a KvCache>,
    pub cache: &'a mut KvCache,
}

/// The last thing that a pass computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Keys and values of the last layer: all that is read of a prompt.
    KeysAndValues,
    /// Final hidden states, normalised.
    States,
    Logits,
}

impl Segment<'_> {
    pub fn prefix_length(&self) -> usize {
        self.prefix.map_or(0, |prefix| prefix.length)
    }

    /// Position of the first token in its sequence.
    pub(super) fn start(&self) -> usize {
        self.prefix_length() + self.cache.length
    }
}

/// Most positions that a token of these segments attends to.
pub(super) fn longest(segments: &[Segment]) -> usize {
    segments.iter().map(|segment| segment.start() + segment.tokens.len()).max().unwrap_or(0)
}

/// Buffers of one pass, reused by the next. R rows.
#[derive(Default)]
pub struct Workspace {
    pub(super) x: Vec<f32>,
    /// Final hidden states `[R, D]` after a pass up to `Output::States`.
    pub normed: Vec<f32>,
    pub(super) qkv: Vec<f32>,
    pub(super) attended: Vec<f32>,
    pub(super) gate_up: Vec<f32>,
    pub(super) activated: Vec<f32>,
    pub(super) attn_weights: Vec<f32>,
    /// `[R, V]` after a pass up to `Output::Logits`.
    pub logits: Vec<f32>,
}

impl Workspace {
    /// Final hidden states of every row, normalised, `[R, D]`, after a pass up to `Output::States`.
    pub fn states(&self) -> &[f32] {
        &self.normed
    }

    pub(super) fn resize(&mut self, config: &DecoderConfig, rows: usize, longest: usize) {
        self.x.resize(rows * config.hidden_size, 0.0);
        self.normed.resize(rows * config.hidden_size, 0.0);
        self.qkv.resize(rows * config.qkv_rows(), 0.0);
        self.attended.resize(rows * config.attention_width(), 0.0);
        self.gate_up.resize(rows * 2 * config.intermediate_size, 0.0);
        self.activated.resize(rows * config.intermediate_size, 0.0);
        self.attn_weights.resize(MAX_QUERIES * (longest + 4 * LANES), 0.0);
    }
}
