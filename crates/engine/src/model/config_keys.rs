//! The keys of a decoder's `config.json`: those that are read, and those that change no number. `foreign_keys` has those that
//! are refused where they would.

use super::foreign_keys::FOREIGN;
use crate::error::Result;
use crate::io::config_fields::ConfigFields;
use crate::io::key_rule::KeyRule;
use crate::io::notices::Notices;

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
pub const HARMLESS_KEYS: [&str; 69] = [
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

/// Refuses the first key, in alphabetical order, that changes the numbers and is not computed here; notes those that
/// nothing reads. `computed` lists foreign keys that say what the family computes anyway.
///
/// # Errors
/// `ModelUnsupported` with the key and its value.
pub fn check_keys(fields: &ConfigFields, computed: &[&str], notices: &mut Notices) -> Result<()> {
    for key in DROPOUT_KEYS {
        if fields.number(key)?.is_some_and(|dropout| dropout != 0.0) {
            return Err(fields.unsupported(key, "0"));
        }
    }
    let read = [&READ_KEYS[..], &DROPOUT_KEYS[..]].concat();
    let harmless = [&HARMLESS_KEYS[..], computed].concat();
    KeyRule { read: &read, harmless: &harmless, refused: &FOREIGN }.check(fields, notices)
}
