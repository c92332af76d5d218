//! The errors of the engine, as data: a stable code and named fields, which cross into JavaScript unchanged.

use serde::Serialize;
use std::path::Path;
use thiserror::Error;

pub type Result<T> = std::result::Result<T, EngineError>;

/// Serialises to `{"code": "WEIGHT_SHAPE", "fields": {…}}`; `Display` is the sentence a person reads.
#[derive(Debug, Clone, PartialEq, Error, Serialize)]
#[serde(tag = "code", content = "fields", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EngineError {
    #[error("model folder `{folder}`: `{file}` is missing; a Hugging Face folder has config.json, model.safetensors and tokenizer.json")]
    ModelFileMissing { folder: String, file: String },
    #[error("`{file}` cannot be read: {reason}")]
    ModelFile { file: String, reason: String },
    #[error("`{file}`: `{key}` is {found}, and the engine supports only {supported}")]
    ModelUnsupported { file: String, key: String, found: String, supported: String },
    #[error("the tokenizer of `{file}` cannot take the {key}: {reason}")]
    Tokenizer { file: String, key: String, reason: String },
    #[error("weight `{weight}` is in no file of `{folder}`")]
    WeightMissing { weight: String, folder: String },
    #[error("weight `{weight}`: the file has {found:?}, the model needs {expected:?}")]
    WeightShape { weight: String, expected: Vec<i64>, found: Vec<i64> },
    #[error("weight `{weight}` in `{file}` holds NaN or infinity")]
    WeightNotFinite { weight: String, file: String },
    #[error("device `{device}` cannot be used: {reason}")]
    Device { device: String, reason: String },
    #[error("`{key}`: {reason}")]
    InvalidRequest { key: String, reason: String },
    #[error("the prompt has {tokens} tokens and the context holds {limit}, one of them for the answer")]
    PromptTooLong { tokens: usize, limit: usize },
    #[error("{what} is not finite; the weights are unchanged")]
    NonFinite { what: String },
    #[error("model `{model}`: the logits at position {position} give no finite log-probability at temperature {temperature}; the weights have diverged, the temperature is too small, or every token is banned")]
    #[serde(rename = "NON_FINITE")]
    NonFiniteLogits { model: String, position: usize, temperature: f64 },
    #[error("cancelled")]
    Cancelled {},
    #[error("the policy is closed")]
    Closed {},
    #[error("the engine's queue is full: {capacity} requests are waiting")]
    QueueFull { capacity: usize },
    #[error("out of memory: {message}")]
    OutOfMemory { message: String },
    #[error("libtorch: {message}")]
    Torch { message: String },
    #[error("`{path}`: {reason}")]
    Io { path: String, reason: String },
    #[error("the engine failed unexpectedly: {message}")]
    Panic { message: String },
}

impl EngineError {
    pub fn invalid(key: &str, reason: impl Into<String>) -> Self {
        Self::InvalidRequest { key: key.into(), reason: reason.into() }
    }

    pub fn model_file(file: &Path, reason: impl ToString) -> Self {
        Self::ModelFile { file: file.display().to_string(), reason: reason.to_string() }
    }

    pub fn io(path: &Path, error: impl ToString) -> Self {
        Self::Io { path: path.display().to_string(), reason: error.to_string() }
    }

    /// libtorch's message carries a C++ stack; its first line is the useful one.
    pub fn torch(message: impl ToString) -> Self {
        let full = message.to_string();
        let message = full.lines().next().unwrap_or_default().to_string();
        let lower = message.to_lowercase();
        if lower.contains("out of memory") || lower.contains("can't allocate memory") {
            return Self::OutOfMemory { message };
        }
        Self::Torch { message }
    }

    /// Converts the payload of a caught panic. Infallible tch calls panic with libtorch's message.
    pub fn from_panic(payload: Box<dyn std::any::Any + Send>) -> Self {
        let text = payload
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| payload.downcast_ref::<&str>().map(ToString::to_string))
            .unwrap_or_else(|| "a panic without a message".into());
        match text.split_once("Torch(\"") {
            Some((_, torch)) => Self::torch(torch.split("\\n").next().unwrap_or(torch)),
            None => Self::Panic { message: text },
        }
    }
}

impl From<tch::TchError> for EngineError {
    fn from(error: tch::TchError) -> Self {
        match error {
            tch::TchError::Torch(message) => Self::torch(message),
            other => Self::torch(other),
        }
    }
}
