//! One decoder for the Llama, Mistral and Qwen families; families differ in their config.
//!
//! Settings (`config`, `config_keys`), rotary embedding, attention and decoder; the weights in `layout`, `parameters`
//! and `weight_files`; adapters in `lora`.

pub mod attention;
pub mod config;
pub mod config_keys;
pub mod decoder;
pub mod layout;
pub mod lora;
pub mod parameters;
pub mod rotary;
pub mod weight_files;
