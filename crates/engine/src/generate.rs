//! Generation: a scheduler batches requests continuously over a fixed number of slots.

mod group;
pub mod request;
pub mod scheduler;
