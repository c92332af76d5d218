//! Text to vectors: hashed n-grams without a model, and sentence-transformers folders.
//!
//! A folder is a pipeline: tokens → hidden states (`text_encoder`) → one vector a text (`pooling`) → `modules`' last stages.

mod architecture;
pub mod attention;
pub mod config;
pub mod embedder;
mod forward;
pub mod functions;
pub mod job;
pub mod json;
pub mod kernel_encoder;
mod kernel_text_decoder;
pub mod layout;
pub mod linear;
pub mod modules;
pub mod ngram;
mod packed_texts;
mod padded_texts;
pub mod pooling;
pub mod stages;
pub mod text_encoder;
pub mod tokens;
pub mod torch_encoder;
mod torch_text_decoder;
