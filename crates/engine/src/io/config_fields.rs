//! Typed access to a JSON object of a model folder. A value of the wrong type is an error and never falls back to its
//! default.

use crate::error::{EngineError, Result};
use crate::io::notices::shortened;
use serde_json::{Map, Value};
use std::path::Path;

/// Largest size accepted: a config beyond it is an accident or an attack.
pub const MAX_SIZE: u64 = 1 << 24;

/// A JSON object with typed access; errors name the file and the dotted key.
#[derive(Clone, Copy)]
pub struct ConfigFields<'a> {
    pub object: &'a Map<String, Value>,
    file: &'a Path,
    /// Key of the enclosing object; empty at the top level.
    prefix: &'a str,
}

impl<'a> ConfigFields<'a> {
    pub fn new(json: &'a Value, file: &'a Path) -> Result<Self> {
        let object = json.as_object().ok_or_else(|| EngineError::model_file(file, "it holds no JSON object"))?;
        Ok(Self { object, file, prefix: "" })
    }

    /// The value of a key; null counts as absent.
    pub fn get(&self, key: &str) -> Option<&'a Value> {
        self.object.get(key).filter(|value| !value.is_null())
    }

    /// The object under `key`; errors of its fields name `key.…`.
    pub fn nested(&self, key: &'a str) -> Result<Option<Self>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let object = value.as_object().ok_or_else(|| self.wrong(key, "an object"))?;
        Ok(Some(Self { object, file: self.file, prefix: key }))
    }

    pub fn text(&self, key: &str) -> Result<Option<&'a str>> {
        self.get(key).map(|value| value.as_str().ok_or_else(|| self.wrong(key, "a string"))).transpose()
    }

    /// False where absent.
    pub fn flag(&self, key: &str) -> Result<bool> {
        self.get(key).map_or(Ok(false), |value| value.as_bool().ok_or_else(|| self.wrong(key, "true or false")))
    }

    /// A finite number.
    pub fn number(&self, key: &str) -> Result<Option<f64>> {
        let number = |value: &Value| value.as_f64().filter(|number| number.is_finite());
        self.get(key).map(|value| number(value).ok_or_else(|| self.wrong(key, "a number"))).transpose()
    }

    /// A number above zero.
    pub fn positive(&self, key: &str) -> Result<Option<f64>> {
        match self.number(key)? {
            Some(number) if number <= 0.0 => Err(self.wrong(key, "a number above 0")),
            number => Ok(number),
        }
    }

    /// A whole number from 1 to `MAX_SIZE`.
    pub fn size(&self, key: &str) -> Result<Option<usize>> {
        let size = |value: &Value| value.as_u64().filter(|size| (1..=MAX_SIZE).contains(size));
        let wrong = || self.wrong(key, &format!("a whole number from 1 to {MAX_SIZE}"));
        self.get(key).map(|value| size(value).map(|size| size as usize).ok_or_else(wrong)).transpose()
    }

    pub fn needed_size(&self, key: &str) -> Result<usize> {
        self.size(key)?.ok_or_else(|| self.bad(format!("`{}` is missing", self.name(key))))
    }

    pub fn file(&self) -> &'a Path {
        self.file
    }

    /// An error about the file.
    pub fn bad(&self, reason: impl ToString) -> EngineError {
        EngineError::model_file(self.file, reason)
    }

    /// An error about a value of the wrong type or range.
    pub fn wrong(&self, key: &str, wanted: &str) -> EngineError {
        self.bad(format!("`{}` is {}, not {wanted}", self.name(key), display(self.object.get(key))))
    }

    /// An error about a valid setting that is not computed here.
    pub fn unsupported(&self, key: &str, supported: &str) -> EngineError {
        EngineError::ModelUnsupported {
            file: self.file.display().to_string(),
            key: self.name(key),
            found: self.object.get(key).map_or("absent".into(), |value| format!("`{}`", display(Some(value)))),
            supported: supported.into(),
        }
    }

    /// The dotted name of a key.
    pub fn name(&self, key: &str) -> String {
        if self.prefix.is_empty() {
            return key.into();
        }
        format!("{}.{key}", self.prefix)
    }
}

/// A value in an error message, shortened: a hostile one may be megabytes long.
fn display(value: Option<&Value>) -> String {
    let text = match value {
        None => return "absent".into(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    };
    shortened(&text)
}
