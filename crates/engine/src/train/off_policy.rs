//! What the policy's part of a token's loss is multiplied by, held constant, where the tokens are not the policy's own: the
//! sampler's correction, the weight of VESPO, the mask of distant sequences. n tokens of a microbatch, flat.

use super::tokens::{Level, Tokens};
use serde::Deserialize;
use tch::Tensor;

/// log(1e-8): TRL's floor of a logarithm, and its ceiling.
const LOG_BOUNDS: (f64, f64) = (-18.420680743952367, 20.0);
/// TRL's least λ.
const SMALLEST_DECAY: f64 = 1e-4;

/// φ(w) = e^λ w^k e^(−λ w), which is 1 at w = 1: k is the power, λ the decay, of sequences whose advantage is at least
/// zero, and of others.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Vespo {
    pub power_positive: f64,
    pub decay_positive: f64,
    pub power_negative: f64,
    pub decay_negative: f64,
}

/// The ratio π_old / sampler as a constant weight of the policy's part.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Correction {
    None {},
    Token(Bounded),
    Sequence(Bounded),
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Bounded {
    pub beyond: Beyond,
    pub min: Option<f64>,
    pub max: Option<f64>,
}

/// A ratio beyond its bounds becomes the bound, or 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Beyond {
    Truncate,
    Mask,
}

impl Correction {
    /// (level, bounds); None without a correction.
    pub fn bounds(&self) -> Option<(Level, Bounded)> {
        match *self {
            Self::None {} => None,
            Self::Token(bounded) => Some((Level::Token, bounded)),
            Self::Sequence(bounded) => Some((Level::Sequence, bounded)),
        }
    }

    /// ρ = e^(old − sampler) of a token, or of the sum over a sequence's trained tokens; cut to its bounds, or 0 beyond.
    pub(super) fn weight(&self, old_n: &Tensor, behaviour_n: &Tensor, tokens: &Tokens) -> Option<Tensor> {
        let (level, bounded) = self.bounds()?;
        let difference = (old_n - behaviour_n) * &tokens.mask_n;
        let rho_n = match level {
            Level::Token => difference.exp(),
            Level::Sequence => tokens.segments.spread(&tokens.segments.sum(&difference).exp()),
        };
        Some(bounded.apply(&rho_n))
    }
}

impl Bounded {
    fn apply(&self, rho_n: &Tensor) -> Tensor {
        let (min, max) = (self.min.unwrap_or(f64::NEG_INFINITY), self.max.unwrap_or(f64::INFINITY));
        match self.beyond {
            Beyond::Truncate => rho_n.clamp_min(min).clamp_max(max),
            Beyond::Mask => rho_n.masked_fill(&rho_n.lt(min).logical_or(&rho_n.gt(max)), 0.0),
        }
    }
}

impl Vespo {
    /// φ(w) = e^λ w^k e^(−λ w) of the sequence's ratio w = Π r · ρ, in logarithms; k and λ by the sign of A (zero takes the
    /// positive ones). What overflows is 0 (arXiv 2602.10693, as TRL's `get_gamma_weights` writes it).
    pub(super) fn weight(&self, log_ratio_n: &Tensor, correction_n: Option<&Tensor>, tokens: &Tokens) -> Tensor {
        let (lowest, highest) = LOG_BOUNDS;
        let mut log_w_n = log_ratio_n.clamp(-highest, highest);
        if let Some(correction_n) = correction_n {
            log_w_n += correction_n.log().clamp(lowest, highest);
        }
        let log_w_n = tokens.segments.spread(&tokens.segments.sum(&(log_w_n * &tokens.mask_n))).clamp(lowest, highest);
        let is_positive_n = tokens.advantage_n.ge(0.0);
        let by_sign = |positive: f64, negative: f64| {
            log_w_n.full_like(positive).where_self(&is_positive_n, &log_w_n.full_like(negative))
        };
        let k_n = by_sign(self.power_positive, self.power_negative);
        let lambda_n = by_sign(self.decay_positive.max(SMALLEST_DECAY), self.decay_negative.max(SMALLEST_DECAY));
        let log_phi_n = &lambda_n + k_n * &log_w_n - lambda_n * log_w_n.exp();
        log_phi_n.exp().nan_to_num(0.0, 0.0, 0.0)
    }
}

/// 0 for a sequence with A < 0 and a mean of (smp − lp) over its trained tokens above the threshold, else 1
/// (DeepSeek-V3.2, equation 9). Without the sampler's log-probabilities those before the update stand for them.
pub(super) fn near_sampler(threshold: f64, logprob_n: &Tensor, old_n: &Tensor, tokens: &Tokens) -> Tensor {
    let sampler_n = tokens.behaviour_n.as_ref().unwrap_or(old_n);
    let distance_n = tokens.segments.spread(&tokens.sequence_mean(&(sampler_n - logprob_n)));
    tokens.advantage_n.ge(0.0).logical_or(&distance_n.le(threshold)).to_kind(logprob_n.kind())
}
