//! Generation: a scheduler batches requests continuously over a fixed number of slots.

pub mod generation_config;
mod group;
pub mod request;
pub mod scheduler;
pub mod token_rules;
