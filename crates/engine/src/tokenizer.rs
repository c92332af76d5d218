//! Text to token ids and back, and the ids and texts that end a completion.

pub mod config_keys;
pub mod end_tokens;
pub mod files;
pub mod growth;
pub mod rendered;
pub mod stop;
pub mod stream;
pub mod worker;

use crate::error::{EngineError, Result};
use crate::io::notices::{names, Notices};
use crate::io::read_file::read_bounded;
use end_tokens::read_end_tokens;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::{Path, PathBuf};

/// Bytes of tokenizer.json; real files are below 40 MB.
pub const MAX_TOKENIZER: u64 = 256 << 20;

/// The tokenizer of a model folder.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    file: PathBuf,
    /// `eos_token_id`: ids that end a completion.
    pub end_tokens: Vec<u32>,
}

/// A token added to the model's vocabulary; it is matched in text before any other step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddedToken {
    pub id: u32,
    pub content: String,
    /// Omitted from decoded text.
    pub special: bool,
    /// Matched in normalised text, so that other spellings may match too.
    pub normalized: bool,
}

impl Tokenizer {
    /// # Errors
    /// `ModelFileMissing`, or `ModelFile` for a tokenizer.json that is malformed or multiplies texts. Ids outside the model's
    /// `vocabulary` are noted: an error follows where one is used.
    pub fn load(folder: &Path, vocabulary: usize, notices: &mut Notices) -> Result<Self> {
        let file = folder.join("tokenizer.json");
        let mut inner = parse(&file, &read_bounded(folder, "tokenizer.json", MAX_TOKENIZER)?)?;
        // Truncation and padding settings serve the training of encoders.
        let _ = inner.with_truncation(None);
        inner.with_padding(None);
        let vocab = inner.get_vocab(true);
        growth::check_tokens(&vocab).map_err(|reason| EngineError::model_file(&file, reason))?;
        note_beyond(&file, &vocab, vocabulary, notices);
        config_keys::check_config(folder, notices)?;
        Ok(Self { inner, file, end_tokens: read_end_tokens(folder, vocabulary)? })
    }

    /// Ids of a text; special tokens in it are parsed, none are added.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        self.guarded("text", || Ok(self.inner.encode_fast(text, false)?.get_ids().to_vec()))
    }

    /// Ids of a text with the special tokens that the tokenizer's post-processor puts around it, as transformers'
    /// `tokenizer(text)`. Those that the text itself begins or ends with are not added again.
    pub fn encode_prompt(&self, text: &str) -> Result<Vec<u32>> {
        self.guarded("text", || Ok(without_doubles(&self.inner.encode_fast(text, true)?)))
    }

    pub fn decode(&self, tokens: &[u32], skip_special_tokens: bool) -> Result<String> {
        self.guarded("tokens", || self.inner.decode(tokens, skip_special_tokens))
    }

    pub fn added_tokens(&self) -> Vec<AddedToken> {
        let decoder = self.inner.get_added_vocabulary().get_added_tokens_decoder();
        let mut tokens: Vec<_> = decoder.iter().map(|(&id, token)| self.added_token(id, token)).collect();
        tokens.sort_by_key(|token| token.id);
        tokens
    }

    fn added_token(&self, id: u32, token: &tokenizers::AddedToken) -> AddedToken {
        let normalized = token.normalized && self.inner.get_normalizer().is_some();
        AddedToken { id, content: token.content.clone(), special: token.special, normalized }
    }

    /// Turns a panic of the tokenizer library into an error: it panics on some files and texts.
    fn guarded<T>(&self, key: &str, body: impl FnOnce() -> tokenizers::Result<T>) -> Result<T> {
        let reason = match catch_unwind(AssertUnwindSafe(body)) {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the tokenizer library failed on it".to_string(),
        };
        Err(EngineError::Tokenizer { file: self.file.display().to_string(), key: key.into(), reason })
    }
}

/// Notes the tokens whose ids the model has no embedding for.
pub(crate) fn note_beyond(
    file: &Path,
    vocab: &std::collections::HashMap<String, u32>,
    vocabulary: usize,
    notices: &mut Notices,
) {
    let mut beyond: Vec<(u32, &str)> =
        vocab.iter().map(|(token, &id)| (id, token.as_str())).filter(|(id, _)| *id as usize >= vocabulary).collect();
    if beyond.is_empty() {
        return;
    }
    beyond.sort_unstable();
    let tokens: Vec<&str> = beyond.into_iter().map(|(_, token)| token).collect();
    let file = file.display();
    notices.add(format!(
        "`{file}`: outside the model's vocabulary of {vocabulary}, so that no text may hold them: {}",
        names(&tokens)
    ));
}

/// The ids of an encoding. The mask of the library marks the tokens that the post-processor added.
fn without_doubles(encoding: &tokenizers::Encoding) -> Vec<u32> {
    let (ids, mask) = (encoding.get_ids(), encoding.get_special_tokens_mask());
    let is_added = |&&added: &&u32| added == 1;
    let before = mask.iter().take_while(is_added).count();
    let after = mask[before..].iter().rev().take_while(is_added).count();
    let (prefix, rest) = ids.split_at(before);
    let (text, suffix) = rest.split_at(rest.len() - after);
    let prefix = if text.starts_with(prefix) { &[] } else { prefix };
    let suffix = if text.ends_with(suffix) { &[] } else { suffix };
    [prefix, text, suffix].concat()
}

/// Parses a tokenizer.json, refused where it could multiply a text without bound.
pub(crate) fn parse(file: &Path, bytes: &[u8]) -> Result<tokenizers::Tokenizer> {
    growth::check_growth(bytes).map_err(|reason| EngineError::model_file(file, reason))?;
    // The library panics on some malformed files instead of returning an error.
    match catch_unwind(|| tokenizers::Tokenizer::from_bytes(bytes)) {
        Ok(parsed) => parsed.map_err(|error| EngineError::model_file(file, error)),
        Err(_) => Err(EngineError::model_file(file, "the tokenizer library failed on it")),
    }
}
