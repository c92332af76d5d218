//! Token ids of a conversation that a chat template rendered to one text.
//!
//! Two marks, characters that occur nowhere in the conversation, carry what the text alone cannot:
//! - a *guard* inside every special token that a message spells out keeps it text instead of a token; it is removed after
//!   special tokens are matched and before any other step;
//! - a *splice* marks where the generated ids of an assistant turn are inserted unchanged.

use super::Tokenizer;
use crate::error::{EngineError, Result};
use std::collections::HashSet;
use tokenizers::tokenizer::pre_tokenizer::PreTokenizedString;
use tokenizers::{Model, OffsetReferential, OffsetType, PreTokenizer, Token};

/// The two mark characters of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marks {
    pub guard: char,
    pub splice: char,
}

/// A rendered conversation: its text with marks, and the ids that replace its splices, in order.
pub struct Rendered {
    pub text: String,
    pub marks: Marks,
    pub splices: Vec<Vec<u32>>,
}

/// Passes over a text; each inserts a guard into every special token that is left.
const MOST_PASSES: usize = 64;

impl Tokenizer {
    /// Inserts a guard into every occurrence of one of the `control` tokens.
    ///
    /// # Errors
    /// `Tokenizer` where guards do not keep a special token text.
    pub fn guard(&self, text: &str, control: &HashSet<u32>, guard: char) -> Result<String> {
        let mut text = text.to_string();
        for _ in 0..MOST_PASSES {
            let places = self.guarded("messages", || Ok(self.find(&text, control)))?;
            if places.is_empty() {
                return Ok(text);
            }
            // From the end, so that earlier places stay valid.
            places.iter().rev().for_each(|&place| text.insert(place, guard));
        }
        Err(self.fails("messages", "a special token in a message cannot be kept as text"))
    }

    /// Byte positions after the first character of every control token in the text.
    fn find(&self, text: &str, control: &HashSet<u32>) -> Vec<usize> {
        let added = self.inner.get_added_vocabulary();
        let pieces = added.extract_and_normalize(self.inner.get_normalizer(), text);
        let splits = pieces.get_splits(OffsetReferential::Original, OffsetType::Byte);
        let places = splits.iter().filter_map(|(_, (start, end), tokens)| {
            let is_control = tokens.iter().flatten().any(|token| control.contains(&token.id));
            is_control.then(|| after_first_character(text, *start, *end))
        });
        places.collect()
    }

    /// Ids of a rendered conversation, with the splices in place.
    ///
    /// # Errors
    /// `Tokenizer` where the template repeats or drops an assistant turn.
    pub fn encode_rendered(&self, rendered: &Rendered) -> Result<Vec<u32>> {
        let Rendered { text, marks, splices } = rendered;
        let sections: Vec<&str> = text.split(marks.splice).collect();
        if sections.len() != splices.len() + 1 {
            return Err(self.fails("messages", "the chat template repeats or drops an assistant turn"));
        }
        let mut ids = self.encode_section(sections[0], marks.guard)?;
        for (splice, section) in splices.iter().zip(&sections[1..]) {
            ids.extend(splice);
            ids.extend(self.encode_later_section(section, marks.guard)?);
        }
        Ok(ids)
    }

    /// A section after a splice does not begin the text: it is encoded after a special token, so that the tokenizer
    /// prepends nothing.
    fn encode_later_section(&self, section: &str, guard: char) -> Result<Vec<u32>> {
        if section.is_empty() {
            return Ok(Vec::new());
        }
        let Some((anchor, content)) = self.anchor() else { return self.encode_section(section, guard) };
        let ids = self.encode_section(&format!("{content}{section}"), guard)?;
        match ids.split_first() {
            Some((&first, rest)) if first == anchor => Ok(rest.to_vec()),
            _ => self.encode_section(section, guard),
        }
    }

    /// A special token that leaves the text around it unchanged.
    fn anchor(&self) -> Option<(u32, &str)> {
        let decoder = self.inner.get_added_vocabulary().get_added_tokens_decoder();
        let plain = decoder.iter().filter(|(_, token)| {
            token.special && !token.lstrip && !token.rstrip && !token.single_word && !token.normalized
        });
        plain.map(|(&id, token)| (id, token.content.as_str())).min()
    }

    fn encode_section(&self, text: &str, guard: char) -> Result<Vec<u32>> {
        if !text.contains(guard) {
            return self.encode(text);
        }
        self.guarded("messages", || self.encode_without_guards(text, guard))
    }

    /// Encodes as the library does, and removes the guards after added tokens are matched.
    fn encode_without_guards(&self, text: &str, guard: char) -> tokenizers::Result<Vec<u32>> {
        let added = self.inner.get_added_vocabulary();
        let mut pieces: PreTokenizedString = added.extract_and_normalize(self.inner.get_normalizer(), text);
        pieces.normalize(|piece| {
            piece.filter(|character| character != guard);
            Ok(())
        })?;
        if let Some(pre_tokenizer) = self.inner.get_pre_tokenizer() {
            pre_tokenizer.pre_tokenize(&mut pieces)?;
        }
        pieces.tokenize(|piece| self.tokenize_as_text(piece.get()))?;
        Ok(pieces.into_encoding(None, 0, OffsetType::None)?.get_ids().to_vec())
    }

    /// Models whose vocabulary holds special tokens (unigram, word level) match them in text too: such a match is split
    /// after its first character.
    fn tokenize_as_text(&self, text: &str) -> tokenizers::Result<Vec<Token>> {
        let mut tokens = Vec::new();
        let mut rest = text;
        loop {
            let pieces = self.inner.get_model().tokenize(rest)?;
            let Some(special) = pieces.iter().find(|token| self.spells_special(token, rest)) else {
                tokens.extend(pieces);
                return Ok(tokens);
            };
            let (start, end) = special.offsets;
            let (first, later) = rest.split_at(after_first_character(rest, start, end));
            let pieces = self.inner.get_model().tokenize(first)?;
            if later.is_empty() || pieces.iter().any(|token| self.spells_special(token, first)) {
                return Err("a special token in a message cannot be kept as text".into());
            }
            tokens.extend(pieces);
            rest = later;
        }
    }

    /// Whether a token is special and its text spells its name; the unknown token's text never does.
    fn spells_special(&self, token: &Token, text: &str) -> bool {
        let added = self.inner.get_added_vocabulary();
        added.is_special_token(&token.value) && text.get(token.offsets.0..token.offsets.1) == Some(&token.value)
    }

    fn fails(&self, key: &str, reason: &str) -> EngineError {
        EngineError::Tokenizer { file: self.file.display().to_string(), key: key.into(), reason: reason.into() }
    }
}

/// The position after the first character that is not white space: added tokens may include white space around them.
fn after_first_character(text: &str, start: usize, end: usize) -> usize {
    let trimmed = text[start..end].trim_start();
    let begin = if trimmed.is_empty() { start } else { end - trimmed.len() };
    begin + text[begin..].chars().next().map_or(0, char::len_utf8)
}
