//! `config.json` of the Llama, Mistral and Qwen families, validated: a setting that changes the numbers and is not
//! computed here is refused (`config_keys`).

use super::config_keys::check_keys;
use super::rotary::RopeConfig;
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
    let family = family(config)?;
    check_keys(config, notices)?;
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

fn family(config: &ConfigFields) -> Result<Family> {
    let family = match config.text("model_type")? {
        Some("llama") => Family::Llama,
        Some("mistral") => Family::Mistral,
        Some("qwen2") => Family::Qwen2,
        Some("qwen3") => Family::Qwen3,
        _ => return Err(config.unsupported("model_type", "llama, mistral, qwen2 and qwen3")),
    };
    // A classifier of the family has the same decoder and another head.
    let class = family.class();
    let fits = |name: &str| [format!("{class}forcausallm"), format!("{class}model")].contains(&name.to_lowercase());
    match config.get("architectures").and_then(Value::as_array) {
        Some(names) if !names.is_empty() && !names.iter().any(|name| name.as_str().is_some_and(fits)) => {
            Err(config.unsupported("architectures", "the family's ForCausalLM"))
        }
        _ => Ok(family),
    }
}

/// A bias flag that only some families read: transformers ignores it in the others, so true is refused there.
fn bias(config: &ConfigFields, key: &str, in_family: bool) -> Result<bool> {
    match config.flag(key)? {
        true if !in_family => Err(config.unsupported(key, "false in this family")),
        flag => Ok(flag),
    }
}

/// The families of decoders, by `model_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Llama,
    Mistral,
    Qwen2,
    Qwen3,
}

impl Family {
    /// Default of transformers for `max_position_embeddings`.
    fn default_context(self) -> usize {
        match self {
            Self::Llama => 2048,
            Self::Mistral => 4096 * 32,
            Self::Qwen2 | Self::Qwen3 => 32768,
        }
    }

    /// Default of transformers without the key `num_key_value_heads`; null means one for each query head.
    fn default_kv_heads(self, heads: usize) -> usize {
        match self {
            Self::Llama => heads,
            Self::Mistral => 8,
            Self::Qwen2 | Self::Qwen3 => 32,
        }
    }

    /// Default of transformers for `head_dim`.
    fn default_head_dim(self, hidden_size: usize, heads: usize) -> usize {
        if self == Self::Qwen3 {
            return 128;
        }
        hidden_size / heads
    }

    /// The class prefix of `architectures`, in lower case.
    fn class(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Mistral => "mistral",
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
        }
    }
}

/// Sliding windows of the layers: a query at position p attends to the keys at p − size + 1 ..= p.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerWindows {
    /// None where no layer has a window.
    size: Option<usize>,
    layers: Windowed,
}

#[derive(Debug, Clone, PartialEq)]
enum Windowed {
    /// Layers from this one on.
    From(usize),
    /// True for each layer with a window.
    Listed(Vec<bool>),
}

impl LayerWindows {
    pub const NONE: Self = Self { size: None, layers: Windowed::From(0) };

    /// Mistral has one window for all layers; Qwen has it with `use_sliding_window`, for layers from `max_window_layers` on or
    /// by `layer_types`; Llama has none.
    fn read(config: &ConfigFields, family: Family, layers: usize) -> Result<Self> {
        let listed = layer_types(config, layers)?;
        match family {
            Family::Llama => {
                for key in ["sliding_window", "use_sliding_window"] {
                    if config.get(key).is_some_and(|value| value != false) {
                        return Err(config.unsupported(key, "null in this family"));
                    }
                }
                check_layer_types(config, Self::NONE, listed)
            }
            Family::Mistral => {
                if config.flag("use_sliding_window")? {
                    return Err(config.unsupported("use_sliding_window", "`sliding_window` alone in this family"));
                }
                let every_layer = match config.object.contains_key("sliding_window") {
                    true => config.size("sliding_window")?,
                    false => Some(4096),
                };
                check_layer_types(config, Self { size: every_layer, layers: Windowed::From(0) }, listed)
            }
            Family::Qwen2 | Family::Qwen3 => Self::qwen(config, listed),
        }
    }

    fn qwen(config: &ConfigFields, listed: Option<Vec<bool>>) -> Result<Self> {
        let on = config.flag("use_sliding_window")?;
        let size = match config.object.contains_key("sliding_window") {
            true => config.size("sliding_window")?,
            false => Some(4096),
        };
        let size = size.filter(|_| on);
        let listed = match listed {
            None => Windowed::From(first_windowed(config)?),
            Some(list) if size.is_none() && list.contains(&true) => {
                return Err(config.unsupported("layer_types", "full_attention without a sliding window"))
            }
            Some(list) => Windowed::Listed(list),
        };
        Ok(Self { size, layers: listed })
    }

    /// The window of a layer.
    pub fn of(&self, layer: usize) -> Option<usize> {
        let windowed = match &self.layers {
            Windowed::From(first) => layer >= *first,
            Windowed::Listed(list) => list[layer],
        };
        self.size.filter(|_| windowed)
    }

    /// The size that all windows share; None without windows.
    pub fn size(&self) -> Option<usize> {
        self.size
    }
}

/// `max_window_layers`, the number of leading layers without a window, which may be 0.
fn first_windowed(config: &ConfigFields) -> Result<usize> {
    match config.get("max_window_layers") {
        None => Ok(28),
        Some(value) => match value.as_u64() {
            Some(count) => Ok(count as usize),
            None => Err(config.wrong("max_window_layers", "a whole number")),
        },
    }
}

/// Refuses a `layer_types` that differs from `windows` in families where transformers ignores it.
fn check_layer_types(config: &ConfigFields, windows: LayerWindows, listed: Option<Vec<bool>>) -> Result<LayerWindows> {
    match listed {
        Some(list) if list.iter().any(|&windowed| windowed != windows.size.is_some()) => {
            Err(config.unsupported("layer_types", "the attention that this family has in every layer"))
        }
        _ => Ok(windows),
    }
}

/// True per layer for `sliding_attention`.
fn layer_types(config: &ConfigFields, layers: usize) -> Result<Option<Vec<bool>>> {
    let Some(value) = config.get("layer_types") else { return Ok(None) };
    let list = value.as_array().filter(|list| list.len() == layers);
    let list = list.ok_or_else(|| config.wrong("layer_types", "a list with one name a layer"))?;
    let windowed = list.iter().map(|name| match name.as_str() {
        Some("full_attention" | "attention") => Ok(false),
        Some("sliding_attention") => Ok(true),
        _ => Err(config.unsupported("layer_types", "full_attention and sliding_attention")),
    });
    windowed.collect::<Result<_>>().map(Some)
}
