//! Files: read as hostile input, hashed while they are written; what becomes of the keys of a JSON file.

pub mod companions;
pub mod config_fields;
pub mod key_rule;
pub mod new_file;
pub mod notices;
pub mod read_file;
pub mod shards;
pub mod tensor_file;
