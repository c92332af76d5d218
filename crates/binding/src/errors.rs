//! Conversion of the engine's errors to JavaScript.

use exit_rl_engine::error::EngineError;
use napi::bindgen_prelude::Error;

/// Errors cross as data: the message holds code and fields as JSON, and TypeScript rebuilds the class.
pub fn to_napi(error: EngineError) -> Error {
    Error::from_reason(error_json(&error))
}

fn error_json(error: &EngineError) -> String {
    let mut json = serde_json::to_value(error).unwrap_or_else(|_| serde_json::json!({ "code": "PANIC" }));
    json["message"] = error.to_string().into();
    json.to_string()
}
