//! Kernels for the CPU, fp32: decoding, and the gradient of what was decoded.
//!
//! Why not libtorch: a step of a small model is a hundred operator calls of a few hundred nanoseconds of work each, and
//! its matrix products choose their summation order by the batch size, so a completion would depend on its neighbours.
//! Here every number of a row is computed from that row alone, in one order: results are batch-invariant, bit for bit.

pub mod attention;
mod attention_gradient;
pub mod backward;
pub mod cache;
pub mod decoder;
pub mod gradient;
pub mod head;
mod heads;
pub mod isa;
pub mod linear;
pub mod math;
mod packed;
pub mod segment;
pub mod tape;
pub mod trainer;
pub mod unit;
