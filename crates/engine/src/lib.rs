//! The engine: tensors and tokens, nothing of Node, tasks or curricula.

pub mod cpu;
pub mod device;
pub mod diversity;
pub mod embed;
pub mod end_tokens;
pub mod error;
pub mod files;
pub mod generate;
pub mod host_copy;
pub mod memory;
pub mod model;
pub mod policy;
pub mod shards;
pub mod snapshot;
pub mod tensor_file;
pub mod thread;
pub mod tokenizer;
pub mod train;
