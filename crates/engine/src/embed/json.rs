//! A JSON file of an embedder's folder.

use crate::error::{EngineError, Result};
use crate::io::read_file::{read_if_there, MAX_JSON};
use crate::model::fields::Fields;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

pub struct JsonFile {
    pub value: Value,
    path: PathBuf,
}

impl JsonFile {
    /// At most `limit` bytes; None when there is no such file.
    pub fn read_up_to(folder: &Path, name: &str, limit: u64) -> Result<Option<Self>> {
        let path = folder.join(name);
        let Some(bytes) = read_if_there(folder, name, limit)? else { return Ok(None) };
        let value = serde_json::from_slice(&bytes).map_err(|error| EngineError::model_file(&path, error))?;
        Ok(Some(Self { value, path }))
    }

    pub fn read_if_there(folder: &Path, name: &str) -> Result<Option<Self>> {
        Self::read_up_to(folder, name, MAX_JSON)
    }

    pub fn read(folder: &Path, name: &str) -> Result<Self> {
        let missing = || EngineError::ModelFileMissing { folder: folder.display().to_string(), file: name.into() };
        Self::read_if_there(folder, name)?.ok_or_else(missing)
    }

    /// An absent file says nothing: it is an empty object.
    pub fn read_or_empty(folder: &Path, name: &str) -> Result<Self> {
        let empty = || Self { value: Value::Object(Map::new()), path: folder.join(name) };
        Ok(Self::read_if_there(folder, name)?.unwrap_or_else(empty))
    }

    pub fn fields(&self) -> Result<Fields<'_>> {
        Fields::new(&self.value, &self.path)
    }

    pub fn bad(&self, reason: impl ToString) -> EngineError {
        EngineError::model_file(&self.path, reason)
    }

    /// For what is no value of a key.
    pub fn unsupported(&self, key: &str, found: &str, supported: &str) -> EngineError {
        let file = self.path.display().to_string();
        EngineError::ModelUnsupported { file, key: key.into(), found: found.into(), supported: supported.into() }
    }
}

/// Refuses a value other than `allowed`; an absent key is fine.
pub fn allow(fields: &Fields, key: &str, allowed: &[Value], supported: &str) -> Result<()> {
    match fields.get(key) {
        Some(found) if !allowed.contains(found) => Err(fields.unsupported(key, supported)),
        _ => Ok(()),
    }
}

/// Refuses every key that is none of `known`: what it means for the numbers is not known here.
pub fn only(fields: &Fields, known: &[&str]) -> Result<()> {
    let mut keys = fields.object.keys();
    match keys.find(|key| !known.contains(&key.as_str()) && fields.get(key).is_some()) {
        Some(key) => Err(fields.unsupported(key, "a file without this key")),
        None => Ok(()),
    }
}

/// A flag whose default is not false.
pub fn flag_or(fields: &Fields, key: &str, default: bool) -> Result<bool> {
    if fields.get(key).is_none() {
        return Ok(default);
    }
    fields.flag(key)
}
