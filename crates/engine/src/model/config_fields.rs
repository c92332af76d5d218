//! Typed access to a JSON object of a model folder, and the check of its keys.
//!
//! A value of the wrong type is an error and never falls back to its default. A key that is neither read nor known to
//! leave the numbers unchanged is refused by name.

use crate::error::{EngineError, Result};
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

    fn name(&self, key: &str) -> String {
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
    match text.char_indices().nth(80) {
        None => text,
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// Keys that `config.rs` and `rotary.rs` read or check.
const READ_KEYS: [&str; 24] = [
    "attention_bias",
    "architectures",
    "head_dim",
    "hidden_act",
    "hidden_size",
    "intermediate_size",
    "layer_types",
    "max_position_embeddings",
    "max_window_layers",
    "mlp_bias",
    "model_type",
    "num_attention_heads",
    "num_hidden_layers",
    "num_key_value_heads",
    "original_max_position_embeddings",
    "partial_rotary_factor",
    "rms_norm_eps",
    "rope_parameters",
    "rope_scaling",
    "rope_theta",
    "sliding_window",
    "tie_word_embeddings",
    "use_sliding_window",
    "vocab_size",
];

/// Names, bookkeeping, initialisation, execution and sampling settings: none changes the numbers that a decoder computes.
const HARMLESS_KEYS: [&str; 69] = [
    "_attn_implementation",
    "_attn_implementation_autoset",
    "_attn_implementation_internal",
    "_commit_hash",
    "_name_or_path",
    "attn_implementation",
    "bad_words_ids",
    "begin_suppress_tokens",
    "bos_token_id",
    "chunk_size_feed_forward",
    "decoder_start_token_id",
    "diversity_penalty",
    "do_sample",
    "dtype",
    "early_stopping",
    "encoder_no_repeat_ngram_size",
    "eos_token_id",
    "exponential_decay_length_penalty",
    "finetuning_task",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "gradient_checkpointing",
    "id2label",
    "initializer_range",
    "is_decoder",
    "label2id",
    "length_penalty",
    "max_length",
    "max_new_tokens",
    "max_sequence_length",
    "min_length",
    "model_max_length",
    "name_or_path",
    "no_repeat_ngram_size",
    "num_beam_groups",
    "num_beams",
    "num_labels",
    "num_return_sequences",
    "output_attentions",
    "output_hidden_states",
    "output_scores",
    "pad_token_id",
    "prefix",
    // Splits a product without changing it.
    "pretraining_tp",
    "problem_type",
    "remove_invalid_values",
    "repetition_penalty",
    "return_dict",
    "return_dict_in_generate",
    "sep_token_id",
    "seq_length",
    "suppress_tokens",
    "task_specific_params",
    "temperature",
    "tf_legacy_loss",
    "tie_encoder_decoder",
    "tie_last_hidden_states",
    "tokenizer_class",
    "top_k",
    "top_p",
    "torch_dtype",
    "torchscript",
    "transformers.js_config",
    "transformers_version",
    "typical_p",
    "unk_token_id",
    "use_bfloat16",
    "use_cache",
    "use_return_dict",
];

/// Dropout acts in training and is not computed: it must be 0.
const DROPOUT_KEYS: [&str; 6] =
    ["attention_dropout", "attn_pdrop", "embd_pdrop", "hidden_dropout", "hidden_dropout_prob", "resid_pdrop"];

/// Refuses the first key, in alphabetical order, that may change the numbers and is not computed here.
///
/// # Errors
/// `ModelUnsupported` with the key and its value.
pub fn refuse_unknown(fields: &ConfigFields) -> Result<()> {
    for key in DROPOUT_KEYS {
        if fields.number(key)?.is_some_and(|dropout| dropout != 0.0) {
            return Err(fields.unsupported(key, "0"));
        }
    }
    if fields.get("quantization_config").is_some() {
        return Err(fields.unsupported("quantization_config", "no quantisation"));
    }
    if fields.get("auto_map").is_some_and(switches_on) {
        return Err(fields.unsupported("auto_map", "the families' own code, not a folder's,"));
    }
    refuse_unknown_beside(fields, &[&READ_KEYS[..], &DROPOUT_KEYS[..]].concat())
}

/// Refuses the first key, in alphabetical order, that is neither `read` nor known to change no number.
pub fn refuse_unknown_beside(fields: &ConfigFields, read: &[&str]) -> Result<()> {
    let known = |key: &str| read.contains(&key) || HARMLESS_KEYS.contains(&key);
    let unknown = fields
        .object
        .iter()
        .filter(|(key, value)| !known(key) && !key.starts_with("unsloth_") && switches_on(value))
        .map(|(key, _)| key)
        .min();
    match unknown {
        None => Ok(()),
        Some(key) => Err(fields.unsupported(key, "its absence, null or false")),
    }
}

/// False for null, false and empty values.
pub fn switches_on(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(object) => !object.is_empty(),
        _ => true,
    }
}
