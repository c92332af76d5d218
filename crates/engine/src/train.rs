//! Batches in, gradients and metrics out.

pub mod batch;
pub mod objective;
pub mod optimizer;
pub mod update;
