//! Pools the hidden states of a text's tokens into one vector, as sentence-transformers' Pooling does.

use super::json_file::{flag_or, refuse_other_keys, JsonFile};
use crate::error::{EngineError, Result};
use crate::io::config_fields::ConfigFields;
use serde_json::Value;

/// How hidden states h_t become one vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolingMode {
    Cls,
    Max,
    Mean,
    /// Σ h_t / √n.
    MeanSqrtLength,
    /// Σ t·h_t / Σ t with t = 1 at the text's first token.
    WeightedMean,
    LastToken,
}

/// Settings of the pooling.
#[derive(Debug, Clone, PartialEq)]
pub struct Pooling {
    /// The vectors of several modes are concatenated in this order.
    pub modes: Vec<PoolingMode>,
    /// False excludes the tokens of the prompt.
    pub include_prompt: bool,
}

use PoolingMode::{Cls, LastToken, Max, Mean, MeanSqrtLength, WeightedMean};

/// (name since sentence-transformers 5.4, flag before it, mode) in the order of concatenation.
const NAMES: [(&str, &str, PoolingMode); 6] = [
    ("cls", "pooling_mode_cls_token", Cls),
    ("max", "pooling_mode_max_tokens", Max),
    ("mean", "pooling_mode_mean_tokens", Mean),
    ("mean_sqrt_len_tokens", "pooling_mode_mean_sqrt_len_tokens", MeanSqrtLength),
    ("weightedmean", "pooling_mode_weightedmean_tokens", WeightedMean),
    ("lasttoken", "pooling_mode_lasttoken", LastToken),
];

const MODE_NAMES: &str = "cls, max, mean, mean_sqrt_len_tokens, weightedmean and lasttoken";

impl Pooling {
    pub fn of(mode: PoolingMode) -> Self {
        Self { modes: vec![mode], include_prompt: true }
    }

    /// The mode of this name (since sentence-transformers 5.4).
    ///
    /// # Errors
    /// `pooling` for an unknown name.
    pub fn named(name: &str) -> Result<Self> {
        let mode = NAMES.iter().find(|(known, _, _)| name == *known).map(|&(_, _, mode)| Self::of(mode));
        mode.ok_or_else(|| EngineError::invalid("pooling", format!("`{name}` is none of {MODE_NAMES}")))
    }

    pub fn parse(json: &JsonFile, width: usize) -> Result<Self> {
        let flags = NAMES.map(|(_, flag, _)| flag);
        let known = ["embedding_dimension", "word_embedding_dimension", "pooling_mode", "include_prompt"];
        let json = &json.fields()?;
        refuse_other_keys(json, &[&known[..], &flags[..]].concat())?;
        for key in ["embedding_dimension", "word_embedding_dimension"] {
            if json.size(key)?.is_some_and(|size| size != width) {
                return Err(json.unsupported(key, &format!("the model's width of {width}")));
            }
        }
        Ok(Self { modes: modes(json)?, include_prompt: flag_or(json, "include_prompt", true)? })
    }

    /// Width of the pooled vector.
    pub fn outputs(&self, width: usize) -> usize {
        self.modes.len() * width
    }

    /// Pools `states` `[tokens, width]`, of which the first `prompt` tokens are the prompt. A text without tokens gives zeros.
    pub fn pool(&self, states: &[f32], width: usize, prompt: usize) -> Vec<f32> {
        let skipped = if self.include_prompt { 0 } else { prompt.min(states.len() / width) };
        self.modes.iter().flat_map(|mode| mode.pool(states, width, skipped)).collect()
    }
}

/// `pooling_mode`, a name or a list; before 5.4 one flag a mode; the mean without either.
fn modes(json: &ConfigFields) -> Result<Vec<PoolingMode>> {
    let named = |name: &Value| {
        let mode = NAMES.iter().find(|(known, _, _)| name == known).map(|&(_, _, mode)| mode);
        mode.ok_or_else(|| json.unsupported("pooling_mode", MODE_NAMES))
    };
    match json.get("pooling_mode") {
        Some(Value::Array(names)) if !names.is_empty() => names.iter().map(named).collect(),
        Some(name) => Ok(vec![named(name)?]),
        None => {
            let mut modes = Vec::new();
            for (_, flag, mode) in NAMES {
                modes.extend(json.flag(flag)?.then_some(mode));
            }
            Ok(if modes.is_empty() { vec![Mean] } else { modes })
        }
    }
}

impl PoolingMode {
    fn pool(self, states: &[f32], width: usize, skipped: usize) -> Vec<f32> {
        let rows = || states.chunks_exact(width).enumerate().skip(skipped);
        let count = states.len() / width - skipped;
        match self {
            // With every token excluded, the first one counts, as in sentence-transformers.
            Cls => states
                .chunks_exact(width)
                .nth(if count > 0 { skipped } else { 0 })
                .map_or(vec![0.0; width], <[f32]>::to_vec),
            LastToken => rows().next_back().map_or(vec![0.0; width], |(_, row)| row.to_vec()),
            Max if count == 0 => vec![0.0; width],
            Max => rows().fold(vec![f32::NEG_INFINITY; width], |mut best, (_, row)| {
                best.iter_mut().zip(row).for_each(|(slot, &value)| *slot = slot.max(value));
                best
            }),
            Mean => weighted(rows(), width, |_| 1.0, count as f64),
            MeanSqrtLength => weighted(rows(), width, |_| 1.0, (count as f64).sqrt()),
            WeightedMean => {
                let total = rows().map(|(position, _)| position as f64 + 1.0).sum();
                weighted(rows(), width, |position| position as f64 + 1.0, total)
            }
        }
    }
}

/// Σ weight(t) · h_t / total; zeros without tokens.
fn weighted<'a>(
    rows: impl Iterator<Item = (usize, &'a [f32])>,
    width: usize,
    weight: impl Fn(usize) -> f64,
    total: f64,
) -> Vec<f32> {
    let mut sums = vec![0f64; width];
    for (position, row) in rows {
        let weight = weight(position);
        sums.iter_mut().zip(row).for_each(|(sum, &value)| *sum += weight * f64::from(value));
    }
    sums.into_iter().map(|sum| if total > 0.0 { (sum / total) as f32 } else { 0.0 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [f32; 6] = [1.0, -1.0, 3.0, 5.0, 2.0, 2.0];

    fn pool(mode: PoolingMode, skipped: usize) -> Vec<f32> {
        Pooling { modes: vec![mode], include_prompt: false }.pool(&STATES, 2, skipped)
    }

    #[test]
    fn every_mode_equals_its_formula() {
        assert_eq!(pool(Cls, 0), [1.0, -1.0]);
        assert_eq!(pool(LastToken, 0), [2.0, 2.0]);
        assert_eq!(pool(Max, 0), [3.0, 5.0]);
        assert_eq!(pool(Mean, 0), [2.0, 2.0]);
        assert_eq!(pool(WeightedMean, 0), [13.0 / 6.0, 15.0 / 6.0]);
        assert!((pool(MeanSqrtLength, 0)[0] - 6.0 / 3f32.sqrt()).abs() < 1e-6);
    }

    #[test]
    fn include_prompt_false_excludes_the_prompt() {
        assert_eq!(pool(Cls, 1), [3.0, 5.0]);
        assert_eq!(pool(Mean, 1), [2.5, 3.5]);
        assert_eq!(pool(WeightedMean, 1), [12.0 / 5.0, 16.0 / 5.0]);
        assert_eq!(Pooling::of(Mean).pool(&STATES, 2, 1), [2.0, 2.0]);
    }

    #[test]
    fn no_tokens_give_zeros() {
        for (_, _, mode) in NAMES {
            assert_eq!(Pooling::of(mode).pool(&[], 2, 0), [0.0, 0.0]);
            assert_eq!(pool(mode, 9).len(), 2);
        }
    }
}
