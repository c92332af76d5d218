//! The loss of a token, and what is reported of it. n tokens of a microbatch, flat; r importance ratio, A advantage.
//!
//! Every formula is TRL's `_compute_loss` unless it says otherwise; docs/objectives.md has the table.

use super::objective::{Bounds, Clip, Grpo, KlEstimator, Level, Loss};
use super::tokens::Tokens;
use tch::Tensor;

/// What the loss was made of.
pub struct Terms {
    pub kl_n: Option<Tensor>,
    /// The ratio as the loss reads it: not above δ.
    pub ratio_n: Tensor,
    /// π_old / sampler, bounded.
    pub correction_n: Option<Tensor>,
    /// φ of VESPO.
    pub gamma_n: Option<Tensor>,
}

impl Grpo {
    /// The loss of every token, before weighting.
    pub fn loss(&self, logprob_n: &Tensor, tokens: &Tokens) -> (Tensor, Terms) {
        let detached = logprob_n.detach();
        let old_n = self.old(tokens).unwrap_or(&detached);
        let log_ratio_n = logprob_n - old_n;
        let ratio_n = ratio(self.importance_ratio, &log_ratio_n, tokens);
        let kl_n = tokens.reference_n.as_ref().map(|reference_n| {
            let kl_n = self.kl_estimator.estimate(logprob_n, reference_n);
            if self.kl_ratio {
                kl_n * &ratio_n
            } else {
                kl_n
            }
        });
        let correction_n = self.correction.zip(tokens.behaviour_n.as_ref());
        let correction_n = correction_n.map(|(correction, behaviour_n)| correction.weight(old_n, behaviour_n, tokens));
        let gamma_n = match &self.loss {
            Loss::Vespo(vespo) => Some(vespo.weight(&log_ratio_n.detach(), correction_n.as_ref(), tokens)),
            _ => None,
        };
        // The gamma weight holds the correction already.
        let constants = [gamma_n.as_ref().or(correction_n.as_ref()), tokens.kept_n.as_ref()];
        let near_n = self.near_sampler(&detached, old_n, tokens);
        let policy_n = self.loss.policy(logprob_n, &ratio_n, &tokens.advantage_n);
        let policy_n = constants
            .into_iter()
            .chain([near_n.as_ref()])
            .flatten()
            .fold(policy_n, |loss_n, weight_n| loss_n * weight_n);
        let loss_n = match &kl_n {
            Some(kl_n) => policy_n + kl_n * self.beta,
            None => policy_n,
        };
        (loss_n, Terms { kl_n, ratio_n: self.loss.bounded_above(ratio_n), correction_n, gamma_n })
    }

    fn old<'a>(&self, tokens: &'a Tokens) -> Option<&'a Tensor> {
        if self.use_rollout_logprobs {
            tokens.behaviour_n.as_ref()
        } else {
            tokens.old_n.as_ref()
        }
    }
}

/// Token: r = e^(lp − old). Sequence (GSPO): r = e^(mean over trained tokens of lp − old), with its own gradient.
fn ratio(level: Level, log_ratio_n: &Tensor, tokens: &Tokens) -> Tensor {
    match level {
        Level::Token => log_ratio_n.exp(),
        Level::Sequence => tokens.segments.spread(&tokens.sequence_mean(log_ratio_n).exp()),
    }
}

impl Loss {
    /// min(r, δ): what stands in the unclipped term, and what the clip fractions are counted with.
    fn bounded_above(&self, ratio_n: Tensor) -> Tensor {
        match self {
            Self::Clip(Clip { delta: Some(delta), .. }) => ratio_n.clamp_max(*delta),
            _ => ratio_n,
        }
    }

    /// Tokens outside the bounds on the side where they bind, as 0 and 1: (low, high). None where nothing is cut.
    pub fn clipped(&self, ratio_n: &Tensor, advantage_n: &Tensor) -> Option<(Tensor, Tensor)> {
        let (low, high) = match self {
            Self::Clip(clip) => (Some(1.0 - clip.low), Some(1.0 + clip.high)),
            Self::Cispo(bounds) => (bounds.low, bounds.high),
            Self::Sapo { .. } | Self::Vespo(_) => return None,
        };
        let low = ratio_n.lt(low.unwrap_or(f64::NEG_INFINITY)).logical_and(&advantage_n.lt(0.0));
        let high = ratio_n.gt(high.unwrap_or(f64::INFINITY)).logical_and(&advantage_n.gt(0.0));
        Some((low.to_kind(ratio_n.kind()), high.to_kind(ratio_n.kind())))
    }

    fn policy(&self, logprob_n: &Tensor, ratio_n: &Tensor, advantage_n: &Tensor) -> Tensor {
        match self {
            Self::Clip(clip) => clip.policy(ratio_n, &self.bounded_above(ratio_n.shallow_clone()), advantage_n),
            Self::Cispo(bounds) => -(bounds.clamp(ratio_n).detach() * advantage_n * logprob_n),
            Self::Sapo { temperature_positive, temperature_negative } => {
                sapo(*temperature_positive, *temperature_negative, ratio_n, advantage_n)
            }
            // l = −φ A lp, φ apart.
            Self::Vespo(_) => -(advantage_n * logprob_n),
        }
    }
}

impl Clip {
    /// l = −min(min(r, δ) A, clip(r, 1 − ε_low, 1 + ε_high) A). Dual clip (verl, arXiv 1912.09729): where A < 0, at most
    /// −c A.
    fn policy(&self, ratio_n: &Tensor, bounded_n: &Tensor, advantage_n: &Tensor) -> Tensor {
        let clipped = ratio_n.clamp(1.0 - self.low, 1.0 + self.high);
        let loss_n = -(bounded_n * advantage_n).minimum(&(clipped * advantage_n));
        match self.dual {
            None => loss_n,
            Some(c) => loss_n.minimum(&(advantage_n * -c)).where_self(&advantage_n.lt(0.0), &loss_n),
        }
    }
}

/// l = −A · 4/τ · σ(τ (r − 1)), τ by the sign of A (zero takes the negative one).
fn sapo(positive: f64, negative: f64, ratio_n: &Tensor, advantage_n: &Tensor) -> Tensor {
    let is_positive = advantage_n.gt(0.0);
    let temperature = advantage_n.full_like(positive).where_self(&is_positive, &advantage_n.full_like(negative));
    let gate = (&temperature * (ratio_n - 1.0)).sigmoid() * 4.0 / &temperature;
    -(gate * advantage_n)
}

impl Bounds {
    pub(super) fn clamp(&self, values: &Tensor) -> Tensor {
        let values = self.low.map_or_else(|| values.shallow_clone(), |low| values.clamp_min(low));
        self.high.map_or_else(|| values.shallow_clone(), |high| values.clamp_max(high))
    }

    pub(super) fn outside(&self, values: &Tensor) -> Tensor {
        values.lt(self.low.unwrap_or(f64::NEG_INFINITY)).logical_or(&values.gt(self.high.unwrap_or(f64::INFINITY)))
    }
}

impl KlEstimator {
    /// With d = lp − ref: k1 = d, k2 = d²/2, k3 = e^(−d) + d − 1 (Schulman). Nothing is clamped.
    fn estimate(self, logprob_n: &Tensor, reference_n: &Tensor) -> Tensor {
        match self {
            Self::K1 => logprob_n - reference_n,
            Self::K2 => (logprob_n - reference_n).square() * 0.5,
            Self::K3 => {
                let difference = reference_n - logprob_n;
                // expm1 keeps the digits that e^d − 1 loses where both policies nearly agree.
                difference.expm1() - difference
            }
        }
    }
}
