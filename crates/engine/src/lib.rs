//! The engine: tensors and tokens. It knows nothing of Node, tasks or curricula.
//!
//! A file depends on lower levels and on its own module only, and no dependency is circular: `tests/levels.rs` holds the
//! table and checks it.

pub mod backend;
pub mod batch;
pub mod diversity;
pub mod embed;
pub mod engine_thread;
pub mod error;
pub mod generate;
pub mod guard;
pub mod host_copy;
pub mod io;
pub mod kernels;
pub mod memory;
pub mod model;
pub mod philox;
pub mod placement;
pub mod policy;
pub mod sampler;
pub mod simd;
pub mod snapshot;
pub mod tokenizer;
pub mod train;
