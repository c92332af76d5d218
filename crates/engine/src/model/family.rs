//! The families of decoders, and what transformers takes where a config says nothing.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    Llama,
    Mistral,
    Qwen2,
    Qwen3,
}

impl Family {
    /// What transformers takes where `config.json` says nothing.
    pub(super) fn default_context(self) -> usize {
        match self {
            Self::Llama => 2048,
            Self::Mistral => 4096 * 32,
            Self::Qwen2 | Self::Qwen3 => 32768,
        }
    }

    /// The same for a config without the key `num_key_value_heads`; a null means one for each query head.
    pub(super) fn default_kv_heads(self, heads: usize) -> usize {
        match self {
            Self::Llama => heads,
            Self::Mistral => 8,
            Self::Qwen2 | Self::Qwen3 => 32,
        }
    }

    pub(super) fn default_head_dim(self, hidden_size: usize, heads: usize) -> usize {
        if self == Self::Qwen3 {
            return 128;
        }
        hidden_size / heads
    }

    /// The class prefix of `architectures`, in lower case.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Mistral => "mistral",
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
        }
    }
}
