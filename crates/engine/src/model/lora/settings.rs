//! How an adapter is made.

use crate::error::{EngineError, Result};

#[derive(Debug, Clone, PartialEq)]
pub struct LoraSettings {
    pub rank: usize,
    pub alpha: f64,
    /// Probability that a number of the adapter's input is left out while training.
    pub dropout: f64,
    /// Ends of module paths; None stands for every linear module but the head.
    pub targets: Option<Vec<String>>,
    /// s = α/√r instead of α/r (rank-stabilised, arXiv 2312.03732).
    pub rslora: bool,
    /// Decides the initial A and every dropout mask.
    pub seed: u64,
}

impl LoraSettings {
    pub fn scale(&self) -> f64 {
        let rank = self.rank as f64;
        self.alpha / if self.rslora { rank.sqrt() } else { rank }
    }

    pub fn check(&self) -> Result<()> {
        let bad = |key: &str, reason: String| Err(EngineError::invalid(&format!("lora.{key}"), reason));
        if self.rank == 0 {
            return bad("rank", "an adapter needs a rank of at least 1".into());
        }
        if !self.alpha.is_finite() || self.alpha <= 0.0 {
            return bad("alpha", format!("{} is not a positive number", self.alpha));
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return bad("dropout", format!("{} is not from 0 up to, not including, 1", self.dropout));
        }
        Ok(())
    }
}
