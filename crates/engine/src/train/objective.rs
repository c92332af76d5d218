//! What an update minimises: the settings, as the `objective` of a config has them, the loss of a token, and its gradient.
//! Each part's type stands with its formula; docs/objectives.md says whose they are.

use super::off_policy::near_sampler;
use super::tokens::Tokens;
use crate::backend::{Scores, Slopes};
use crate::error::{EngineError, Result};
use serde::Deserialize;
use tch::{Kind, Tensor};

pub use super::entropy::{Adaptive, Entropy, EntropyControl, EntropyState};
pub use super::loss::{Clip, Kl, KlEstimator, Loss};
pub use super::off_policy::{Beyond, Bounded, Correction, Vespo};
pub use super::tokens::Level;
pub use super::weights::Normalisation;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Objective {
    pub loss: Loss,
    pub importance_ratio: Level,
    pub kl: Kl,
    pub entropy: Entropy,
    /// Beyond this mean distance from the sampler a sequence with a negative advantage leaves the policy's part.
    pub off_policy_threshold: Option<f64>,
    pub correction: Correction,
    pub normalisation: Normalisation,
    /// Rollouts that are averaged on their own by `LocalTokenMean` and by the entropy bonus, and whose entropies are
    /// compared; 0 takes all of a step.
    pub local_rollouts: usize,
    pub old_policy: OldPolicy,
    /// Passes over the batch of an update.
    pub batch_epochs: usize,
}

/// Whose log-probabilities are π_old: the sampler's, or the trainer's own before the update.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OldPolicy {
    Behaviour,
    Trainer,
}

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

pub struct Evaluated {
    /// Weighted sum over the microbatch, the entropy bonus taken off.
    pub loss: Tensor,
    /// Of every token, before weighting and without the bonus.
    pub loss_n: Tensor,
    pub terms: Terms,
}

impl Objective {
    /// @error `InvalidRequest` for numbers that no type can refuse.
    pub fn check(&self) -> Result<()> {
        if matches!(self.loss, Loss::Clip(Clip { dual: Some(dual), .. }) if dual <= 1.0) {
            return Err(EngineError::invalid("objective.loss.dual", "it bounds the loss only above 1"));
        }
        if self.batch_epochs == 0 {
            return Err(EngineError::invalid("objective.batchEpochs", "an update passes over its batch at least once"));
        }
        Ok(())
    }

    /// ρ below 1.
    pub fn top_entropy_share(&self) -> Option<f64> {
        Some(self.entropy.top_share).filter(|&share| share < 1.0)
    }

    /// The trainer's own log-probabilities before the update are asked for.
    pub fn uses_old_logprobs(&self) -> bool {
        self.loss.reads_ratio() && self.old_policy == OldPolicy::Trainer
    }

    /// The key that asks for the sampler's log-probabilities.
    pub fn needs_behaviour(&self) -> Option<&'static str> {
        if self.old_policy == OldPolicy::Behaviour {
            Some("objective.oldPolicy")
        } else {
            self.correction.bounds().map(|_| "objective.correction")
        }
    }

    /// Whether a trained token of a sequence with this advantage can move a weight: without a KL penalty and an entropy
    /// bonus, an advantage of zero makes every loss above zero whatever the policy does.
    pub fn learns_from(&self, advantage: f32) -> bool {
        advantage != 0.0 || !self.loss.reads_ratio() || self.kl.beta != 0.0 || self.entropy.has_bonus()
    }

    /// As the next step minimises it.
    pub fn of_next_step(&self) -> Self {
        Self { entropy: self.entropy.of_next_step(), ..self.clone() }
    }

    /// The loss of every token, before weighting.
    pub fn token_loss(&self, logprob_n: &Tensor, tokens: &Tokens) -> (Tensor, Terms) {
        let detached = logprob_n.detach();
        let old_n = self.old(tokens).unwrap_or(&detached);
        let log_ratio_n = logprob_n - old_n;
        let ratio_n = ratio(self.importance_ratio, &log_ratio_n, tokens);
        let kl_n = tokens.reference_n.as_ref().map(|reference_n| {
            let kl_n = self.kl.estimate(logprob_n, reference_n);
            if self.kl.ratio {
                kl_n * &ratio_n
            } else {
                kl_n
            }
        });
        let behaviour_n = tokens.behaviour_n.as_ref();
        let correction_n = behaviour_n.and_then(|behaviour_n| self.correction.weight(old_n, behaviour_n, tokens));
        let gamma_n = match &self.loss {
            Loss::Vespo(vespo) => Some(vespo.weight(&log_ratio_n.detach(), correction_n.as_ref(), tokens)),
            _ => None,
        };
        // The gamma weight holds the correction already.
        let constants = [gamma_n.as_ref().or(correction_n.as_ref()), tokens.kept_n.as_ref()];
        let near_n = self.off_policy_threshold.map(|threshold| near_sampler(threshold, &detached, old_n, tokens));
        let policy_n = self.loss.policy(logprob_n, &ratio_n, &tokens.advantage_n);
        let policy_n = constants
            .into_iter()
            .chain([near_n.as_ref()])
            .flatten()
            .fold(policy_n, |loss_n, weight_n| loss_n * weight_n);
        let loss_n = match &kl_n {
            Some(kl_n) => policy_n + kl_n * self.kl.beta,
            None => policy_n,
        };
        (loss_n, Terms { kl_n, ratio_n: self.loss.bounded_above(ratio_n), correction_n, gamma_n })
    }

    fn old<'a>(&self, tokens: &'a Tokens) -> Option<&'a Tensor> {
        match self.old_policy {
            OldPolicy::Behaviour => tokens.behaviour_n.as_ref(),
            OldPolicy::Trainer => tokens.old_n.as_ref(),
        }
    }
}

/// The objective of a microbatch: its value, and what it asks of log-probabilities and entropies. It is computed in fp64:
/// a few numbers a token cost nothing, and ratios and divergences are small differences of large numbers.
impl Objective {
    /// Value and gradient. Autograd sees the n numbers of the microbatch and nothing before them.
    pub fn differentiate(&self, scores: &Scores, tokens: &Tokens) -> (Evaluated, Slopes) {
        let leaf = |values: &Tensor| exact(values).copy().set_requires_grad(true);
        let (logprob_n, entropy_n) = (leaf(&scores.logprob_n), leaf(&scores.entropy_n));
        let inputs = Scores { logprob_n, entropy_n };
        let found = self.loss(&inputs, tokens);
        found.loss.backward();
        let slope = |input: &Tensor, score: &Tensor| input.grad().to_kind(score.kind());
        let slopes = Slopes {
            logprob_n: slope(&inputs.logprob_n, &scores.logprob_n),
            entropy_n: tokens.entropy_weight_n.is_some().then(|| slope(&inputs.entropy_n, &scores.entropy_n)),
        };
        (found.detached(), slopes)
    }

    /// The value alone.
    pub fn evaluate(&self, scores: &Scores, tokens: &Tokens) -> Evaluated {
        let inputs = Scores { logprob_n: exact(&scores.logprob_n), entropy_n: exact(&scores.entropy_n) };
        self.loss(&inputs, tokens)
    }

    /// loss = Σ l w − c Σ H w_H
    fn loss(&self, scores: &Scores, tokens: &Tokens) -> Evaluated {
        let (loss_n, terms) = self.token_loss(&scores.logprob_n, tokens);
        let kind = loss_n.kind();
        let loss = (&loss_n * &tokens.weight_n).sum(kind);
        let loss = match &tokens.entropy_weight_n {
            Some(weight_n) => loss - (&scores.entropy_n * weight_n).sum(kind) * self.entropy.coefficient,
            None => loss,
        };
        Evaluated { loss, loss_n, terms }
    }
}

fn exact(values: &Tensor) -> Tensor {
    values.detach().to_kind(Kind::Double)
}

impl Evaluated {
    fn detached(self) -> Self {
        let Terms { kl_n, ratio_n, correction_n, gamma_n } = self.terms;
        let (kl_n, ratio_n) = (kl_n.map(|kl_n| kl_n.detach()), ratio_n.detach());
        let terms = Terms { kl_n, ratio_n, correction_n, gamma_n };
        Self { loss: self.loss.detach(), loss_n: self.loss_n.detach(), terms }
    }
}

/// Token: r = e^(lp − old). Sequence (GSPO): r = e^(mean over trained tokens of lp − old), with its own gradient.
fn ratio(level: Level, log_ratio_n: &Tensor, tokens: &Tokens) -> Tensor {
    match level {
        Level::Token => log_ratio_n.exp(),
        Level::Sequence => tokens.segments.spread(&tokens.sequence_mean(log_ratio_n).exp()),
    }
}
