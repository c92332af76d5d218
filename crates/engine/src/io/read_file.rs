//! Files of a model folder, opened as hostile input: only regular files, only up to a size, without blocking.
//!
//! Symbolic links are followed, since the hub's cache consists of them; their target must be a regular file.

use crate::error::{EngineError, Result};
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Linux: opening a fifo without a writer returns at once instead of blocking.
const O_NONBLOCK: i32 = 0o4000;
/// JSON beside the weights. The largest real ones (indices of hundreds of shards) are below 1 MiB.
pub const MAX_JSON: u64 = 16 << 20;

/// A regular file of `folder` and its length.
pub fn open_regular(folder: &Path, name: &str) -> Result<(File, u64)> {
    let path = folder.join(name);
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(O_NONBLOCK)
        .open(&path)
        .map_err(|error| missing_or_unreadable(folder, name, error))?;
    let data = file.metadata().map_err(|error| EngineError::model_file(&path, error))?;
    if !data.is_file() {
        return Err(EngineError::model_file(&path, "it is not a regular file"));
    }
    Ok((file, data.len()))
}

/// The content of a file of at most `limit` bytes.
///
/// # Errors
/// `ModelFileMissing`, or `ModelFile` for a file that is longer, unreadable or not regular.
pub fn read_bounded(folder: &Path, name: &str, limit: u64) -> Result<Vec<u8>> {
    let (file, length) = open_regular(folder, name)?;
    let path = folder.join(name);
    let mut bytes = Vec::new();
    // A file may grow while it is read: reading one byte more than allowed detects it.
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|error| EngineError::model_file(&path, error))?;
    if bytes.len() as u64 > limit {
        return Err(EngineError::model_file(&path, format!("it has {length} bytes; at most {limit} are read")));
    }
    Ok(bytes)
}

/// As `read_bounded`; None where the file is missing.
pub fn read_optional(folder: &Path, name: &str, limit: u64) -> Result<Option<Vec<u8>>> {
    match read_bounded(folder, name, limit) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(EngineError::ModelFileMissing { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// `ModelFileMissing` for `NotFound`, naming the file that a Hugging Face folder has; otherwise the system's reason.
pub fn missing_or_unreadable(folder: &Path, file: &str, error: std::io::Error) -> EngineError {
    if error.kind() == std::io::ErrorKind::NotFound {
        return EngineError::ModelFileMissing { folder: folder.display().to_string(), file: file.into() };
    }
    EngineError::model_file(&folder.join(file), error)
}
