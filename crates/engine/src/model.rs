//! One decoder for the Llama and Qwen families; families differ in their config.

pub mod config;
pub mod decoder;
pub mod layout;
pub mod parameters;
pub mod rotary;
