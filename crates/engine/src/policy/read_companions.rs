//! The files that are saved beside the weights into every folder.

use crate::error::Result;
use crate::io::companions::Companions;
use crate::model::config::DecoderConfig;
use crate::model::model_files::{changed_config, head_change};
use crate::placement::Dtype;
use crate::tokenizer::files::read_tokenizer_files;
use serde_json::Value;
use std::path::Path;

/// Reads config.json, with the precision and the head of the policy, and the tokenizer files of a folder.
pub fn read_companions(folder: &Path, config: &DecoderConfig, dtype: Dtype) -> Result<Companions> {
    let name = if dtype == Dtype::Fp32 { "float32" } else { "bfloat16" };
    // transformers 5 writes `dtype`, earlier versions `torch_dtype`.
    let changes = ["dtype", "torch_dtype"].map(|key| (key, Value::from(name)));
    let changes: Vec<_> = changes.into_iter().chain(head_change(config)).collect();
    let mut companions = vec![("config.json".into(), changed_config(folder, &changes)?)];
    companions.extend(read_tokenizer_files(folder)?);
    Ok(companions)
}
