//! What an update is asked for.

use super::objective::Objective;
use super::optimizer::OptimizerSettings;

pub struct UpdateSettings {
    pub objective: Objective,
    /// Logits are divided by it before the softmax, as when sampling.
    pub temperature: f64,
    pub optimizer: OptimizerSettings,
    /// Largest number of padded token rows in one pass; the gradient does not depend on it.
    pub microbatch_tokens: usize,
    pub gradient_checkpointing: bool,
    pub logits_bytes: usize,
}
