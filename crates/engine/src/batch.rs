//! The sequences of an update, and their division into microbatches.

use crate::error::{EngineError, Result};
use crate::model::config::DecoderConfig;
use std::ops::Range;

/// Lists of token ids, flat: list i is `flat[offsets[i]..offsets[i + 1]]`.
#[derive(Debug, Clone, Default)]
pub struct Ragged {
    pub tokens: Vec<i32>,
    pub offsets: Vec<u32>,
}

#[derive(Debug, Clone, Default)]
pub struct Batch {
    pub prompts: Ragged,
    pub sequences: Ragged,
    /// Per sequence: the index of its prompt. Sequences of one prompt are adjacent.
    pub prompt: Vec<u32>,
    /// Per sequence: the id of its rollout. Turns of one rollout are normalised together.
    pub rollout: Vec<u32>,
    /// Per sequence.
    pub advantage: Vec<f32>,
    /// Per token: 1 trains it. Empty trains all.
    pub mask: Vec<u8>,
    /// Per token: its log-probability under the behaviour policy, in nats. Empty when unknown.
    pub behaviour_logprobs: Vec<f32>,
    /// Per sequence: the optimizer step of each pass over the batch that trains on it. Empty: one step trains on all.
    pub step: Vec<u32>,
}

impl Ragged {
    pub fn lists(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    pub fn range(&self, index: usize) -> Range<usize> {
        self.offsets[index] as usize..self.offsets[index + 1] as usize
    }

    pub fn get(&self, index: usize) -> &[i32] {
        &self.tokens[self.range(index)]
    }

    fn check(&self, key: &str, vocabulary: usize) -> Result<()> {
        let ordered = self.offsets.first() == Some(&0)
            && self.offsets.is_sorted()
            && self.offsets.last().map(|&end| end as usize) == Some(self.tokens.len());
        if !ordered {
            return Err(EngineError::invalid(key, "offsets must rise from 0 to the number of tokens"));
        }
        match self.tokens.iter().find(|&&token| token < 0 || token as usize >= vocabulary) {
            None => Ok(()),
            Some(token) => {
                Err(EngineError::invalid(key, format!("token {token} is outside the vocabulary of {vocabulary}")))
            }
        }
    }
}

impl Batch {
    /// @error names the field whose length, tokens or numbers do not fit the model of `config`.
    pub fn check(&self, config: &DecoderConfig) -> Result<()> {
        self.prompts.check("prompts", config.vocab_size)?;
        self.sequences.check("sequences", config.vocab_size)?;
        let (sequences, tokens) = (self.sequences.lists(), self.sequences.tokens.len());
        let lengths = [
            ("prompt", self.prompt.len(), sequences),
            ("rollout", self.rollout.len(), sequences),
            ("advantage", self.advantage.len(), sequences),
            ("step", self.step.len(), if self.step.is_empty() { 0 } else { sequences }),
            ("mask", self.mask.len(), if self.mask.is_empty() { 0 } else { tokens }),
            (
                "behaviourLogprobs",
                self.behaviour_logprobs.len(),
                if self.behaviour_logprobs.is_empty() { 0 } else { tokens },
            ),
        ];
        if let Some((key, found, wanted)) = lengths.into_iter().find(|(_, found, wanted)| found != wanted) {
            return Err(EngineError::invalid(key, format!("{found} entries where {wanted} belong")));
        }
        (0..sequences).try_for_each(|index| self.check_sequence(index, config))?;
        for (key, values) in [("advantage", &self.advantage), ("behaviourLogprobs", &self.behaviour_logprobs)] {
            if values.iter().any(|value| !value.is_finite()) {
                return Err(EngineError::NonFinite { what: key.into() });
            }
        }
        Ok(())
    }

    fn check_sequence(&self, index: usize, config: &DecoderConfig) -> Result<()> {
        let prompt = self.prompt[index] as usize;
        if prompt >= self.prompts.lists() || self.prompts.get(prompt).is_empty() {
            return Err(EngineError::invalid(
                "prompt",
                format!("sequence {index} has no prompt of at least one token"),
            ));
        }
        if self.sequences.get(index).is_empty() {
            return Err(EngineError::invalid("sequences", format!("sequence {index} has no token")));
        }
        let length = self.prompts.get(prompt).len() + self.sequences.get(index).len();
        if length > config.context_length {
            let reason = format!("sequence {index} has {length} tokens, the context holds {}", config.context_length);
            return Err(EngineError::invalid("sequences", reason));
        }
        Ok(())
    }

    /// The position of a token of the flat sequences in its prompt and sequence together.
    pub fn position(&self, token: usize) -> usize {
        let is_in = |sequence: &usize| self.sequences.range(*sequence).contains(&token);
        let sequence = (0..self.sequences.lists()).find(is_in).unwrap_or(0);
        self.prompts.get(self.prompt[sequence] as usize).len() + token - self.sequences.range(sequence).start
    }

    /// The most tokens of a sequence with its prompt.
    pub fn longest_total(&self) -> usize {
        let total =
            |index: usize| self.prompts.get(self.prompt[index] as usize).len() + self.sequences.get(index).len();
        (0..self.sequences.lists()).map(total).max().unwrap_or(0)
    }

    pub fn trained(&self, token: usize) -> bool {
        self.mask.is_empty() || self.mask[token] != 0
    }

    /// Number of trained tokens of a sequence.
    pub fn trained_in(&self, sequence: usize) -> usize {
        self.sequences.range(sequence).filter(|&token| self.trained(token)).count()
    }

    pub fn trained_tokens(&self) -> usize {
        (0..self.sequences.tokens.len()).filter(|&token| self.trained(token)).count()
    }

    /// The flat token range of consecutive sequences.
    pub fn tokens(&self, sequences: Range<usize>) -> Range<usize> {
        self.sequences.offsets[sequences.start] as usize..self.sequences.offsets[sequences.end] as usize
    }

    /// Copies the sequences of these indices, in the order given.
    pub fn select(&self, indices: &[usize]) -> Self {
        let mut selected = Self { prompts: self.prompts.clone(), ..Self::default() };
        selected.sequences.offsets.push(0);
        for &index in indices {
            let tokens = self.sequences.range(index);
            selected.sequences.tokens.extend(&self.sequences.tokens[tokens.clone()]);
            selected.sequences.offsets.push(selected.sequences.tokens.len() as u32);
            selected.prompt.push(self.prompt[index]);
            selected.rollout.push(self.rollout[index]);
            selected.advantage.push(self.advantage[index]);
            if !self.mask.is_empty() {
                selected.mask.extend(&self.mask[tokens.clone()]);
            }
            if !self.behaviour_logprobs.is_empty() {
                selected.behaviour_logprobs.extend(&self.behaviour_logprobs[tokens]);
            }
        }
        selected
    }

    /// Ranges of consecutive sequences whose padded rows stay within `limit`; at least one sequence each.
    pub fn microbatches(&self, limit: usize) -> Vec<Range<usize>> {
        let mut ranges = Vec::new();
        let mut start = 0;
        while start < self.sequences.lists() {
            let mut end = start + 1;
            while end < self.sequences.lists() && self.padded_rows(start..end + 1) <= limit {
                end += 1;
            }
            ranges.push(start..end);
            start = end;
        }
        ranges
    }

    fn padded_rows(&self, sequences: Range<usize>) -> usize {
        let prompts = self.distinct_prompts(sequences.clone());
        prompts.len() * self.prompt_rows(&prompts) + sequences.len() * self.longest(sequences)
    }

    /// Prompts in order of use; equal neighbours are merged.
    pub(crate) fn distinct_prompts(&self, sequences: Range<usize>) -> Vec<u32> {
        let mut prompts = self.prompt[sequences].to_vec();
        prompts.dedup();
        prompts
    }

    /// Tp: the longest prompt without its last token.
    pub(crate) fn prompt_rows(&self, prompts: &[u32]) -> usize {
        prompts.iter().map(|&prompt| self.prompts.get(prompt as usize).len() - 1).max().unwrap_or(0)
    }

    pub(crate) fn longest(&self, sequences: Range<usize>) -> usize {
        sequences.map(|index| self.sequences.get(index).len()).max().unwrap_or(0)
    }
}
