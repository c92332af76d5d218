//! The files that are saved beside the weights into every folder.

use crate::error::{EngineError, Result};
use crate::io::companions::Companions;
use crate::io::read_file::{read_bounded, MAX_JSON};
use crate::placement::Dtype;
use crate::tokenizer::files::read_tokenizer_files;
use std::path::Path;

/// Reads config.json, with `dtype` as its precision, and the tokenizer files of a folder.
pub fn read_companions(folder: &Path, dtype: Dtype) -> Result<Companions> {
    let mut companions = vec![("config.json".into(), config_with_dtype(folder, dtype)?)];
    companions.extend(read_tokenizer_files(folder)?);
    Ok(companions)
}

fn config_with_dtype(folder: &Path, dtype: Dtype) -> Result<Vec<u8>> {
    let file = folder.join("config.json");
    let bytes = read_bounded(folder, "config.json", MAX_JSON)?;
    let mut json: serde_json::Value =
        serde_json::from_slice(&bytes).map_err(|error| EngineError::model_file(&file, error))?;
    let name = if dtype == Dtype::Fp32 { "float32" } else { "bfloat16" };
    // transformers 5 writes `dtype`, earlier versions `torch_dtype`.
    let stale: Vec<&str> =
        ["dtype", "torch_dtype"].into_iter().filter(|key| json.get(key).is_some_and(|found| found != name)).collect();
    if stale.is_empty() {
        return Ok(bytes);
    }
    stale.into_iter().for_each(|key| json[key] = name.into());
    serde_json::to_vec_pretty(&json).map_err(|error| EngineError::model_file(&file, error))
}
