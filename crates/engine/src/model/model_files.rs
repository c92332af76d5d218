//! A model folder as its files state it: the config, corrected where the weights contradict it, and the open weight files.

use super::config::DecoderConfig;
use super::weight_files::WeightFiles;
use crate::error::{EngineError, Result};
use crate::io::notices::Notices;
use crate::io::read_file::{read_bounded, MAX_JSON};
use serde_json::Value;
use std::path::Path;

const EMBEDDINGS: &str = "model.embed_tokens.weight";
const HEAD: &str = "lm_head.weight";

/// Reads the config and opens the weights. As in transformers 5, a head that config.json ties to the embeddings is a weight
/// of its own where the files hold both and they differ, and stands for the embeddings where it is there alone.
///
/// # Errors
/// Those of `DecoderConfig::read` and `WeightFiles::open`.
pub fn open_model(folder: &Path, notices: &mut Notices) -> Result<(DecoderConfig, WeightFiles)> {
    let mut config = DecoderConfig::read(folder, notices)?;
    let mut files = open_weights(folder, notices)?;
    if folder.join("adapter_config.json").exists() {
        let file = folder.join("adapter_config.json");
        notices.add(format!("`{}`: the adapter beside the model is not applied; name it as `adapter`", file.display()));
    }
    if !config.tied_head {
        return Ok((config, files));
    }
    match (files.has(EMBEDDINGS), files.has(HEAD)) {
        (true, true) if !files.equal(EMBEDDINGS, HEAD)? => {
            config.tied_head = false;
            let file = folder.join("config.json");
            notices.add(format!(
                "`{}`: `tie_word_embeddings` is true, but the files hold an `{HEAD}` that differs from the embeddings: \
                 the head is not tied",
                file.display()
            ));
        }
        (false, true) => files.rename(|name| if name == HEAD { EMBEDDINGS.into() } else { name.into() }),
        _ => {}
    }
    Ok((config, files))
}

/// Opens the weights of a decoder. A folder of the model without its head lacks the prefix `model.`.
pub fn open_weights(folder: &Path, notices: &mut Notices) -> Result<WeightFiles> {
    let mut files = WeightFiles::open(folder, notices)?;
    if !files.names().any(|name| name.starts_with("model.")) {
        files.rename(|name| if name == HEAD { name.into() } else { format!("model.{name}") });
    }
    Ok(files)
}

/// The bytes of config.json with these keys changed where it states them otherwise; unchanged bytes where it does not.
///
/// # Errors
/// Those of reading a JSON file.
pub fn changed_config(folder: &Path, changes: &[(&str, Value)]) -> Result<Vec<u8>> {
    let file = folder.join("config.json");
    let bytes = read_bounded(folder, "config.json", MAX_JSON)?;
    let mut json: Value = serde_json::from_slice(&bytes).map_err(|error| EngineError::model_file(&file, error))?;
    let stale: Vec<_> =
        changes.iter().filter(|(key, value)| json.get(*key).is_some_and(|found| found != value)).collect();
    if stale.is_empty() {
        return Ok(bytes);
    }
    for (key, value) in stale {
        json[*key] = value.clone();
    }
    serde_json::to_vec_pretty(&json).map_err(|error| EngineError::model_file(&file, error))
}

/// The key of config.json that a saved folder states otherwise than the folder that was loaded.
pub fn head_change(config: &DecoderConfig) -> Option<(&'static str, Value)> {
    (!config.tied_head).then_some(("tie_word_embeddings", Value::Bool(false)))
}
