//! The keys of `adapter_config.json`: variants of LoRA that are not computed here are refused where they change the numbers,
//! unknown keys are ignored with a notice.

use crate::error::Result;
use crate::io::config_fields::ConfigFields;
use crate::io::key_rule::{off, KeyRule, RefusedKey};
use crate::io::notices::Notices;
use serde_json::Value;

/// Keys that are read or checked; the tensors of the file decide which modules are adapted.
const READ: [&str; 13] = [
    "alpha_pattern",
    "base_model_name_or_path",
    "bias",
    "ensure_weight_tying",
    "init_lora_weights",
    "lora_alpha",
    "lora_dropout",
    "modules_to_save",
    "peft_type",
    "r",
    "rank_pattern",
    "use_dora",
    "use_rslora",
];

/// Bookkeeping, initialisation, and choices of modules that the tensors show.
const HARMLESS: [&str; 18] = [
    "auto_mapping",
    "base_model_class",
    "corda_config",
    "eva_config",
    "exclude_modules",
    "inference_mode",
    "layers_pattern",
    "layers_to_transform",
    "loftq_config",
    "lora_ga_config",
    "megatron_core",
    "parent_library",
    "peft_version",
    "qalora_group_size",
    "revision",
    "runtime_config",
    "target_modules",
    "task_type",
];

/// Variants of LoRA in PEFT 0.21, which compute other numbers.
const VARIANTS: [RefusedKey; 13] = [
    off("alora_invocation_tokens"),
    off("arrow_config"),
    off("fan_in_fan_out"),
    off("kasa_config"),
    off("layer_replication"),
    off("lora_bias"),
    off("megatron_config"),
    off("monteclora_config"),
    off("target_parameters"),
    off("trainable_token_indices"),
    off("use_bdlora"),
    off("use_qalora"),
    off("velora_config"),
];

/// Initialisations that leave the base unchanged; others (PiSSA, OLoRA, LoftQ …) change it.
const PLAIN_INITS: [&str; 3] = ["gaussian", "eva", "orthogonal"];

/// Refuses variants, and notes the keys that nothing reads.
///
/// # Errors
/// `ModelUnsupported` with the key.
pub fn check_keys(fields: &ConfigFields, notices: &mut Notices) -> Result<()> {
    if fields.get("peft_type").is_none_or(|kind| kind != "LORA") {
        return Err(fields.unsupported("peft_type", "LORA"));
    }
    if fields.get("bias").is_some_and(|bias| bias != "none" && bias != "") {
        return Err(fields.unsupported("bias", "none"));
    }
    let plain = |init: &Value| init.is_boolean() || init.as_str().is_some_and(|init| PLAIN_INITS.contains(&init));
    if fields.get("init_lora_weights").is_some_and(|init| !plain(init)) {
        return Err(fields.unsupported("init_lora_weights", "true, gaussian, eva and orthogonal"));
    }
    KeyRule { read: &READ, harmless: &HARMLESS, refused: &[&VARIANTS] }.check(fields, notices)
}
