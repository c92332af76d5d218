//! One decoder for the Llama, Mistral and Qwen families; families differ in their config.

pub mod attention;
pub mod config;
pub mod decoder;
pub mod family;
pub mod fields;
pub mod keys;
pub mod layout;
pub mod lora;
pub mod parameters;
pub mod rope;
pub mod rotary;
pub mod shared_prompt;
pub mod weight_files;
pub mod window;
