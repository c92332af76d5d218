//! Settings of an adapter.

use super::patterns::Patterns;
use crate::error::{EngineError, Result};

/// Settings of an adapter, under PEFT's names.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LoraSettings {
    pub rank: usize,
    pub alpha: f64,
    /// Probability with which a number of the adapter's input is dropped in training.
    pub dropout: f64,
    /// Ends of module paths; None means every linear module but the head.
    pub targets: Option<Vec<String>>,
    /// s = α/√r instead of α/r (rank-stabilised, arXiv 2312.03732).
    pub rslora: bool,
    /// W = m · V/‖V‖ by rows with V = W₀ + s·B·A (arXiv 2402.09353).
    pub dora: bool,
    /// Ranks of some modules, in place of `rank`.
    pub rank_pattern: Patterns<usize>,
    /// Alphas of some modules, in place of `alpha`.
    pub alpha_pattern: Patterns<f64>,
    /// Ends of the paths of modules that are trained in full beside the adapter.
    pub modules_to_save: Vec<String>,
    /// Seed of the initial A and of every dropout mask.
    pub seed: u64,
}

/// Largest rank accepted: one beyond it is an accident or an attack.
pub const MAX_RANK: usize = 1 << 16;

impl LoraSettings {
    pub fn rank_of(&self, module: &str) -> usize {
        self.rank_pattern.of(module).copied().unwrap_or(self.rank)
    }

    /// s of W = W₀ + s·B·A.
    pub fn scale_of(&self, module: &str) -> f64 {
        let rank = self.rank_of(module) as f64;
        let alpha = self.alpha_pattern.of(module).copied().unwrap_or(self.alpha);
        alpha / if self.rslora { rank.sqrt() } else { rank }
    }

    /// # Errors
    /// `lora.<key>` for the first invalid setting.
    pub fn check(&self) -> Result<()> {
        let bad = |key: &str, reason: String| Err(EngineError::invalid(&format!("lora.{key}"), reason));
        let good_alpha = |alpha: f64| alpha.is_finite() && alpha > 0.0;
        if !(1..=MAX_RANK).contains(&self.rank) {
            return bad("rank", format!("{} is not a rank from 1 to {MAX_RANK}", self.rank));
        }
        if !good_alpha(self.alpha) {
            return bad("alpha", format!("{} is not a positive number", self.alpha));
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return bad("dropout", format!("{} is not from 0 up to, not including, 1", self.dropout));
        }
        if let Some((pattern, rank)) = self.rank_pattern.iter().find(|(_, rank)| !(1..=MAX_RANK).contains(*rank)) {
            return bad("rankPattern", format!("`{pattern}`: {rank} is not a rank from 1 to {MAX_RANK}"));
        }
        match self.alpha_pattern.iter().find(|(_, alpha)| !good_alpha(**alpha)) {
            Some((pattern, alpha)) => bad("alphaPattern", format!("`{pattern}`: {alpha} is not a positive number")),
            None => Ok(()),
        }
    }
}
