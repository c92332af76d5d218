//! The parts of the loss of a token: the policy's, and the distance from the reference. n tokens of a microbatch, flat;
//! r importance ratio, A advantage.
//!
//! Every formula is TRL's `_compute_loss` unless it says otherwise; docs/objectives.md has the table.

use super::off_policy::Vespo;
use serde::Deserialize;
use tch::Tensor;

/// The policy's part of the loss of a token.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Loss {
    Clip(Clip),
    /// The ratio, bounded above, as a constant weight of the log-probability.
    Cispo {
        high: f64,
    },
    /// The ratio, bounded to [1 − low, 1 + high], as a constant weight of the log-probability.
    CispoRange {
        low: f64,
        high: f64,
    },
    Sapo {
        temperature_positive: f64,
        temperature_negative: f64,
    },
    /// The gamma weight of a sequence's ratio, as a constant weight of the log-probability.
    Vespo(Vespo),
    /// The negative log-likelihood; the advantage is not read.
    Supervised {},
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Clip {
    pub low: f64,
    pub high: f64,
    /// Upper bound of the ratio where it is not clipped.
    pub delta: Option<f64>,
    /// c of the dual clip, above 1.
    pub dual: Option<f64>,
}

/// The penalty for the distance from the reference policy.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Kl {
    /// 0 leaves the reference policy out.
    pub beta: f64,
    pub estimator: KlEstimator,
    /// Multiplies the KL by the importance ratio, with the gradient of both (DeepSeek-V3.2).
    pub ratio: bool,
    /// Bound of |lp − ref|, beyond which a token has no gradient of the KL (verl).
    pub clamp: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KlEstimator {
    K1,
    K2,
    K3,
}

impl Loss {
    /// Supervised training compares with no earlier policy.
    pub fn reads_ratio(&self) -> bool {
        !matches!(self, Self::Supervised {})
    }

    /// min(r, δ): what stands in the unclipped term, and what the clip fractions are counted with.
    pub(super) fn bounded_above(&self, ratio_n: Tensor) -> Tensor {
        match self {
            Self::Clip(Clip { delta: Some(delta), .. }) => ratio_n.clamp_max(*delta),
            _ => ratio_n,
        }
    }

    /// Tokens outside the bounds on the side where they bind, as 0 and 1: (low, high). None where nothing is cut.
    pub fn clipped(&self, ratio_n: &Tensor, advantage_n: &Tensor) -> Option<(Tensor, Tensor)> {
        let (low, high) = match self {
            Self::Clip(Clip { low, high, .. }) | Self::CispoRange { low, high } => (1.0 - low, 1.0 + high),
            Self::Cispo { high } => (f64::NEG_INFINITY, *high),
            Self::Sapo { .. } | Self::Vespo(_) | Self::Supervised {} => return None,
        };
        let low = ratio_n.lt(low).logical_and(&advantage_n.lt(0.0));
        let high = ratio_n.gt(high).logical_and(&advantage_n.gt(0.0));
        Some((low.to_kind(ratio_n.kind()), high.to_kind(ratio_n.kind())))
    }

    pub(super) fn policy(&self, logprob_n: &Tensor, ratio_n: &Tensor, advantage_n: &Tensor) -> Tensor {
        match self {
            Self::Clip(clip) => clip.policy(ratio_n, &self.bounded_above(ratio_n.shallow_clone()), advantage_n),
            Self::Cispo { high } => -(ratio_n.clamp_max(*high).detach() * advantage_n * logprob_n),
            Self::CispoRange { low, high } => {
                -(ratio_n.clamp_min(1.0 - low).clamp_max(1.0 + high).detach() * advantage_n * logprob_n)
            }
            Self::Sapo { temperature_positive, temperature_negative } => {
                sapo(*temperature_positive, *temperature_negative, ratio_n, advantage_n)
            }
            // l = −φ A lp, φ apart.
            Self::Vespo(_) => -(advantage_n * logprob_n),
            Self::Supervised {} => -logprob_n,
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

impl Kl {
    /// With d = lp − ref, clamped: k1 = d, k2 = d²/2, k3 = e^(−d) + d − 1 (Schulman).
    pub(super) fn estimate(&self, logprob_n: &Tensor, reference_n: &Tensor) -> Tensor {
        let difference = logprob_n - reference_n;
        let difference = self.clamp.map_or_else(|| difference.shallow_clone(), |most| difference.clamp(-most, most));
        match self.estimator {
            KlEstimator::K1 => difference,
            KlEstimator::K2 => difference.square() * 0.5,
            KlEstimator::K3 => {
                let difference = -difference;
                // expm1 keeps the digits that e^d − 1 loses where both policies nearly agree.
                difference.expm1() - difference
            }
        }
    }
}
