//! What an update minimises, per token, and what it reports.
//!
//! Letters: n tokens of a microbatch, flat.

use super::batch::Batch;
use std::collections::BTreeMap;
use tch::{Kind, Tensor};

#[derive(Debug, Clone, PartialEq)]
pub enum Objective {
    Grpo(Grpo),
    /// Mean token negative log-likelihood.
    Supervised,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Grpo {
    pub clip_low: f64,
    pub clip_high: f64,
    /// Weight of the KL penalty; 0 leaves the reference policy out.
    pub beta: f64,
    pub normalisation: Normalisation,
    pub temperature: f64,
    pub epochs: usize,
    /// π_old is the sampler's log-probabilities instead of the trainer's own.
    pub use_rollout_logprobs: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Normalisation {
    /// Mean over the tokens of a rollout, then over rollouts (GRPO).
    SequenceMean,
    /// Mean over all tokens of the batch (DAPO).
    TokenMean,
    /// Sum over tokens, divided by rollouts × this length (Dr.GRPO).
    Constant { length: f64 },
}

impl Objective {
    pub fn temperature(&self) -> f64 {
        match self {
            Self::Grpo(grpo) => grpo.temperature,
            Self::Supervised => 1.0,
        }
    }

    pub fn epochs(&self) -> usize {
        match self {
            Self::Grpo(grpo) => grpo.epochs,
            Self::Supervised => 1,
        }
    }

    pub fn beta(&self) -> f64 {
        match self {
            Self::Grpo(grpo) => grpo.beta,
            Self::Supervised => 0.0,
        }
    }

    pub fn uses_rollout_logprobs(&self) -> bool {
        matches!(self, Self::Grpo(grpo) if grpo.use_rollout_logprobs)
    }

    fn normalisation(&self) -> Normalisation {
        match self {
            Self::Grpo(grpo) => grpo.normalisation,
            Self::Supervised => Normalisation::TokenMean,
        }
    }

    /// The weight of every token in the loss: the mask over the normaliser. A rollout without a trained token still
    /// counts among the rollouts, as in TRL. Independent of the cutting into microbatches.
    pub fn token_weights(&self, batch: &Batch) -> Vec<f32> {
        let mut per_rollout: BTreeMap<u32, f64> = BTreeMap::new();
        for (index, rollout) in batch.rollout.iter().enumerate() {
            let trained = batch.sequences.range(index).filter(|&token| batch.trained(token)).count();
            *per_rollout.entry(*rollout).or_default() += trained as f64;
        }
        let rollouts = per_rollout.len() as f64;
        let all: f64 = per_rollout.values().sum();
        let normaliser = |rollout: u32| match self.normalisation() {
            Normalisation::SequenceMean => rollouts * per_rollout[&rollout].max(1.0),
            Normalisation::TokenMean => all.max(1.0),
            Normalisation::Constant { length } => rollouts * length,
        };
        let mut weights = Vec::with_capacity(batch.sequences.tokens.len());
        for (index, &rollout) in batch.rollout.iter().enumerate() {
            let weight = (1.0 / normaliser(rollout)) as f32;
            weights.extend(batch.sequences.range(index).map(|token| if batch.trained(token) { weight } else { 0.0 }));
        }
        weights
    }
}

/// The inputs of the GRPO loss for n tokens.
pub struct GrpoTokens<'a> {
    pub logprob_n: &'a Tensor,
    /// π_old; without it the ratio is 1 and carries the gradient (the first epoch of a fresh batch).
    pub old_n: Option<&'a Tensor>,
    pub reference_n: Option<&'a Tensor>,
    pub advantage_n: &'a Tensor,
}

pub struct GrpoLoss {
    /// Per token, before weighting.
    pub loss_n: Tensor,
    pub kl_n: Option<Tensor>,
    pub ratio_n: Tensor,
}

impl Grpo {
    /// l = −min(r A, clip(r, 1 − ε_low, 1 + ε_high) A) + β k3, with r = π/π_old and
    /// k3 = e^(ref − lp) − (ref − lp) − 1. (method.md; TRL `_compute_loss`)
    pub fn loss(&self, tokens: &GrpoTokens) -> GrpoLoss {
        let detached = tokens.logprob_n.detach();
        let ratio_n = (tokens.logprob_n - tokens.old_n.unwrap_or(&detached)).exp();
        let clipped = ratio_n.clamp(1.0 - self.clip_low, 1.0 + self.clip_high);
        let policy_n = -(&ratio_n * tokens.advantage_n).minimum(&(clipped * tokens.advantage_n));
        let kl_n = tokens.reference_n.map(|reference| {
            let difference = reference - tokens.logprob_n;
            // expm1 keeps the digits that e^d − 1 loses where both policies nearly agree.
            difference.expm1() - difference
        });
        let loss_n = match &kl_n {
            Some(kl) => policy_n + kl * self.beta,
            None => policy_n,
        };
        GrpoLoss { loss_n, kl_n, ratio_n }
    }

    /// Tokens outside the clip range on the side where the clip binds: (low, high).
    pub fn clipped(&self, ratio_n: &Tensor, advantage_n: &Tensor) -> (Tensor, Tensor) {
        let low = ratio_n.lt(1.0 - self.clip_low).logical_and(&advantage_n.lt(0.0));
        let high = ratio_n.gt(1.0 + self.clip_high).logical_and(&advantage_n.gt(0.0));
        (low.to_kind(Kind::Float), high.to_kind(Kind::Float))
    }
}
