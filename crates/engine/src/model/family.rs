//! The families of decoders, and where their code in transformers differs in what it assumes.

use super::foreign_keys::{QKV_BIAS, QK_NORM};
use crate::error::Result;
use crate::io::config_fields::ConfigFields;
use serde_json::Value;

/// The families of decoders, by `model_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    Llama,
    Mistral,
    Qwen2,
    Qwen3,
}

impl Family {
    /// The family of `model_type`, which `architectures` must confirm.
    ///
    /// # Errors
    /// `ModelUnsupported` for another family, and for another head than a language model's.
    pub fn read(config: &ConfigFields) -> Result<Self> {
        let family = match config.text("model_type")? {
            Some("llama") => Self::Llama,
            Some("mistral") => Self::Mistral,
            Some("qwen2") => Self::Qwen2,
            Some("qwen3") => Self::Qwen3,
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

    /// Default of transformers for `max_position_embeddings`.
    pub fn default_context(self) -> usize {
        match self {
            Self::Llama => 2048,
            Self::Mistral => 4096 * 32,
            Self::Qwen2 | Self::Qwen3 => 32768,
        }
    }

    /// Default of transformers without the key `num_key_value_heads`; null means one for each query head.
    pub fn default_kv_heads(self, heads: usize) -> usize {
        match self {
            Self::Llama => heads,
            Self::Mistral => 8,
            Self::Qwen2 | Self::Qwen3 => 32,
        }
    }

    /// Default of transformers for `head_dim`.
    pub fn default_head_dim(self, hidden_size: usize, heads: usize) -> usize {
        if self == Self::Qwen3 {
            return 128;
        }
        hidden_size / heads
    }

    /// Foreign keys that say what this family computes.
    pub fn computes(self) -> &'static [&'static str] {
        match self {
            Self::Qwen2 => &QKV_BIAS,
            Self::Qwen3 => &QK_NORM,
            Self::Llama | Self::Mistral => &[],
        }
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
