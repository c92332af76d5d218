//! Which keys of `config.json` are read, which change no number, and that every other one is refused by name.

use super::fields::Fields;
use crate::error::Result;
use serde_json::Value;

/// Read by `config.rs` and `rope.rs`, or checked there.
const READ: [&str; 24] = [
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

/// Names, bookkeeping, initialisation, how to run, and settings of sampling: none changes what the decoder computes.
const HARMLESS: [&str; 69] = [
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
    // Slices of a product that is the same product.
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

/// Dropout acts in training: only none can be computed.
const DROPOUTS: [&str; 6] =
    ["attention_dropout", "attn_pdrop", "embd_pdrop", "hidden_dropout", "hidden_dropout_prob", "resid_pdrop"];

/// Refuses the first key, in alphabetical order, that may change the numbers and is not computed here.
pub fn refuse_unknown(fields: &Fields) -> Result<()> {
    for key in DROPOUTS {
        if fields.number(key)?.is_some_and(|dropout| dropout != 0.0) {
            return Err(fields.unsupported(key, "0"));
        }
    }
    if fields.get("quantization_config").is_some() {
        return Err(fields.unsupported("quantization_config", "no quantisation"));
    }
    if fields.get("auto_map").is_some_and(says_something) {
        return Err(fields.unsupported("auto_map", "the families' own code, not a folder's,"));
    }
    refuse_unknown_beside(fields, &[&READ[..], &DROPOUTS[..]].concat())
}

/// Refuses the first key, in alphabetical order, that is neither `read` nor known to change no number.
pub fn refuse_unknown_beside(fields: &Fields, read: &[&str]) -> Result<()> {
    let known = |key: &str| read.contains(&key) || HARMLESS.contains(&key);
    let unknown = fields
        .object
        .iter()
        .filter(|(key, value)| !known(key) && !key.starts_with("unsloth_") && says_something(value))
        .map(|(key, _)| key)
        .min();
    match unknown {
        None => Ok(()),
        Some(key) => Err(fields.unsupported(key, "its absence, null or false")),
    }
}

/// null, false and empty values switch nothing on.
pub fn says_something(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(object) => !object.is_empty(),
        _ => true,
    }
}
