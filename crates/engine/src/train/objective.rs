//! What an update minimises: the settings. The formulas stand in `loss.rs`, whose they are in docs/objectives.md.

#[derive(Debug, Clone, PartialEq)]
pub enum Objective {
    Grpo(Box<Grpo>),
    /// Mean token negative log-likelihood.
    Supervised,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Grpo {
    pub loss: Loss,
    pub importance_ratio: Level,
    /// Weight of the KL penalty; 0 leaves the reference policy out.
    pub beta: f64,
    pub kl_estimator: KlEstimator,
    /// Multiplies the KL by the importance ratio, with the gradient of both (DeepSeek-V3.2).
    pub kl_ratio: bool,
    /// Weight of the mean entropy that is taken off the loss.
    pub entropy_coefficient: f64,
    /// Moves that weight from step to step.
    pub entropy_control: Option<EntropyControl>,
    /// The share of the trained tokens, those of the largest entropy, that the policy's part and the bonus are of.
    pub top_entropy_share: f64,
    /// Beyond this mean distance from the sampler a sequence with a negative advantage leaves the policy's part.
    pub off_policy_threshold: Option<f64>,
    pub correction: Option<Correction>,
    pub normalisation: Normalisation,
    /// Rollouts that are averaged on their own by `LocalTokenMean` and by the entropy bonus, and whose entropies are
    /// compared; 0 takes all of a step.
    pub local_rollouts: usize,
    pub temperature: f64,
    pub epochs: usize,
    /// π_old is the sampler's log-probabilities instead of the trainer's own.
    pub use_rollout_logprobs: bool,
}

/// The adaptive weight of the entropy bonus: up by `change` after a step whose entropy is not above `target`, else down.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EntropyControl {
    pub target: f64,
    pub change: f64,
    pub min: f64,
    pub max: f64,
    /// Mean entropy of the tokens of the step before; None before the first.
    pub measured: Option<f64>,
}

/// The policy's part of the loss of a token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Loss {
    Clip(Clip),
    /// The ratio, bounded, as a constant weight of the log-probability.
    Cispo(Bounds),
    Sapo {
        temperature_positive: f64,
        temperature_negative: f64,
    },
    /// The gamma weight of a sequence's ratio, as a constant weight of the log-probability.
    Vespo(Vespo),
}

/// φ of sequences whose advantage is at least zero, and of others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Vespo {
    pub positive: Gamma,
    pub negative: Gamma,
}

/// φ(w) = e^λ w^k e^(−λ w), which is 1 at w = 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gamma {
    pub k: f64,
    pub lambda: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clip {
    pub low: f64,
    pub high: f64,
    /// Upper bound of the ratio where it is not clipped.
    pub delta: Option<f64>,
    /// c of the dual clip, above 1.
    pub dual: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    pub low: Option<f64>,
    pub high: Option<f64>,
}

/// What a ratio is of: a token, or all trained tokens of a sequence together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Token,
    Sequence,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KlEstimator {
    K1,
    K2,
    K3,
}

/// The ratio π_old / sampler as a constant weight of the policy's part.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Correction {
    pub level: Level,
    /// Beyond its bounds a ratio becomes 0 instead of the bound.
    pub mask: bool,
    pub bounds: Bounds,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Normalisation {
    /// Mean over the tokens of a rollout, then over rollouts.
    SequenceMean,
    /// Sum over the tokens of a rollout, mean over rollouts.
    SequenceSum,
    /// Mean over all tokens of the batch.
    TokenMean,
    /// Mean over the tokens of `local_rollouts` rollouts, then over such blocks.
    LocalTokenMean,
    /// Sum over tokens, divided by rollouts × this length.
    Constant { length: f64 },
}

impl Objective {
    pub fn grpo(&self) -> Option<&Grpo> {
        match self {
            Self::Grpo(grpo) => Some(grpo),
            Self::Supervised => None,
        }
    }

    pub fn temperature(&self) -> f64 {
        self.grpo().map_or(1.0, |grpo| grpo.temperature)
    }

    pub fn epochs(&self) -> usize {
        self.grpo().map_or(1, |grpo| grpo.epochs)
    }

    pub fn beta(&self) -> f64 {
        self.grpo().map_or(0.0, |grpo| grpo.beta)
    }

    pub fn entropy_coefficient(&self) -> f64 {
        self.grpo().map_or(0.0, |grpo| grpo.entropy_coefficient)
    }

    pub fn has_entropy_bonus(&self) -> bool {
        self.grpo().is_some_and(Grpo::has_entropy_bonus)
    }

    /// ρ below 1.
    pub fn top_entropy_share(&self) -> Option<f64> {
        self.grpo().map(|grpo| grpo.top_entropy_share).filter(|&share| share < 1.0)
    }

    pub fn uses_rollout_logprobs(&self) -> bool {
        self.grpo().is_some_and(|grpo| grpo.use_rollout_logprobs)
    }

    /// The trainer's own log-probabilities before the update are asked for.
    pub fn uses_old_logprobs(&self) -> bool {
        self.grpo().is_some_and(|grpo| !grpo.use_rollout_logprobs)
    }

    pub fn needs_behaviour(&self) -> bool {
        self.grpo().is_some_and(|grpo| grpo.use_rollout_logprobs || grpo.correction.is_some())
    }

    /// Whether a trained token of a sequence with this advantage can move a weight: without a KL penalty and an entropy
    /// bonus, an advantage of zero makes every loss above zero whatever the policy does.
    pub fn learns_from(&self, advantage: f32) -> bool {
        self.grpo().is_none_or(|grpo| advantage != 0.0 || grpo.beta != 0.0 || grpo.has_entropy_bonus())
    }
}
