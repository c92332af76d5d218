//! The decoder as hand-written CPU kernels, with its gradient: fp32, every number of a row computed from that row alone.
//!
//! `decoder` is the forward pass (`attention`, `qk_heads`, `linear`, `gated`), `decoder_backward` its gradient
//! (`attention_backward`, `gradients`), `lm_head` maps hidden states to log-probabilities and back, and `trainer` runs
//! both over the threads.

mod activations;
pub mod attention;
mod attention_backward;
pub mod decoder;
mod decoder_backward;
mod gated;
mod gradients;
pub mod kv_cache;
pub mod linear;
pub mod lm_head;
mod packed_weights;
pub mod prompt_group;
mod qk_heads;
pub mod segment;
pub mod trainer;
pub mod training_weights;
