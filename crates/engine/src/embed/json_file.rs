//! JSON files of an embedder's folder.

use crate::error::{EngineError, Result};
use crate::io::config_fields::ConfigFields;
use crate::io::read_file::{read_optional, MAX_JSON};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// A parsed JSON file.
pub struct JsonFile {
    pub value: Value,
    path: PathBuf,
}

impl JsonFile {
    /// Reads at most `limit` bytes; None where the file is missing.
    pub fn read_up_to(folder: &Path, name: &str, limit: u64) -> Result<Option<Self>> {
        let path = folder.join(name);
        let Some(bytes) = read_optional(folder, name, limit)? else { return Ok(None) };
        let value = serde_json::from_slice(&bytes).map_err(|error| EngineError::model_file(&path, error))?;
        Ok(Some(Self { value, path }))
    }

    pub fn read_optional(folder: &Path, name: &str) -> Result<Option<Self>> {
        Self::read_up_to(folder, name, MAX_JSON)
    }

    pub fn read(folder: &Path, name: &str) -> Result<Self> {
        let missing = || EngineError::ModelFileMissing { folder: folder.display().to_string(), file: name.into() };
        Self::read_optional(folder, name)?.ok_or_else(missing)
    }

    /// An empty object where the file is missing.
    pub fn read_or_empty(folder: &Path, name: &str) -> Result<Self> {
        let empty = || Self { value: Value::Object(Map::new()), path: folder.join(name) };
        Ok(Self::read_optional(folder, name)?.unwrap_or_else(empty))
    }

    /// The file as an object with typed access.
    pub fn fields(&self) -> Result<ConfigFields<'_>> {
        ConfigFields::new(&self.value, &self.path)
    }

    /// An error about the file.
    pub fn bad(&self, reason: impl ToString) -> EngineError {
        EngineError::model_file(&self.path, reason)
    }

    /// An error about a setting that is not the value of one key.
    pub fn unsupported(&self, key: &str, found: &str, supported: &str) -> EngineError {
        let file = self.path.display().to_string();
        EngineError::ModelUnsupported { file, key: key.into(), found: found.into(), supported: supported.into() }
    }
}

/// Refuses a value other than `allowed`; the key may be absent.
pub fn require(fields: &ConfigFields, key: &str, allowed: &[Value], supported: &str) -> Result<()> {
    match fields.get(key) {
        Some(value) if !allowed.contains(value) => Err(fields.unsupported(key, supported)),
        _ => Ok(()),
    }
}

/// Refuses a key outside `known`: it may change the numbers.
pub fn refuse_other_keys(fields: &ConfigFields, known: &[&str]) -> Result<()> {
    let mut keys = fields.object.keys();
    match keys.find(|key| !known.contains(&key.as_str()) && fields.get(key).is_some()) {
        Some(key) => Err(fields.unsupported(key, "a file without this key")),
        None => Ok(()),
    }
}

/// A flag with a default.
pub fn flag_or(fields: &ConfigFields, key: &str, default: bool) -> Result<bool> {
    if fields.get(key).is_none() {
        return Ok(default);
    }
    fields.flag(key)
}
