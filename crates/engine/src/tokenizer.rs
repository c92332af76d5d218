//! Text and token ids, and which ids end a completion.

use crate::end_tokens::read_end_tokens;
use crate::error::{EngineError, Result};
use crate::model::file::read_bounded;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::Path;

/// Files that belong to a model folder beside config and weights, copied as they are when saving.
pub const COMPANIONS: [&str; 8] = [
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
    "generation_config.json",
];

/// Real files are below 40 MB.
pub const MAX_TOKENIZER: u64 = 256 << 20;

pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    pub end_tokens: Vec<u32>,
}

impl Tokenizer {
    pub fn load(folder: &Path, vocabulary: usize) -> Result<Self> {
        let file = folder.join("tokenizer.json");
        let bytes = read_bounded(folder, "tokenizer.json", MAX_TOKENIZER)?;
        // The crate panics on some malformed files instead of answering with an error.
        let parsed = catch_unwind(|| tokenizers::Tokenizer::from_bytes(&bytes));
        let inner = match parsed {
            Ok(Ok(tokenizer)) => tokenizer,
            Ok(Err(error)) => return Err(EngineError::model_file(&file, error)),
            Err(_) => return Err(EngineError::model_file(&file, "the tokenizer library failed on it")),
        };
        let largest = inner.get_vocab(true).into_values().max().unwrap_or(0) as usize;
        if largest >= vocabulary {
            let reason = format!("token id {largest} is outside the model's vocabulary of {vocabulary}");
            return Err(EngineError::model_file(&file, reason));
        }
        Ok(Self { inner, end_tokens: read_end_tokens(folder, vocabulary)? })
    }

    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let encoded = catch_unwind(AssertUnwindSafe(|| self.inner.encode(text, false)));
        match encoded {
            Ok(Ok(encoding)) => Ok(encoding.get_ids().to_vec()),
            Ok(Err(error)) => Err(EngineError::invalid("text", error.to_string())),
            Err(_) => Err(EngineError::invalid("text", "the tokenizer library failed on it")),
        }
    }

    pub fn decode(&self, tokens: &[u32], skip_special_tokens: bool) -> Result<String> {
        let decoded = catch_unwind(AssertUnwindSafe(|| self.inner.decode(tokens, skip_special_tokens)));
        match decoded {
            Ok(Ok(text)) => Ok(text),
            Ok(Err(error)) => Err(EngineError::invalid("tokens", error.to_string())),
            Err(_) => Err(EngineError::invalid("tokens", "the tokenizer library failed on them")),
        }
    }
}
