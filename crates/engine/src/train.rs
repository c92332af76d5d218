//! Batches in, gradients and metrics out: sequences → log-probabilities and entropies → objective → their slopes →
//! gradient → AdamW.

pub mod entropy;
pub mod loss;
pub mod metrics;
pub mod objective;
pub mod off_policy;
pub mod optimizer;
pub mod settings;
pub mod step;
pub mod tokens;
pub mod top_entropy;
pub mod update;
pub mod weights;
