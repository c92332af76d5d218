//! The settings of an update.

use super::objective::Objective;
use super::optimizer::OptimizerSettings;

pub struct UpdateSettings {
    pub objective: Objective,
    /// The divisor of the logits before the softmax, as in sampling.
    pub temperature: f64,
    pub optimizer: OptimizerSettings,
    /// The most padded token rows of one pass; the gradient does not depend on it.
    pub microbatch_tokens: usize,
    pub gradient_checkpointing: bool,
    /// Bytes of logits in memory at a time.
    pub logits_bytes: usize,
}
