//! Files: read as hostile input, hashed while they are written.

pub mod companions;
pub mod new_file;
pub mod read_file;
pub mod shards;
pub mod tensor_file;
