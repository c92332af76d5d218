//! The objective that an update minimises: its settings, as in the `objective` of a config, the loss of a token, and its
//! gradient. Each part's type is defined with its formula; docs/objectives.md cites the sources.

use super::off_policy::near_behaviour;
use super::tokens::Tokens;
use crate::backend::{TokenGrads, TokenStats};
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
    /// Masks the policy term of a sequence with a negative advantage beyond this mean distance from the behaviour policy.
    pub off_policy_threshold: Option<f64>,
    pub correction: Correction,
    pub normalisation: Normalisation,
    /// Number of rollouts in a block: `LocalTokenMean` and the entropy bonus average, and `top_share` compares entropies,
    /// within a block; 0: all rollouts of a step.
    pub local_rollouts: usize,
    pub old_policy: OldPolicy,
    /// Passes over the batch of an update.
    pub batch_epochs: usize,
}

/// The policy whose log-probabilities are π_old: the behaviour policy, or the trained one before the update.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OldPolicy {
    Behaviour,
    Trainer,
}

/// The terms of the loss, for metrics.
pub struct Terms {
    pub kl_n: Option<Tensor>,
    /// The ratio of the loss, at most δ.
    pub ratio_n: Tensor,
    /// π_old / π_behaviour, bounded.
    pub correction_n: Option<Tensor>,
    /// φ of VESPO.
    pub gamma_n: Option<Tensor>,
}

pub struct Evaluation {
    /// The weighted sum over the microbatch, minus the entropy bonus.
    pub loss: Tensor,
    /// The loss of every token, before weighting and without the bonus.
    pub loss_n: Tensor,
    pub terms: Terms,
}

impl Objective {
    /// @error names a number that its type allows and the formulas do not.
    pub fn check(&self) -> Result<()> {
        if matches!(self.loss, Loss::Clip(Clip { dual: Some(dual), .. }) if dual <= 1.0) {
            return Err(EngineError::invalid("objective.loss.dual", "it bounds the loss only above 1"));
        }
        if self.batch_epochs == 0 {
            return Err(EngineError::invalid("objective.batchEpochs", "an update passes over its batch at least once"));
        }
        Ok(())
    }

    /// ρ when it is below 1.
    pub fn top_entropy_share(&self) -> Option<f64> {
        Some(self.entropy.top_share).filter(|&share| share < 1.0)
    }

    /// Whether the loss reads the trained policy's log-probabilities before the update.
    pub fn uses_old_logprobs(&self) -> bool {
        self.loss.reads_ratio() && self.old_policy == OldPolicy::Trainer
    }

    /// The setting that needs the behaviour policy's log-probabilities.
    pub fn needs_behaviour_logprobs(&self) -> Option<&'static str> {
        if self.old_policy == OldPolicy::Behaviour {
            Some("objective.oldPolicy")
        } else {
            self.correction.bounds().map(|_| "objective.correction")
        }
    }

    /// Whether a sequence with this advantage contributes a gradient. Without a KL penalty and an entropy bonus, an advantage
    /// of zero makes the loss constant.
    pub fn has_gradient(&self, advantage: f32) -> bool {
        advantage != 0.0 || !self.loss.reads_ratio() || self.kl.beta != 0.0 || self.entropy.has_bonus()
    }

    /// The objective of the next step.
    pub fn for_next_step(&self) -> Self {
        Self { entropy: self.entropy.for_next_step(), ..self.clone() }
    }

    /// The loss of every token, before weighting.
    pub fn token_loss(&self, logprob_n: &Tensor, tokens: &Tokens) -> (Tensor, Terms) {
        let detached = logprob_n.detach();
        let old_logprob_n = self.old_logprobs(tokens).unwrap_or(&detached);
        let log_ratio_n = logprob_n - old_logprob_n;
        let ratio_n = ratio(self.importance_ratio, &log_ratio_n, tokens);
        let kl_n = tokens.reference_logprob_n.as_ref().map(|reference_logprob_n| {
            let kl_n = self.kl.estimate(logprob_n, reference_logprob_n);
            if self.kl.ratio {
                kl_n * &ratio_n
            } else {
                kl_n
            }
        });
        let behaviour_logprob_n = tokens.behaviour_logprob_n.as_ref();
        let correction_n = behaviour_logprob_n
            .and_then(|behaviour_logprob_n| self.correction.weight(old_logprob_n, behaviour_logprob_n, tokens));
        let gamma_n = match &self.loss {
            Loss::Vespo(vespo) => Some(vespo.weight(&log_ratio_n.detach(), correction_n.as_ref(), tokens)),
            _ => None,
        };
        // The gamma weight includes the correction.
        let constants = [gamma_n.as_ref().or(correction_n.as_ref()), tokens.entropy_mask_n.as_ref()];
        let near_n =
            self.off_policy_threshold.map(|threshold| near_behaviour(threshold, &detached, old_logprob_n, tokens));
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

    fn old_logprobs<'a>(&self, tokens: &'a Tokens) -> Option<&'a Tensor> {
        match self.old_policy {
            OldPolicy::Behaviour => tokens.behaviour_logprob_n.as_ref(),
            OldPolicy::Trainer => tokens.old_logprob_n.as_ref(),
        }
    }
}

/// The value and the gradient of a microbatch, computed in fp64: a few numbers per token cost little, and ratios and
/// divergences are small differences of large numbers.
impl Objective {
    /// Computes value and gradient. The autograd graph begins at the n numbers of the microbatch.
    pub fn differentiate(&self, stats: &TokenStats, tokens: &Tokens) -> (Evaluation, TokenGrads) {
        let leaf = |values: &Tensor| to_double(values).copy().set_requires_grad(true);
        let (logprob_n, entropy_n) = (leaf(&stats.logprob_n), leaf(&stats.entropy_n));
        let inputs = TokenStats { logprob_n, entropy_n };
        let evaluation = self.loss(&inputs, tokens);
        evaluation.loss.backward();
        let grad = |input: &Tensor, output: &Tensor| input.grad().to_kind(output.kind());
        let grads = TokenGrads {
            logprob_n: grad(&inputs.logprob_n, &stats.logprob_n),
            entropy_n: tokens.entropy_weight_n.is_some().then(|| grad(&inputs.entropy_n, &stats.entropy_n)),
        };
        (evaluation.detach(), grads)
    }

    /// Computes the value without a gradient.
    pub fn evaluate(&self, stats: &TokenStats, tokens: &Tokens) -> Evaluation {
        let inputs = TokenStats { logprob_n: to_double(&stats.logprob_n), entropy_n: to_double(&stats.entropy_n) };
        self.loss(&inputs, tokens)
    }

    /// loss = Σ l w − c Σ H w_H
    fn loss(&self, stats: &TokenStats, tokens: &Tokens) -> Evaluation {
        let (loss_n, terms) = self.token_loss(&stats.logprob_n, tokens);
        let kind = loss_n.kind();
        let loss = (&loss_n * &tokens.weight_n).sum(kind);
        let loss = match &tokens.entropy_weight_n {
            Some(weight_n) => loss - (&stats.entropy_n * weight_n).sum(kind) * self.entropy.coefficient,
            None => loss,
        };
        Evaluation { loss, loss_n, terms }
    }
}

fn to_double(values: &Tensor) -> Tensor {
    values.detach().to_kind(Kind::Double)
}

impl Evaluation {
    fn detach(self) -> Self {
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
