//! Ids of a conversation that a chat template has rendered to one text.
//!
//! Two marks, characters that occur nowhere in the conversation, say what text alone cannot:
//! - a *guard* stands inside every special token that a message spells out, so that it is found as text, not as a token;
//!   it is taken out after special tokens have been found and before anything else looks at the text;
//! - a *splice* stands where the ids of an assistant turn go as they were generated.

use super::Tokenizer;
use crate::error::{EngineError, Result};
use std::collections::HashSet;
use tokenizers::tokenizer::pre_tokenizer::PreTokenizedString;
use tokenizers::{Model, OffsetReferential, OffsetType, PreTokenizer, Token};

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

/// Guards that one text may need; each pass over it sets one for every special token found.
const MOST_PASSES: usize = 64;

impl Tokenizer {
    /// The text with a guard inside everything that would be found as one of the `control` tokens.
    pub fn guard(&self, text: &str, control: &HashSet<u32>, guard: char) -> Result<String> {
        let mut text = text.to_string();
        for _ in 0..MOST_PASSES {
            let found = self.guarded("messages", || Ok(self.find(&text, control)))?;
            if found.is_empty() {
                return Ok(text);
            }
            // From the back, so that earlier places stay where they are.
            found.iter().rev().for_each(|&place| text.insert(place, guard));
        }
        Err(self.fails("messages", "a special token in a message cannot be kept as text"))
    }

    /// Places behind the first character of every control token in the text.
    fn find(&self, text: &str, control: &HashSet<u32>) -> Vec<usize> {
        let added = self.inner.get_added_vocabulary();
        let pieces = added.extract_and_normalize(self.inner.get_normalizer(), text);
        let splits = pieces.get_splits(OffsetReferential::Original, OffsetType::Byte);
        let found = splits.iter().filter_map(|(_, (start, end), tokens)| {
            let is_control = tokens.iter().flatten().any(|token| control.contains(&token.id));
            is_control.then(|| behind_first_character(text, *start, *end))
        });
        found.collect()
    }

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

    /// A section behind a splice is no beginning of a text: it is encoded as what follows a special token, so that
    /// nothing is put in front of it.
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

    /// A special token that takes nothing of the text around it.
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

    /// As the library encodes, but that the guards are taken out behind the search for added tokens.
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

    /// Models whose own vocabulary holds special tokens (unigram, word level) find them in text too: such a find is
    /// taken apart behind its first character.
    fn tokenize_as_text(&self, text: &str) -> tokenizers::Result<Vec<Token>> {
        let mut tokens = Vec::new();
        let mut rest = text;
        loop {
            let found = self.inner.get_model().tokenize(rest)?;
            let Some(spelt) = found.iter().find(|token| self.is_spelt_special(token, rest)) else {
                tokens.extend(found);
                return Ok(tokens);
            };
            let (start, end) = spelt.offsets;
            let (first, later) = rest.split_at(behind_first_character(rest, start, end));
            let found = self.inner.get_model().tokenize(first)?;
            if later.is_empty() || found.iter().any(|token| self.is_spelt_special(token, first)) {
                return Err("a special token in a message cannot be kept as text".into());
            }
            tokens.extend(found);
            rest = later;
        }
    }

    /// The unknown token stands for other text, never for its own name.
    fn is_spelt_special(&self, token: &Token, text: &str) -> bool {
        let added = self.inner.get_added_vocabulary();
        added.is_special_token(&token.value) && text.get(token.offsets.0..token.offsets.1) == Some(&token.value)
    }

    fn fails(&self, key: &str, reason: &str) -> EngineError {
        EngineError::Tokenizer { file: self.file.display().to_string(), key: key.into(), reason: reason.into() }
    }
}

/// Added tokens may take white space around them: behind the first character that is none.
fn behind_first_character(text: &str, start: usize, end: usize) -> usize {
    let spelt = text[start..end].trim_start();
    let begin = if spelt.is_empty() { start } else { end - spelt.len() };
    begin + text[begin..].chars().next().map_or(0, char::len_utf8)
}
