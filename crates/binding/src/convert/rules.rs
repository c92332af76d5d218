//! The rules of generated tokens.

use super::checked::{ids, whole, Keys};
use exit_rl_engine::error::Result;
use exit_rl_engine::generate::token_rules;
use napi_derive::napi;

/// Rules that penalise or ban tokens, as generation_config.json has them.
#[napi(object)]
pub struct TokenRules {
    /// 1 changes nothing.
    pub repetition_penalty: f64,
    /// 0 allows all.
    pub no_repeat_ngram_size: f64,
    pub bad_words_ids: Vec<Vec<f64>>,
    pub suppress_tokens: Vec<f64>,
    pub begin_suppress_tokens: Vec<f64>,
    pub min_new_tokens: f64,
    /// Of prompt and completion together.
    pub min_length: f64,
}

impl Keys for TokenRules {
    const KEYS: &'static [&'static str] = &[
        "repetitionPenalty",
        "noRepeatNgramSize",
        "badWordsIds",
        "suppressTokens",
        "beginSuppressTokens",
        "minNewTokens",
        "minLength",
    ];
}

impl TokenRules {
    pub fn into_engine(self) -> Result<token_rules::TokenRules> {
        let words = self.bad_words_ids.iter().enumerate();
        Ok(token_rules::TokenRules {
            repetition_penalty: self.repetition_penalty,
            no_repeat_ngram_size: whole::<u32>("noRepeatNgramSize", self.no_repeat_ngram_size)? as usize,
            bad_words: words.map(|(at, word)| ids(&format!("badWordsIds[{at}]"), word)).collect::<Result<_>>()?,
            suppressed: ids("suppressTokens", &self.suppress_tokens)?,
            begin_suppressed: ids("beginSuppressTokens", &self.begin_suppress_tokens)?,
            min_new_tokens: whole::<u32>("minNewTokens", self.min_new_tokens)? as usize,
            min_length: whole::<u32>("minLength", self.min_length)? as usize,
        })
    }
}

impl From<&token_rules::TokenRules> for TokenRules {
    fn from(rules: &token_rules::TokenRules) -> Self {
        let numbers = |ids: &[u32]| ids.iter().map(|&id| f64::from(id)).collect();
        Self {
            repetition_penalty: rules.repetition_penalty,
            no_repeat_ngram_size: rules.no_repeat_ngram_size as f64,
            bad_words_ids: rules.bad_words.iter().map(|word| numbers(word)).collect(),
            suppress_tokens: numbers(&rules.suppressed),
            begin_suppress_tokens: numbers(&rules.begin_suppressed),
            min_new_tokens: rules.min_new_tokens as f64,
            min_length: rules.min_length as f64,
        }
    }
}
