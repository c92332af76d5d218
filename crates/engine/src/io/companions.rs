//! The files beside the weights in every saved folder: config, tokenizer, chat templates.

use super::new_file::{write_bytes, WrittenFile};
use crate::error::{EngineError, Result};
use std::borrow::Cow;
use std::path::Path;

/// (name, content) of each file.
pub type Companions = Vec<(Cow<'static, str>, Vec<u8>)>;

/// The folder of named chat templates; the default one lies outside it.
pub const CHAT_TEMPLATES: &str = "additional_chat_templates";

/// Creates the folder and writes the files into it.
pub fn write_companions(folder: &Path, companions: &Companions) -> Result<Vec<WrittenFile>> {
    std::fs::create_dir_all(folder).map_err(|error| EngineError::io(folder, error))?;
    if companions.iter().any(|(name, _)| name.starts_with(CHAT_TEMPLATES)) {
        let inner = folder.join(CHAT_TEMPLATES);
        std::fs::create_dir_all(&inner).map_err(|error| EngineError::io(&inner, error))?;
    }
    companions.iter().map(|(name, bytes)| write_bytes(folder, name, bytes)).collect()
}
