//! Tokens out, log-probabilities out: requests are batched continuously over fixed slots.

mod group;
pub mod request;
pub mod scheduler;
