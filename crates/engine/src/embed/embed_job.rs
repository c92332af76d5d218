//! Embeds texts in slices, short enough that generation continues between them.

use super::embedder::Embedder;
use crate::error::{EngineError, Result};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

/// Tokens of one slice, for each thread.
const TOKENS_PER_THREAD: usize = 512;

/// An embedding request in progress.
pub struct EmbedJob {
    tokens: Vec<Vec<u32>>,
    /// Texts by descending length: similar lengths need little padding.
    order: Vec<usize>,
    done: usize,
    vectors: Vec<Vec<f32>>,
    cancel: Arc<AtomicBool>,
}

impl EmbedJob {
    /// Tokenizes the texts.
    pub fn new(embedder: &Embedder, texts: &[String], cancel: Arc<AtomicBool>) -> Result<Self> {
        let tokens = embedder.tokenize(texts)?;
        let mut order: Vec<usize> = (0..tokens.len()).collect();
        order.sort_by_key(|&text| std::cmp::Reverse(tokens[text].len()));
        Ok(Self { vectors: vec![vec![]; tokens.len()], tokens, order, done: 0, cancel })
    }

    /// Computes the next slice; true after the last.
    ///
    /// # Errors
    /// `Cancelled` once the request is cancelled, and those of `Embedder::vectors`.
    pub fn advance(&mut self, embedder: &mut Embedder) -> Result<bool> {
        if self.cancel.load(Ordering::Relaxed) {
            return Err(EngineError::Cancelled {});
        }
        let limit = TOKENS_PER_THREAD * embedder.info.threads;
        let mut tokens = 0;
        let rest = &self.order[self.done..];
        let mut fits = |&text: &usize| {
            tokens += self.tokens[text].len();
            tokens <= limit
        };
        let count = rest.iter().map_while(|text| fits(text).then_some(())).count().max(1).min(rest.len());
        let slice: Vec<&[u32]> = rest[..count].iter().map(|&text| self.tokens[text].as_slice()).collect();
        for (&text, vector) in rest[..count].iter().zip(embedder.vectors(&slice)?) {
            self.vectors[text] = vector;
        }
        self.done += count;
        Ok(self.done == self.order.len())
    }

    /// Row-major `[texts, dimension]`.
    pub fn finish(self) -> Vec<f32> {
        self.vectors.concat()
    }
}
