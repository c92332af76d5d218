//! The token ids that end a completion.

use crate::error::{EngineError, Result};
use crate::io::read_file::{read_optional, MAX_JSON};
use serde_json::Value;
use std::path::Path;

/// `eos_token_id` of generation_config.json, else of config.json: a number or a list.
///
/// # Errors
/// `ModelFile` for any other value: completions would otherwise silently never end.
pub fn read_end_tokens(folder: &Path, vocabulary: usize) -> Result<Vec<u32>> {
    for name in ["generation_config.json", "config.json"] {
        let Some(bytes) = read_optional(folder, name, MAX_JSON)? else { continue };
        let bad = |reason: String| EngineError::model_file(&folder.join(name), reason);
        let json: Value = serde_json::from_slice(&bytes).map_err(|error| bad(error.to_string()))?;
        let ids = match json.get("eos_token_id") {
            None | Some(Value::Null) => continue,
            Some(Value::Array(ids)) => ids.as_slice(),
            Some(id) => std::slice::from_ref(id),
        };
        let token = |id: &Value| id.as_u64().filter(|&id| id < vocabulary as u64).map(|id| id as u32);
        let wrong = |id: &Value| bad(format!("`eos_token_id` holds {id}, not a token id below {vocabulary}"));
        return ids.iter().map(|id| token(id).ok_or_else(|| wrong(id))).collect();
    }
    Ok(Vec::new())
}
