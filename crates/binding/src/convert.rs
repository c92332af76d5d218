//! Conversions between the objects of JavaScript and of the engine, one file per subject.

pub mod checked;
pub mod embed;
pub mod generate;
pub mod load;
pub mod memory;
pub mod rules;
pub mod update;

use exit_rl_engine::batch;
use exit_rl_engine::error::{EngineError, Result};
use napi::bindgen_prelude::*;
use napi_derive::napi;

/// List i is `tokens[offsets[i] .. offsets[i + 1]]`.
#[napi(object)]
pub struct Ragged {
    pub tokens: Int32Array,
    pub offsets: Uint32Array,
}

impl Ragged {
    pub fn from_lists(lists: &[Vec<u32>]) -> Self {
        let tokens: Vec<i32> = lists.iter().flatten().map(|&token| token as i32).collect();
        Self { tokens: Int32Array::new(tokens), offsets: Uint32Array::new(offsets(lists.iter().map(Vec::len))) }
    }
}

/// Offsets of consecutive lists of these lengths, from 0 to their sum.
pub fn offsets(lengths: impl Iterator<Item = usize>) -> Vec<u32> {
    let ends = lengths.scan(0u32, |end, length| {
        *end += length as u32;
        Some(*end)
    });
    std::iter::once(0).chain(ends).collect()
}

pub fn ragged(tokens: &[i32], offsets: &[u32]) -> batch::Ragged {
    batch::Ragged { tokens: tokens.to_vec(), offsets: offsets.to_vec() }
}

/// The lists between consecutive offsets.
///
/// @error when the offsets do not rise or exceed the number of tokens.
pub fn token_lists(tokens: &[i32], offsets: &[u32]) -> Result<Vec<Vec<u32>>> {
    let list = |ends: &[u32]| {
        let ids = tokens.get(ends[0] as usize..ends[1] as usize)?;
        Some(ids.iter().map(|&id| id as u32).collect())
    };
    let lists: Option<Vec<_>> = offsets.windows(2).map(list).collect();
    lists.ok_or_else(|| EngineError::invalid("offsets", "they must rise and not exceed the number of tokens"))
}

/// The error for a name that is none of `choices`.
pub fn unknown(key: &str, found: &str, choices: &str) -> EngineError {
    EngineError::invalid(key, format!("`{found}` is none of {choices}"))
}
