//! `config.json` of the Llama and Qwen families, validated: what would change the numbers and is not computed here is refused.

use crate::error::{EngineError, Result};
use serde_json::Value;
use std::path::Path;

#[derive(Debug, Clone, PartialEq)]
pub struct DecoderConfig {
    pub vocab_size: usize,
    pub hidden_size: usize,
    pub layers: usize,
    pub heads: usize,
    pub kv_heads: usize,
    pub head_dim: usize,
    pub intermediate_size: usize,
    pub rms_norm_eps: f64,
    pub rope: RopeConfig,
    pub tied_head: bool,
    /// Qwen2: bias on the query, key and value projections.
    pub qkv_bias: bool,
    /// Qwen3: RMSNorm over each head's query and key.
    pub qk_norm: bool,
    pub context_length: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub struct RopeConfig {
    pub theta: f64,
    pub scaling: RopeScaling,
}

#[derive(Debug, Clone, PartialEq)]
pub enum RopeScaling {
    None,
    Linear {
        factor: f64,
    },
    /// Llama 3.1: long wavelengths are divided by `factor`, short ones kept, a ramp between.
    Llama3 {
        factor: f64,
        low_freq_factor: f64,
        high_freq_factor: f64,
        original_context: f64,
    },
}

/// Largest sizes taken seriously: beyond them a config is an accident or an attack.
const MAX_SIZE: u64 = 1 << 24;

impl DecoderConfig {
    pub fn read(folder: &Path) -> Result<Self> {
        let file = folder.join("config.json");
        let text =
            std::fs::read_to_string(&file).map_err(|error| missing_or_unreadable(folder, "config.json", error))?;
        let json: Value = serde_json::from_str(&text).map_err(|error| EngineError::model_file(&file, error))?;
        Fields { json: &json, file: &file }.decoder()
    }

    pub fn qkv_rows(&self) -> usize {
        (self.heads + 2 * self.kv_heads) * self.head_dim
    }

    pub fn attention_width(&self) -> usize {
        self.heads * self.head_dim
    }

    pub fn kv_width(&self) -> usize {
        self.kv_heads * self.head_dim
    }
}

/// `NotFound` names the file that a Hugging Face folder should have; anything else keeps the system's reason.
pub fn missing_or_unreadable(folder: &Path, file: &str, error: std::io::Error) -> EngineError {
    if error.kind() == std::io::ErrorKind::NotFound {
        return EngineError::ModelFileMissing { folder: folder.display().to_string(), file: file.into() };
    }
    EngineError::model_file(&folder.join(file), error)
}

struct Fields<'a> {
    json: &'a Value,
    file: &'a Path,
}

impl Fields<'_> {
    fn decoder(&self) -> Result<DecoderConfig> {
        let family = self.text("model_type").unwrap_or_default();
        if !["llama", "qwen2", "qwen3"].contains(&family) {
            return Err(self.unsupported("model_type", "llama, qwen2 and qwen3"));
        }
        self.refuse_what_changes_the_numbers()?;
        let hidden_size = self.size("hidden_size")?;
        let heads = self.size("num_attention_heads")?;
        let kv_heads = self.optional_size("num_key_value_heads")?.unwrap_or(heads);
        let head_dim = self.optional_size("head_dim")?.unwrap_or(hidden_size / heads);
        if !heads.is_multiple_of(kv_heads) || head_dim == 0 || !head_dim.is_multiple_of(2) {
            return Err(self.bad(format!(
                "{heads} query heads, {kv_heads} key/value heads and head_dim {head_dim} do not fit together"
            )));
        }
        Ok(DecoderConfig {
            vocab_size: self.size("vocab_size")?,
            hidden_size,
            layers: self.size("num_hidden_layers")?,
            heads,
            kv_heads,
            head_dim,
            intermediate_size: self.size("intermediate_size")?,
            rms_norm_eps: self.number("rms_norm_eps").unwrap_or(1e-6),
            rope: self.rope()?,
            tied_head: self.flag("tie_word_embeddings"),
            qkv_bias: family == "qwen2",
            qk_norm: family == "qwen3",
            context_length: self.optional_size("max_position_embeddings")?.unwrap_or(2048),
        })
    }

    fn refuse_what_changes_the_numbers(&self) -> Result<()> {
        if self.text("hidden_act").is_some_and(|act| act != "silu") {
            return Err(self.unsupported("hidden_act", "silu"));
        }
        for flag in ["attention_bias", "mlp_bias", "use_sliding_window"] {
            if self.flag(flag) {
                return Err(self.unsupported(flag, "false"));
            }
        }
        if self.number("attention_dropout").is_some_and(|dropout| dropout != 0.0) {
            return Err(self.unsupported("attention_dropout", "0"));
        }
        if self.json.get("quantization_config").is_some_and(|value| !value.is_null()) {
            return Err(self.unsupported("quantization_config", "no quantisation"));
        }
        Ok(())
    }

    /// transformers 5 writes `rope_parameters`; earlier versions `rope_theta` and `rope_scaling`.
    fn rope(&self) -> Result<RopeConfig> {
        let nested = |key: &str| self.json.get(key).filter(|value| value.is_object());
        let scaling = nested("rope_parameters").or_else(|| nested("rope_scaling"));
        let number = |key: &str| scaling.and_then(|value| value.get(key)).and_then(Value::as_f64);
        let theta = number("rope_theta").or_else(|| self.number("rope_theta")).unwrap_or(10_000.0);
        let kind = scaling
            .and_then(|value| value.get("rope_type").or_else(|| value.get("type")))
            .and_then(Value::as_str)
            .unwrap_or("default");
        let needed = |key: &str| number(key).ok_or_else(|| self.bad(format!("rope scaling `{kind}` lacks `{key}`")));
        let scaling = match kind {
            "default" => RopeScaling::None,
            "linear" => RopeScaling::Linear { factor: needed("factor")? },
            "llama3" => RopeScaling::Llama3 {
                factor: needed("factor")?,
                low_freq_factor: needed("low_freq_factor")?,
                high_freq_factor: needed("high_freq_factor")?,
                original_context: needed("original_max_position_embeddings")?,
            },
            other => {
                return Err(EngineError::ModelUnsupported {
                    file: self.file.display().to_string(),
                    key: "rope_scaling".into(),
                    found: format!("`{other}`"),
                    supported: "default, linear and llama3".into(),
                })
            }
        };
        Ok(RopeConfig { theta, scaling })
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.json.get(key).and_then(Value::as_str)
    }

    fn number(&self, key: &str) -> Option<f64> {
        self.json.get(key).and_then(Value::as_f64)
    }

    fn flag(&self, key: &str) -> bool {
        self.json.get(key).and_then(Value::as_bool).unwrap_or(false)
    }

    fn size(&self, key: &str) -> Result<usize> {
        self.optional_size(key)?.ok_or_else(|| self.bad(format!("`{key}` is missing")))
    }

    fn optional_size(&self, key: &str) -> Result<Option<usize>> {
        match self.json.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match value.as_u64() {
                Some(size) if (1..=MAX_SIZE).contains(&size) => Ok(Some(size as usize)),
                _ => Err(self.bad(format!("`{key}` is {value}, not a whole number from 1 to {MAX_SIZE}"))),
            },
        }
    }

    fn bad(&self, reason: String) -> EngineError {
        EngineError::model_file(self.file, reason)
    }

    fn unsupported(&self, key: &str, supported: &str) -> EngineError {
        EngineError::ModelUnsupported {
            file: self.file.display().to_string(),
            key: key.into(),
            found: self.json.get(key).map_or("absent".into(), |value| format!("`{value}`")),
            supported: supported.into(),
        }
    }
}
