//! Reads and writes PEFT's `adapter_config.json`.
//!
//! Variants of LoRA that are not computed here are refused (`peft_keys`).

use super::adapter::Adapter;
use super::matrices::{last_word, matrix_weights, module_of};
use super::peft_keys::check_keys;
use super::settings::LoraSettings;
use crate::error::{EngineError, Result};
use crate::io::config_fields::ConfigFields;
use crate::io::notices::Notices;
use crate::io::read_file::{read_bounded, MAX_JSON};
use crate::model::layout::{Layout, NamedWeight};
use serde_json::{json, Value};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

pub const CONFIG: &str = "adapter_config.json";
pub const WEIGHTS: &str = "adapter_model.safetensors";
/// Key of the metadata of `WEIGHTS` that holds the fingerprint of the base; PEFT writes none.
pub const BASE_FINGERPRINT: &str = "base_fingerprint";

#[derive(Debug, Clone, PartialEq)]
pub struct PeftConfig {
    pub rank: usize,
    pub alpha: f64,
    pub dropout: f64,
    pub rslora: bool,
    /// `base_model_name_or_path`, as the adapter states it.
    pub base: Option<String>,
}

impl PeftConfig {
    /// # Errors
    /// `ModelFileMissing`, `ModelFile` for malformed settings, `ModelUnsupported` for variants of LoRA.
    pub fn read(folder: &Path, notices: &mut Notices) -> Result<Self> {
        let file = folder.join(CONFIG);
        let bytes = read_bounded(folder, CONFIG, MAX_JSON)?;
        let json: Value = serde_json::from_slice(&bytes).map_err(|error| EngineError::model_file(&file, error))?;
        let fields = ConfigFields::new(&json, &file)?;
        check_keys(&fields, notices)?;
        let config = Self {
            rank: fields
                .size("r")?
                .filter(|&rank| rank <= MAX_RANK)
                .ok_or_else(|| fields.bad(format!("`r` is not a rank from 1 to {MAX_RANK}")))?,
            alpha: fields.number("lora_alpha")?.ok_or_else(|| fields.bad("`lora_alpha` is missing"))?,
            dropout: fields.number("lora_dropout")?.unwrap_or(0.0),
            rslora: fields.flag("use_rslora")?,
            base: fields.text("base_model_name_or_path")?.map(String::from),
        };
        config.settings(0).check().map_err(|error| EngineError::model_file(&file, error))?;
        Ok(config)
    }

    pub fn settings(&self, seed: u64) -> LoraSettings {
        let Self { rank, alpha, dropout, rslora, .. } = *self;
        LoraSettings { rank, alpha, dropout, targets: None, rslora, seed }
    }

    pub fn scale(&self) -> f64 {
        self.settings(0).scale()
    }
}

/// Largest rank accepted: a config beyond it is an accident or an attack.
const MAX_RANK: usize = 1 << 16;

impl Adapter {
    /// A and B of every module under PEFT's names, with their offsets in the flat tensor.
    pub fn weights(&self) -> Vec<NamedWeight> {
        let weights = self.modules.iter().flat_map(|module| matrix_weights(module, self.settings.rank));
        weights.map(|(weight, offset)| NamedWeight { offset, ..weight }).collect()
    }

    /// `adapter_config.json` for an adapter of the model in `base`.
    pub fn config_json(&self, layout: &Layout, base: &Path) -> Vec<u8> {
        let LoraSettings { rank, alpha, dropout, rslora, .. } = self.settings;
        let config = json!({
            "peft_type": "LORA",
            "task_type": "CAUSAL_LM",
            "base_model_name_or_path": base.display().to_string(),
            "revision": null,
            "inference_mode": true,
            "r": rank,
            "lora_alpha": whole(alpha),
            "lora_dropout": dropout,
            "use_rslora": rslora,
            "target_modules": self.target_modules(layout),
            "bias": "none",
            "fan_in_fan_out": false,
            "init_lora_weights": true,
            "modules_to_save": null,
            "rank_pattern": {},
            "alpha_pattern": {},
            "layers_to_transform": null,
            "layers_pattern": null,
            "use_dora": false,
        });
        serde_json::to_vec_pretty(&config).unwrap_or_default()
    }

    /// Last words of the adapted modules, or whole paths where a word would also match a module that is not adapted.
    fn target_modules(&self, layout: &Layout) -> Vec<String> {
        let adapted: BTreeSet<&str> = self.modules.iter().map(|module| module.path.as_str()).collect();
        let words: BTreeSet<&str> = adapted.iter().map(|module| last_word(module)).collect();
        let all = layout.weights.iter().filter_map(module_of);
        let exact = all.filter(|module| words.contains(last_word(module))).all(|module| adapted.contains(module));
        (if exact { words } else { adapted }).into_iter().map(String::from).collect()
    }
}

/// PEFT writes whole alphas as integers.
fn whole(value: f64) -> Value {
    if value.fract() == 0.0 && value < i64::MAX as f64 {
        json!(value as i64)
    } else {
        json!(value)
    }
}

/// The base of an adapter folder; None for a model folder.
///
/// # Errors
/// `ModelFile` where the adapter's base is not on this machine.
pub fn base_of(folder: &Path) -> Result<Option<PathBuf>> {
    if folder.join("config.json").exists() || !folder.join(CONFIG).exists() {
        return Ok(None);
    }
    let file = folder.join(CONFIG);
    let base = PeftConfig::read(folder, &mut Notices::default())?.base.unwrap_or_default();
    if !Path::new(&base).join("config.json").exists() {
        let reason = format!(
            "its base model `{base}` (base_model_name_or_path) is not a model folder on this machine; name the base as model and this folder as adapter"
        );
        return Err(EngineError::model_file(&file, reason));
    }
    Ok(Some(PathBuf::from(base)))
}
