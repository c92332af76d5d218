//! Files that go with the weights into every folder that is saved.

use super::new_file::{write_bytes, WrittenFile};
use crate::error::{EngineError, Result};
use std::borrow::Cow;
use std::path::Path;

/// By name.
pub type Companions = Vec<(Cow<'static, str>, Vec<u8>)>;

/// The folder of named chat templates, beside the default one.
pub const CHAT_TEMPLATES: &str = "additional_chat_templates";

/// Makes the folder and writes the files that go with the weights.
pub fn write_companions(folder: &Path, companions: &Companions) -> Result<Vec<WrittenFile>> {
    std::fs::create_dir_all(folder).map_err(|error| EngineError::io(folder, error))?;
    if companions.iter().any(|(name, _)| name.starts_with(CHAT_TEMPLATES)) {
        let inner = folder.join(CHAT_TEMPLATES);
        std::fs::create_dir_all(&inner).map_err(|error| EngineError::io(&inner, error))?;
    }
    companions.iter().map(|(name, bytes)| write_bytes(folder, name, bytes)).collect()
}
