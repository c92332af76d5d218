//! Text to vectors: hashed n-grams without a model, and sentence-transformers folders.
//!
//! A folder is a pipeline: tokens → hidden states (`network`) → one vector a text (`pooling`) → `modules`' last stages.

pub mod attention;
pub mod config;
pub mod embedder;
pub mod encoder;
mod forward;
pub mod functions;
pub mod job;
pub mod json;
pub mod kernels;
pub mod layout;
pub mod linear;
pub mod modules;
pub mod network;
pub mod ngram;
pub mod policy_states;
pub mod pooling;
pub mod stages;
pub mod tokens;
