//! Text to vectors: hashed n-grams without a model, and sentence-transformers folders.
//!
//! A folder is a pipeline: tokens (`embed_tokenizer`) → hidden states (`text_encoder`) → one vector a text (`pooling`) →
//! the stages after it (`stages`). `modules` reads which of them a folder has.

mod architecture;
pub mod embed_job;
pub mod embed_tokenizer;
pub mod embedder;
pub mod encoder_attention;
pub mod encoder_config;
mod encoder_forward;
pub mod encoder_weights;
pub mod json_file;
pub mod kernel_encoder;
pub mod kernel_linear;
pub mod modules;
pub mod ngram;
pub mod pooling;
pub mod stages;
mod text_batches;
mod text_decoder;
pub mod text_encoder;
pub mod torch_encoder;
