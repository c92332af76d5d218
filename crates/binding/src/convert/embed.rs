//! Options and facts of embedders.

use super::checked::{positive, whole, Keys};
use super::load::{backend, dtype, dtype_name};
use super::unknown;
use exit_rl_engine::embed::embedder;
use exit_rl_engine::embed::ngram::{NgramUnit, Ngrams};
use exit_rl_engine::error::Result;
use napi_derive::napi;

#[napi(object, object_to_js = false)]
pub struct NgramOptions {
    /// `word` or `character`.
    pub unit: String,
    pub minimum: f64,
    pub maximum: f64,
    pub dimension: f64,
}

impl Keys for NgramOptions {
    const KEYS: &'static [&'static str] = &["unit", "minimum", "maximum", "dimension"];
}

impl NgramOptions {
    pub fn into_engine(self) -> Result<Ngrams> {
        let unit = match self.unit.as_str() {
            "word" => NgramUnit::Word,
            "character" => NgramUnit::Character,
            other => return Err(unknown("unit", other, "word and character")),
        };
        let ngrams = Ngrams {
            unit,
            minimum: whole::<u32>("minimum", self.minimum)? as usize,
            maximum: whole::<u32>("maximum", self.maximum)? as usize,
            dimension: whole::<u32>("dimension", self.dimension)? as usize,
        };
        ngrams.check()?;
        Ok(ngrams)
    }
}

#[napi(object, object_to_js = false)]
pub struct EmbedderOptions {
    /// `auto`, `cpu`, `cuda` or `cuda:N`.
    pub device: String,
    /// `fp32` or `bf16`.
    pub dtype: String,
    /// 0: one per core.
    pub threads: f64,
    /// `auto`, `kernels` (fp32 on the CPU) or `torch`.
    pub backend: String,
    /// A prefix of every text; overrides `promptName`.
    pub prompt: Option<String>,
    /// The name of one of the folder's prompts.
    pub prompt_name: Option<String>,
    /// Truncates texts to fewer tokens than the folder's limit.
    pub max_tokens: Option<f64>,
}

#[napi(object)]
pub struct EmbedderInfo {
    pub dimension: u32,
    /// Longer texts are truncated to this number of tokens.
    pub max_tokens: u32,
    /// The prefix of every text.
    pub prompt: String,
    pub device: String,
    pub dtype: String,
    /// `avx512`, `avx2`, `portable` or `torch`.
    pub backend: String,
    pub threads: u32,
    /// One line for each thing that the folder holds and nobody reads.
    pub notices: Vec<String>,
}

impl Keys for EmbedderOptions {
    const KEYS: &'static [&'static str] =
        &["device", "dtype", "threads", "backend", "prompt", "promptName", "maxTokens"];
}

impl EmbedderOptions {
    pub fn into_engine(self) -> Result<embedder::EmbedderOptions> {
        let max_tokens = self.max_tokens.map(|tokens| positive::<u32>("maxTokens", tokens)).transpose()?;
        Ok(embedder::EmbedderOptions {
            dtype: dtype("dtype", &self.dtype)?,
            backend: backend(&self.backend)?,
            device: self.device,
            threads: whole::<u32>("threads", self.threads)? as usize,
            prompt: self.prompt,
            prompt_name: self.prompt_name,
            max_tokens: max_tokens.map(|tokens| tokens as usize),
        })
    }
}

impl From<&embedder::EmbedderInfo> for EmbedderInfo {
    fn from(info: &embedder::EmbedderInfo) -> Self {
        Self {
            dimension: info.dimension as u32,
            max_tokens: info.max_tokens as u32,
            prompt: info.prompt.clone(),
            device: info.device.clone(),
            dtype: dtype_name(info.dtype),
            backend: info.backend.into(),
            threads: info.threads as u32,
            notices: info.notices.clone(),
        }
    }
}
