//! The keys of `tokenizer_config.json`: a setting that changes ids or texts and is not computed here is refused, unknown keys
//! are ignored with a notice. What the keys that are read say is read where it is used.

use crate::error::{EngineError, Result};
use crate::io::config_fields::ConfigFields;
use crate::io::key_rule::{off, KeyRule, RefusedKey};
use crate::io::notices::Notices;
use crate::io::read_file::{read_optional, MAX_JSON};
use serde_json::Value;
use std::path::Path;

const NAME: &str = "tokenizer_config.json";

/// Keys of special tokens and templates.
const READ: [&str; 14] = [
    "add_bos_token",
    "add_eos_token",
    "added_tokens_decoder",
    "additional_special_tokens",
    "bos_token",
    "chat_template",
    "cls_token",
    "eos_token",
    "extra_special_tokens",
    "mask_token",
    "model_specific_special_tokens",
    "pad_token",
    "sep_token",
    "unk_token",
];

/// Classes, paths, limits of length, and settings that tokenizer.json itself holds.
const HARMLESS: [&str; 40] = [
    "_commit_hash",
    "add_prefix_space",
    "backend",
    "clean_up_tokenization_spaces",
    "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output",
    "device_map",
    "do_lower_case",
    "errors",
    "fix_mistral_regex",
    "from_slow",
    "image_token",
    "is_local",
    "legacy",
    "local_files_only",
    "max_length",
    "model_input_names",
    "model_max_length",
    "name_or_path",
    "pad_to_multiple_of",
    "pad_token_type_id",
    "padding",
    "padding_side",
    "processor_class",
    "response_schema",
    "return_token_type_ids",
    "sp_model_kwargs",
    "spaces_between_special_tokens",
    "special_tokens_map_file",
    "stride",
    "tokenizer_class",
    "tokenizer_file",
    "tokenizer_type",
    "tool_parser_type",
    "transformers_version",
    "trim_offsets",
    "truncation",
    "truncation_side",
    "truncation_strategy",
    "use_default_system_prompt",
    "use_fast",
];

/// Settings that change ids, and that the families of tokenizers here do not compute.
const REFUSED: [RefusedKey; 2] = [off("split_special_tokens"), off("tokenizer_object")];

/// Checks the file; a folder without it has nothing to check.
///
/// # Errors
/// `ModelFile` for a file that is no JSON object, `ModelUnsupported` for a setting that is not computed.
pub fn check_config(folder: &Path, notices: &mut Notices) -> Result<()> {
    let Some(bytes) = read_optional(folder, NAME, MAX_JSON)? else { return Ok(()) };
    let file = folder.join(NAME);
    let json: Value = serde_json::from_slice(&bytes).map_err(|error| EngineError::model_file(&file, error))?;
    let rule = KeyRule { read: &READ, harmless: &HARMLESS, refused: &[&REFUSED] };
    rule.check(&ConfigFields::new(&json, &file)?, notices)
}
