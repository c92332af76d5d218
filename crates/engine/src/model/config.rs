//! `config.json` of the Llama, Mistral and Qwen families, validated: what would change the numbers and is not computed
//! here is refused.

use super::family::Family;
use super::fields::Fields;
use super::keys::refuse_unknown;
use super::rope::RopeConfig;
use super::window::LayerWindows;
use crate::error::{EngineError, Result};
use crate::io::read_file::{read_bounded, MAX_JSON};
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
    /// Bias on the query, key and value projections: Qwen2 always, Llama and Qwen3 with `attention_bias`.
    pub qkv_bias: bool,
    /// Bias on the output projection: Llama and Qwen3 with `attention_bias`.
    pub output_bias: bool,
    /// Bias on all three projections of the MLP: Llama with `mlp_bias`.
    pub mlp_bias: bool,
    /// Qwen3: RMSNorm over each head's query and key.
    pub qk_norm: bool,
    /// How far back each layer looks.
    pub windows: LayerWindows,
    pub context_length: usize,
}

impl DecoderConfig {
    pub fn read(folder: &Path) -> Result<Self> {
        let file = folder.join("config.json");
        let bytes = read_bounded(folder, "config.json", MAX_JSON)?;
        let json: Value = serde_json::from_slice(&bytes).map_err(|error| EngineError::model_file(&file, error))?;
        decoder(&Fields::new(&json, &file)?)
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

fn decoder(config: &Fields) -> Result<DecoderConfig> {
    let family = family(config)?;
    refuse_unknown(config)?;
    if config.text("hidden_act")?.is_some_and(|act| act != "silu") {
        return Err(config.unsupported("hidden_act", "silu"));
    }
    let hidden_size = config.needed_size("hidden_size")?;
    let heads = config.needed_size("num_attention_heads")?;
    let kv_heads = match config.object.contains_key("num_key_value_heads") {
        true => config.size("num_key_value_heads")?.unwrap_or(heads),
        false => family.default_kv_heads(heads),
    };
    let head_dim = config.size("head_dim")?.unwrap_or(family.default_head_dim(hidden_size, heads));
    if !heads.is_multiple_of(kv_heads) || head_dim == 0 || !head_dim.is_multiple_of(2) {
        return Err(config.bad(format!(
            "{heads} query heads, {kv_heads} key/value heads and head_dim {head_dim} do not fit together"
        )));
    }
    let layers = config.needed_size("num_hidden_layers")?;
    let context_length = config.size("max_position_embeddings")?.unwrap_or(family.default_context());
    let attention_bias = bias(config, "attention_bias", matches!(family, Family::Llama | Family::Qwen3))?;
    Ok(DecoderConfig {
        vocab_size: config.needed_size("vocab_size")?,
        hidden_size,
        layers,
        heads,
        kv_heads,
        head_dim,
        intermediate_size: config.needed_size("intermediate_size")?,
        rms_norm_eps: config.positive("rms_norm_eps")?.unwrap_or(1e-6),
        rope: RopeConfig::read(config, context_length)?,
        tied_head: config.flag("tie_word_embeddings")?,
        qkv_bias: family == Family::Qwen2 || attention_bias,
        output_bias: attention_bias,
        mlp_bias: bias(config, "mlp_bias", family == Family::Llama)?,
        qk_norm: family == Family::Qwen3,
        windows: LayerWindows::read(config, family, layers)?,
        context_length,
    })
}

fn family(config: &Fields) -> Result<Family> {
    let family = match config.text("model_type")? {
        Some("llama") => Family::Llama,
        Some("mistral") => Family::Mistral,
        Some("qwen2") => Family::Qwen2,
        Some("qwen3") => Family::Qwen3,
        _ => return Err(config.unsupported("model_type", "llama, mistral, qwen2 and qwen3")),
    };
    // A classifier of the family has the same body and another head.
    let class = family.class();
    let fits = |name: &str| [format!("{class}forcausallm"), format!("{class}model")].contains(&name.to_lowercase());
    match config.get("architectures").and_then(Value::as_array) {
        Some(names) if !names.is_empty() && !names.iter().any(|name| name.as_str().is_some_and(fits)) => {
            Err(config.unsupported("architectures", "the family's ForCausalLM"))
        }
        _ => Ok(family),
    }
}

/// A bias that only some families have: elsewhere transformers would ignore the key, and so must nobody rely on it.
fn bias(config: &Fields, key: &str, in_family: bool) -> Result<bool> {
    match config.flag(key)? {
        true if !in_family => Err(config.unsupported(key, "false in this family")),
        flag => Ok(flag),
    }
}
