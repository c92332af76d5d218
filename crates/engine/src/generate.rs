//! Tokens out, log-probabilities out: requests are batched continuously over fixed slots.

pub mod backend;
mod group;
pub mod philox;
pub mod sampler;
pub mod scheduler;
pub mod torch_backend;
mod torch_sampler;
