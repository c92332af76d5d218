//! Reads and writes PEFT's `adapter_config.json`.
//!
//! Variants of LoRA that are not computed here are refused (`peft_keys`).

use super::adapter::Adapter;
use super::matrices::{last_word, matrix_weights, module_of};
use super::patterns::Patterns;
use super::peft_keys::check_keys;
use super::saved::{self, SavedWeight};
use super::settings::LoraSettings;
use crate::error::{EngineError, Result};
use crate::io::config_fields::ConfigFields;
use crate::io::notices::Notices;
use crate::io::read_file::{read_bounded, MAX_JSON};
use crate::model::layout::{Layout, NamedWeight};
use serde_json::{json, Map, Value};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

pub const CONFIG: &str = "adapter_config.json";
pub const WEIGHTS: &str = "adapter_model.safetensors";
/// Key of the metadata of `WEIGHTS` that holds the fingerprint of the base; PEFT writes none.
pub const BASE_FINGERPRINT: &str = "base_fingerprint";

#[derive(Debug, Clone, PartialEq)]
pub struct PeftConfig {
    pub settings: LoraSettings,
    /// Whether embeddings that are saved stay tied to the head.
    pub ties_saved: bool,
    /// `base_model_name_or_path`, as the adapter states it.
    pub base: Option<String>,
    file: PathBuf,
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
        let settings = LoraSettings {
            rank: fields.size("r")?.ok_or_else(|| fields.bad("`r` is missing"))?,
            alpha: fields.number("lora_alpha")?.ok_or_else(|| fields.bad("`lora_alpha` is missing"))?,
            dropout: fields.number("lora_dropout")?.unwrap_or(0.0),
            rslora: fields.flag("use_rslora")?,
            dora: fields.flag("use_dora")?,
            rank_pattern: patterns(&fields, "rank_pattern", "a rank", |value| {
                value.as_u64().map(|rank| rank as usize)
            })?,
            alpha_pattern: patterns(&fields, "alpha_pattern", "a number", Value::as_f64)?,
            modules_to_save: names(&fields, "modules_to_save")?,
            targets: None,
            seed: 0,
        };
        settings.check().map_err(|error| EngineError::model_file(&file, error))?;
        let ties_saved = fields.flag("ensure_weight_tying")?;
        let base = fields.text("base_model_name_or_path")?.map(String::from);
        Ok(Self { settings, ties_saved, base, file })
    }

    pub(super) fn bad(&self, reason: &str) -> EngineError {
        EngineError::model_file(&self.file, reason)
    }

    /// Refuses saved modules that are projections, and those that separate a head from the embeddings it is tied to.
    ///
    /// # Errors
    /// `ModelUnsupported` for `modules_to_save`.
    pub(super) fn check_saved(&self, layout: &Layout) -> Result<()> {
        let names = &self.settings.modules_to_save;
        let tables = |name: &String| ["embed_tokens", "lm_head"].contains(&last_word(name));
        let separates = saved::is_tied(layout) && !self.ties_saved && names.iter().any(tables);
        let supported = if separates {
            "`ensure_weight_tying`: true on a base that ties its head to the embeddings"
        } else if saved::check(layout, names).is_err() {
            "embeddings, the head and norms of the model"
        } else {
            return Ok(());
        };
        unsupported(&self.file, "modules_to_save", &json!(names), supported)
    }
}

/// The object of patterns under `key`.
fn patterns<Value>(
    fields: &ConfigFields,
    key: &str,
    wanted: &str,
    read: impl Fn(&serde_json::Value) -> Option<Value>,
) -> Result<Patterns<Value>> {
    let Some(found) = fields.get(key) else { return Ok(Patterns::default()) };
    let values = found.as_object().ok_or_else(|| fields.wrong(key, "an object"))?;
    let value = |(pattern, value): (&String, &serde_json::Value)| {
        let reason = || fields.bad(format!("`{key}`: the value of `{pattern}` is not {wanted}"));
        Ok((pattern.clone(), read(value).ok_or_else(reason)?))
    };
    let values = values.iter().map(value).collect::<Result<Vec<_>>>()?;
    Patterns::new(values).map_err(|reason| fields.bad(format!("`{key}`: {reason}")))
}

/// The list of names under `key`; empty where absent.
fn names(fields: &ConfigFields, key: &str) -> Result<Vec<String>> {
    let Some(found) = fields.get(key) else { return Ok(Vec::new()) };
    let text = |value: &Value| value.as_str().map(String::from);
    let list = found.as_array().and_then(|names| names.iter().map(text).collect());
    list.ok_or_else(|| fields.wrong(key, "a list of names"))
}

fn unsupported<Read>(file: &Path, key: &str, found: &Value, supported: &str) -> Result<Read> {
    let (file, key) = (file.display().to_string(), key.to_string());
    Err(EngineError::ModelUnsupported { file, key, found: found.to_string(), supported: supported.into() })
}

impl Adapter {
    /// The trained tensors under PEFT's names, with their offsets in the flat tensor.
    pub fn weights(&self) -> Vec<NamedWeight> {
        let factors = self.modules.iter().flat_map(matrix_weights);
        let factors = factors.map(|(weight, offset)| NamedWeight { offset, ..weight });
        factors.chain(self.saved.iter().flat_map(SavedWeight::file_weights)).collect()
    }

    /// `adapter_config.json` for an adapter of the model in `base`.
    pub fn config_json(&self, layout: &Layout, base: &Path) -> Vec<u8> {
        let LoraSettings { rank, alpha, dropout, rslora, dora, .. } = self.settings;
        let ranks: Map<_, _> =
            self.settings.rank_pattern.iter().map(|(key, &rank)| (key.into(), json!(rank))).collect();
        let alphas: Map<_, _> =
            self.settings.alpha_pattern.iter().map(|(key, &alpha)| (key.into(), whole(alpha))).collect();
        let saved: Vec<_> = self.saved.iter().map(|saved| saved.name.trim_end_matches(".weight")).collect();
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
            "modules_to_save": if saved.is_empty() { Value::Null } else { json!(saved) },
            "ensure_weight_tying": self.saved.iter().any(|saved| saved.ties_head),
            "rank_pattern": ranks,
            "alpha_pattern": alphas,
            "layers_to_transform": null,
            "layers_pattern": null,
            "use_dora": dora,
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
