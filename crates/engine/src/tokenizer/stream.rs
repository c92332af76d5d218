//! Streams the text of a completion in whole characters.
//!
//! Emitted text is final: the pieces together are a prefix of the decoded whole. Text is held back while later tokens may
//! change it: bytes that end inside a character, and a run of SentencePiece's byte tokens, which one invalid byte changes
//! altogether.

use super::Tokenizer;
use crate::error::Result;

const REPLACEMENT: char = '\u{FFFD}';

/// The text stream of one completion.
#[derive(Debug, Default)]
pub struct TextStream {
    /// The last tokens whose text was emitted, as context, then those held back.
    tokens: Vec<u32>,
    /// Tokens of the context.
    emitted: usize,
    /// Held-back tokens at which decoding is tried again.
    retry_at: usize,
}

impl TextStream {
    /// Appends tokens; returns the text that became final.
    pub fn push(&mut self, tokenizer: &Tokenizer, tokens: &[u32]) -> Result<String> {
        self.tokens.extend(tokens.iter().filter(|&&id| tokenizer.is_decoded(id)));
        let end = self.tokens.len() - tokenizer.trailing_bytes(&self.tokens[self.emitted..]);
        if end <= self.emitted || self.tokens.len() - self.emitted < self.retry_at {
            return Ok(String::new());
        }
        let text = tokenizer.decode(&self.tokens[..end], true)?;
        let context = tokenizer.decode(&self.tokens[..self.emitted], true)?;
        match text.strip_prefix(&context) {
            Some(fresh) if !fresh.is_empty() && !fresh.ends_with(REPLACEMENT) => {
                let fresh = fresh.to_string();
                self.advance(tokenizer, end)?;
                Ok(fresh)
            }
            _ => {
                let held = self.tokens.len() - self.emitted;
                self.retry_at = held + 1 + held / 8;
                Ok(String::new())
            }
        }
    }

    /// The text of the held-back tokens if no token follows.
    pub fn pending(&self, tokenizer: &Tokenizer) -> Result<String> {
        if self.emitted == self.tokens.len() {
            return Ok(String::new());
        }
        let text = tokenizer.decode(&self.tokens, true)?;
        let context = tokenizer.decode(&self.tokens[..self.emitted], true)?;
        Ok(text.strip_prefix(&context).unwrap_or_default().to_string())
    }

    /// Makes the tokens just emitted the context. A context needs a text: a decoder that strips the beginning of a text
    /// would otherwise strip the text that follows.
    fn advance(&mut self, tokenizer: &Tokenizer, end: usize) -> Result<()> {
        if !tokenizer.decode(&self.tokens[self.emitted..end], true)?.is_empty() {
            self.tokens.drain(..self.emitted);
            self.emitted = end - self.emitted;
        } else {
            self.emitted = end;
        }
        self.retry_at = 0;
        Ok(())
    }
}

impl Tokenizer {
    /// False for ids that decoding omits: special tokens, and ids between the vocabulary and the model's padded one.
    fn is_decoded(&self, id: u32) -> bool {
        let decoder = self.inner.get_added_vocabulary().get_added_tokens_decoder();
        !decoder.get(&id).is_some_and(|token| token.special) && self.inner.id_to_token(id).is_some()
    }

    /// The number of byte tokens such as `<0xE4>` at the end.
    fn trailing_bytes(&self, tokens: &[u32]) -> usize {
        tokens.iter().rev().take_while(|&&id| self.inner.id_to_token(id).is_some_and(|token| is_byte(&token))).count()
    }
}

fn is_byte(token: &str) -> bool {
    token.len() == 6 && token.starts_with("<0x") && token.ends_with('>') && u8::from_str_radix(&token[3..5], 16).is_ok()
}
