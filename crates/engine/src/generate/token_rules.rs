//! Rules that penalise or ban tokens by what a completion holds so far: the logits processors of transformers 5.24.
//!
//! They shape which token is drawn, never its reported log-probability, and they depend on the prompt and the completion
//! alone.

use crate::error::{EngineError, Result};
use crate::sampler::edits::Edits;

/// The rules of a request; every field has a value that changes nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenRules {
    /// Above 1 makes tokens of the prompt and the completion less likely; 1 changes nothing.
    pub repetition_penalty: f64,
    /// No run of this many tokens occurs twice; 0 allows all.
    pub no_repeat_ngram_size: usize,
    /// Runs of tokens that do not occur.
    pub bad_words: Vec<Vec<u32>>,
    /// Tokens that are never drawn.
    pub suppressed: Vec<u32>,
    /// Tokens that are not drawn first.
    pub begin_suppressed: Vec<u32>,
    /// Tokens of a completion before one that ends it.
    pub min_new_tokens: usize,
    /// The same, of prompt and completion together.
    pub min_length: usize,
}

impl Default for TokenRules {
    fn default() -> Self {
        Self {
            repetition_penalty: 1.0,
            no_repeat_ngram_size: 0,
            bad_words: Vec::new(),
            suppressed: Vec::new(),
            begin_suppressed: Vec::new(),
            min_new_tokens: 0,
            min_length: 0,
        }
    }
}

impl TokenRules {
    pub fn is_neutral(&self) -> bool {
        *self == Self::default()
    }

    /// @error names the rule that is out of range.
    pub fn check(&self, vocabulary: usize) -> Result<()> {
        let penalty = self.repetition_penalty;
        if !(penalty.is_finite() && penalty > 0.0) {
            return Err(EngineError::invalid("repetitionPenalty", format!("{penalty} is not a number above 0")));
        }
        if self.bad_words.iter().any(Vec::is_empty) {
            return Err(EngineError::invalid("badWordsIds", "a bad word has no token"));
        }
        let words = self.bad_words.iter().flatten();
        in_vocabulary("badWordsIds", words, vocabulary)?;
        in_vocabulary("suppressTokens", self.suppressed.iter(), vocabulary)?;
        in_vocabulary("beginSuppressTokens", self.begin_suppressed.iter(), vocabulary)
    }

    /// The changes of the logits after `prompt` and `completion`. `end_tokens` end completions.
    pub fn edits(&self, prompt: &[u32], completion: &[u32], end_tokens: &[u32]) -> Edits {
        let history = [prompt, completion].concat();
        let mut banned = self.suppressed.clone();
        if completion.is_empty() {
            banned.extend(&self.begin_suppressed);
        }
        if completion.len() < self.min_new_tokens || history.len() < self.min_length {
            banned.extend(end_tokens);
        }
        banned.extend(self.bad_words.iter().filter_map(|word| completed(word, &history, end_tokens)));
        banned.extend(repeated_ends(&history, self.no_repeat_ngram_size));
        let mut repeated = Vec::new();
        if self.repetition_penalty != 1.0 {
            repeated = history;
            repeated.sort_unstable();
            repeated.dedup();
        }
        Edits { penalty: self.repetition_penalty as f32, repeated, banned }
    }
}

/// @error for a token that the model does not have: the rule could never apply.
pub fn in_vocabulary<'a>(key: &str, mut tokens: impl Iterator<Item = &'a u32>, vocabulary: usize) -> Result<()> {
    match tokens.find(|&&token| token as usize >= vocabulary) {
        None => Ok(()),
        Some(token) => {
            Err(EngineError::invalid(key, format!("token {token} is outside the vocabulary of {vocabulary}")))
        }
    }
}

/// The last token of a bad word whose other tokens end the history. A word that is one end token is not bad: without it no
/// completion would end.
fn completed(word: &[u32], history: &[u32], end_tokens: &[u32]) -> Option<u32> {
    let (last, before) = word.split_last()?;
    let is_end = before.is_empty() && end_tokens.contains(last);
    (!is_end && history.ends_with(before)).then_some(*last)
}

/// The tokens that would repeat a run of `size` tokens.
fn repeated_ends(history: &[u32], size: usize) -> Vec<u32> {
    if size == 0 || history.len() + 1 < size {
        return Vec::new();
    }
    let start = &history[history.len() + 1 - size..];
    history.windows(size).filter(|run| run.starts_with(start)).map(|run| run[size - 1]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn banned(rules: TokenRules, prompt: &[u32], completion: &[u32]) -> Vec<u32> {
        let mut banned = rules.edits(prompt, completion, &[2]).banned;
        banned.sort_unstable();
        banned.dedup();
        banned
    }

    #[test]
    fn runs_that_would_repeat_are_banned_across_the_prompt() {
        let rules = |size| TokenRules { no_repeat_ngram_size: size, ..TokenRules::default() };
        assert_eq!(banned(rules(2), &[5, 6, 5], &[]), [6]);
        assert_eq!(banned(rules(3), &[5, 6, 7, 8], &[5, 6]), [7]);
        assert_eq!(banned(rules(1), &[5], &[6, 5]), [5, 6]);
        assert_eq!(banned(rules(5), &[5, 6], &[]), [] as [u32; 0]);
    }

    #[test]
    fn the_last_token_of_a_bad_word_is_banned_after_its_others() {
        let rules = || TokenRules { bad_words: vec![vec![9], vec![5, 6], vec![2]], ..TokenRules::default() };
        assert_eq!(banned(rules(), &[1], &[5]), [6, 9]);
        assert_eq!(banned(rules(), &[5], &[1]), [9]);
    }

    #[test]
    fn end_tokens_are_banned_before_the_least_length() {
        let rules = |min_new_tokens, min_length| TokenRules { min_new_tokens, min_length, ..TokenRules::default() };
        assert_eq!(banned(rules(2, 0), &[5, 6, 7], &[8]), [2]);
        assert_eq!(banned(rules(2, 0), &[5, 6, 7], &[8, 9]), [] as [u32; 0]);
        assert_eq!(banned(rules(0, 5), &[5, 6, 7], &[8]), [2]);
        assert_eq!(banned(rules(0, 4), &[5, 6, 7], &[8]), [] as [u32; 0]);
    }

    #[test]
    fn a_token_is_penalised_once_by_the_sign_of_its_logit() {
        let rules = TokenRules { repetition_penalty: 2.0, ..TokenRules::default() };
        let mut logits = [1.0, -1.0, 4.0, 3.0];
        rules.edits(&[0, 1, 0], &[2], &[]).apply(&mut logits);
        assert_eq!(logits, [0.5, -2.0, 2.0, 3.0]);
    }
}
