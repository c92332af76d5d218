//! Settings of an adapter.

use crate::error::{EngineError, Result};

/// Settings of an adapter, under PEFT's names.
#[derive(Debug, Clone, PartialEq)]
pub struct LoraSettings {
    pub rank: usize,
    pub alpha: f64,
    /// Probability with which a number of the adapter's input is dropped in training.
    pub dropout: f64,
    /// Ends of module paths; None means every linear module but the head.
    pub targets: Option<Vec<String>>,
    /// s = α/√r instead of α/r (rank-stabilised, arXiv 2312.03732).
    pub rslora: bool,
    /// Seed of the initial A and of every dropout mask.
    pub seed: u64,
}

impl LoraSettings {
    /// s of W = W₀ + s·B·A.
    pub fn scale(&self) -> f64 {
        let rank = self.rank as f64;
        self.alpha / if self.rslora { rank.sqrt() } else { rank }
    }

    /// # Errors
    /// `lora.<key>` for the first invalid setting.
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
