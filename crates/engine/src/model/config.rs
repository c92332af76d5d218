//! `config.json` of the Llama, Mistral and Qwen families, validated: a setting that changes the numbers and is not
//! computed here is refused (`config_keys`).

use super::activation::Activation;
use super::config_keys::check_keys;
use super::family::Family;
use super::rotary::RopeConfig;
use super::windows::LayerWindows;
use crate::error::{EngineError, Result};
use crate::io::config_fields::ConfigFields;
use crate::io::notices::Notices;
use crate::io::read_file::{read_bounded, MAX_JSON};
use serde_json::Value;
use std::path::Path;

/// The settings of a decoder.
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
    pub activation: Activation,
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
    /// The sliding window of each layer.
    pub windows: LayerWindows,
    pub context_length: usize,
}

impl DecoderConfig {
    /// Reads and validates `config.json`; notes the keys that nothing reads.
    ///
    /// # Errors
    /// `ModelFileMissing`, `ModelFile` for malformed settings, `ModelUnsupported` for those that are not computed.
    pub fn read(folder: &Path, notices: &mut Notices) -> Result<Self> {
        let file = folder.join("config.json");
        let bytes = read_bounded(folder, "config.json", MAX_JSON)?;
        let json: Value = serde_json::from_slice(&bytes).map_err(|error| EngineError::model_file(&file, error))?;
        decoder(&ConfigFields::new(&json, &file)?, notices)
    }

    /// Rows of the stacked query, key and value projection.
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

fn decoder(config: &ConfigFields, notices: &mut Notices) -> Result<DecoderConfig> {
    let family = Family::read(config)?;
    check_keys(config, family.computes(), notices)?;
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
        activation: Activation::read(config, "hidden_act", Activation::Silu)?,
        rope: RopeConfig::read(config, context_length, notices)?,
        tied_head: config.flag("tie_word_embeddings")?,
        qkv_bias: family == Family::Qwen2 || attention_bias,
        output_bias: attention_bias,
        mlp_bias: bias(config, "mlp_bias", family == Family::Llama)?,
        qk_norm: family == Family::Qwen3,
        windows: LayerWindows::read(config, family, layers, context_length)?,
        context_length,
    })
}

/// A bias flag that only some families read: transformers ignores it in the others, so true is refused there.
fn bias(config: &ConfigFields, key: &str, in_family: bool) -> Result<bool> {
    match config.flag(key)? {
        true if !in_family => Err(config.unsupported(key, "false in this family")),
        flag => Ok(flag),
    }
}
