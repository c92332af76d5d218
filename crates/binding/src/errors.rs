//! The engine's errors as JavaScript gets them.

use exit_rl_engine::error::EngineError;
use napi::bindgen_prelude::Error;

/// Errors cross as data: code and fields as JSON in the message, rebuilt as classes in TypeScript.
pub fn to_napi(error: EngineError) -> Error {
    Error::from_reason(error_json(&error))
}

fn error_json(error: &EngineError) -> String {
    let mut json = serde_json::to_value(error).unwrap_or_else(|_| serde_json::json!({ "code": "PANIC" }));
    json["message"] = error.to_string().into();
    json.to_string()
}
