//! Batches in, gradients and metrics out: sequences → log-probabilities and entropies → objective → their slopes →
//! gradient → AdamW.

pub mod batch;
pub mod entropy;
pub mod evaluate;
pub mod head;
pub mod kernel_network;
pub mod loss;
pub mod metrics;
pub mod microbatch;
pub mod network;
pub mod objective;
pub mod off_policy;
pub mod optimizer;
pub mod states;
pub mod step;
pub mod tokens;
pub mod top_entropy;
pub mod torch_network;
pub mod update;
pub mod weights;
