//! One decoder for the Llama, Mistral and Qwen families; families differ in their config.
//!
//! Settings (`config`, `family`, `windows`, `config_keys`, `foreign_keys`), activation, rotary embedding, attention and
//! decoder; the weights in `layout`, `parameters`, `weight_files` and `model_files`; adapters in `lora`.

pub mod activation;
pub mod attention;
pub mod config;
pub mod config_keys;
pub mod decoder;
pub mod family;
pub mod foreign_keys;
pub mod layout;
pub mod lora;
pub mod model_files;
pub mod parameters;
pub mod rotary;
pub mod weight_files;
pub mod windows;
