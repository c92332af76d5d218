//! Settings of embedders.

use super::unknown;
use exit_rl_engine::embed::{Ngrams, Unit};
use exit_rl_engine::error::Result;
use napi_derive::napi;

#[napi(object)]
pub struct NgramOptions {
    /// `word` or `character`.
    pub unit: String,
    pub minimum: u32,
    pub maximum: u32,
    pub dimension: u32,
}

impl NgramOptions {
    pub fn into_engine(self) -> Result<Ngrams> {
        let unit = match self.unit.as_str() {
            "word" => Unit::Word,
            "character" => Unit::Character,
            other => return Err(unknown("unit", other, "word and character")),
        };
        let (minimum, maximum) = (self.minimum as usize, self.maximum as usize);
        let ngrams = Ngrams { unit, minimum, maximum, dimension: self.dimension as usize };
        ngrams.check()?;
        Ok(ngrams)
    }
}
