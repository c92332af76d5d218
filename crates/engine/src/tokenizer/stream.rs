//! Text of a completion as it grows, never a part of a character.
//!
//! What has been said stays said: the pieces together are the beginning of the decoded whole. A piece is held back while
//! later tokens may still change it: bytes that end in the middle of a character, and a run of SentencePiece's byte
//! tokens, of which one bad byte spoils all.

use super::Tokenizer;
use crate::error::Result;

const REPLACEMENT: char = '\u{FFFD}';

#[derive(Debug, Default)]
pub struct TextStream {
    /// The last tokens whose text is out, as context, then those that are held back.
    window: Vec<u32>,
    said: usize,
    /// Held-back tokens at which it is worth looking again.
    retry_at: usize,
}

impl TextStream {
    /// Takes tokens in; what of the text has become final.
    pub fn push(&mut self, tokenizer: &Tokenizer, tokens: &[u32]) -> Result<String> {
        self.window.extend(tokens.iter().filter(|&&id| tokenizer.is_spoken(id)));
        let end = self.window.len() - tokenizer.trailing_bytes(&self.window[self.said..]);
        if end <= self.said || self.window.len() - self.said < self.retry_at {
            return Ok(String::new());
        }
        let text = tokenizer.decode(&self.window[..end], true)?;
        let context = tokenizer.decode(&self.window[..self.said], true)?;
        match text.strip_prefix(&context) {
            Some(fresh) if !fresh.is_empty() && !fresh.ends_with(REPLACEMENT) => {
                let fresh = fresh.to_string();
                self.advance(tokenizer, end)?;
                Ok(fresh)
            }
            _ => {
                let held = self.window.len() - self.said;
                self.retry_at = held + 1 + held / 8;
                Ok(String::new())
            }
        }
    }

    /// The text of what is held back, as it stands if nothing follows.
    pub fn pending(&self, tokenizer: &Tokenizer) -> Result<String> {
        if self.said == self.window.len() {
            return Ok(String::new());
        }
        let text = tokenizer.decode(&self.window, true)?;
        let context = tokenizer.decode(&self.window[..self.said], true)?;
        Ok(text.strip_prefix(&context).unwrap_or_default().to_string())
    }

    /// What was just said becomes the context. It must have a text of its own: a decoder that strips the beginning of a
    /// text would else strip what follows.
    fn advance(&mut self, tokenizer: &Tokenizer, end: usize) -> Result<()> {
        if !tokenizer.decode(&self.window[self.said..end], true)?.is_empty() {
            self.window.drain(..self.said);
            self.said = end - self.said;
        } else {
            self.said = end;
        }
        self.retry_at = 0;
        Ok(())
    }
}

impl Tokenizer {
    /// False for what a decoded text leaves out: special tokens, and ids between the vocabulary and the model's padded one.
    fn is_spoken(&self, id: u32) -> bool {
        let decoder = self.inner.get_added_vocabulary().get_added_tokens_decoder();
        !decoder.get(&id).is_some_and(|token| token.special) && self.inner.id_to_token(id).is_some()
    }

    /// How many tokens at the end are bytes like `<0xE4>`.
    fn trailing_bytes(&self, tokens: &[u32]) -> usize {
        tokens.iter().rev().take_while(|&&id| self.inner.id_to_token(id).is_some_and(|token| is_byte(&token))).count()
    }
}

fn is_byte(token: &str) -> bool {
    token.len() == 6 && token.starts_with("<0x") && token.ends_with('>') && u8::from_str_radix(&token[3..5], 16).is_ok()
}
