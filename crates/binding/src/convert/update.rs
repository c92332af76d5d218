//! Batches and the settings of an update.

use super::{ragged, unknown};
use exit_rl_engine::batch;
use exit_rl_engine::error::{EngineError, Result};
use exit_rl_engine::train::objective::{
    Bounds, Clip, Correction, EntropyControl, Gamma, Grpo, KlEstimator, Level, Loss, Normalisation, Objective, Vespo,
};
use exit_rl_engine::train::optimizer::OptimizerSettings;
use exit_rl_engine::train::settings::UpdateSettings;
use exit_rl_shim::AdamW;
use napi::bindgen_prelude::*;
use napi_derive::napi;

#[napi(object)]
pub struct NativeBatch {
    pub prompt_tokens: Int32Array,
    pub prompt_offsets: Uint32Array,
    pub tokens: Int32Array,
    pub offsets: Uint32Array,
    /// Per sequence: its prompt; sequences of one prompt stand together.
    pub prompt: Uint32Array,
    /// Per sequence: its rollout.
    pub rollout: Uint32Array,
    /// Per sequence.
    pub advantage: Float32Array,
    /// Per token; empty trains all.
    pub mask: Uint8Array,
    /// Per token; empty when unknown.
    pub behaviour_logprobs: Float32Array,
    /// Per sequence: its optimizer step; empty when one takes all.
    pub step: Uint32Array,
}

/// The adaptive weight of the entropy bonus.
#[napi(object)]
pub struct NativeEntropyControl {
    pub target: f64,
    pub change: f64,
    pub min: f64,
    pub max: f64,
    /// Mean entropy of the step before; absent before the first.
    pub measured: Option<f64>,
}

#[napi(object)]
pub struct NativeUpdateSettings {
    /// `grpo` or `supervised`; what stands before the learning rate concerns `grpo` alone.
    pub objective: String,
    /// `clip`, `cispo`, `cispo-range`, `sapo` or `vespo`.
    pub loss: String,
    /// `token` or `sequence`.
    pub importance_ratio: String,
    pub clip_epsilon_low: f64,
    pub clip_epsilon_high: f64,
    pub delta: Option<f64>,
    pub dual_clip: Option<f64>,
    pub sapo_temperature_positive: f64,
    pub sapo_temperature_negative: f64,
    pub vespo_power_positive: f64,
    pub vespo_decay_positive: f64,
    pub vespo_power_negative: f64,
    pub vespo_decay_negative: f64,
    pub beta: f64,
    /// `k1`, `k2` or `k3`.
    pub kl_estimator: String,
    pub kl_ratio: bool,
    pub entropy_coefficient: f64,
    pub entropy_control: Option<NativeEntropyControl>,
    /// 1 keeps all tokens.
    pub top_entropy_share: f64,
    pub off_policy_threshold: Option<f64>,
    /// `none`, or `token-` or `sequence-` with `truncate` or `mask`.
    pub correction: String,
    pub correction_max: Option<f64>,
    pub correction_min: Option<f64>,
    /// `sequence-mean`, `sequence-sum`, `token-mean`, `local-token-mean` or `constant`.
    pub normalisation: String,
    pub local_rollouts: u32,
    pub max_completion_length: u32,
    pub temperature: f64,
    pub epochs: u32,
    pub use_rollout_logprobs: bool,
    pub learning_rate: f64,
    pub adam_beta1: f64,
    pub adam_beta2: f64,
    pub adam_epsilon: f64,
    pub weight_decay: f64,
    pub max_grad_norm: f64,
    pub microbatch_tokens: u32,
    pub gradient_checkpointing: bool,
    pub logits_bytes: f64,
}

impl NativeBatch {
    pub fn into_engine(self) -> batch::Batch {
        batch::Batch {
            prompts: ragged(&self.prompt_tokens, &self.prompt_offsets),
            sequences: ragged(&self.tokens, &self.offsets),
            prompt: self.prompt.to_vec(),
            rollout: self.rollout.to_vec(),
            advantage: self.advantage.to_vec(),
            mask: self.mask.to_vec(),
            behaviour_logprobs: self.behaviour_logprobs.to_vec(),
            step: self.step.to_vec(),
        }
    }
}

impl NativeUpdateSettings {
    pub fn into_engine(self) -> Result<UpdateSettings> {
        let objective = match self.objective.as_str() {
            "supervised" => Objective::Supervised,
            "grpo" => Objective::Grpo(Box::new(self.grpo()?)),
            other => return Err(unknown("objective", other, "grpo and supervised")),
        };
        let adamw = AdamW {
            lr: self.learning_rate,
            beta1: self.adam_beta1,
            beta2: self.adam_beta2,
            weight_decay: self.weight_decay,
            eps: self.adam_epsilon,
        };
        Ok(UpdateSettings {
            objective,
            optimizer: OptimizerSettings { adamw, max_grad_norm: self.max_grad_norm },
            microbatch_tokens: self.microbatch_tokens as usize,
            gradient_checkpointing: self.gradient_checkpointing,
            logits_bytes: self.logits_bytes as usize,
        })
    }

    fn grpo(&self) -> Result<Grpo> {
        if self.epochs == 0 {
            return Err(EngineError::invalid("epochs", "an update passes over its batch at least once"));
        }
        let kl_estimator = match self.kl_estimator.as_str() {
            "k1" => KlEstimator::K1,
            "k2" => KlEstimator::K2,
            "k3" => KlEstimator::K3,
            other => return Err(unknown("klEstimator", other, "k1, k2 and k3")),
        };
        Ok(Grpo {
            loss: self.loss()?,
            importance_ratio: level("importanceRatio", &self.importance_ratio)?,
            beta: self.beta,
            kl_estimator,
            kl_ratio: self.kl_ratio,
            entropy_coefficient: self.entropy_coefficient,
            entropy_control: self.entropy_control.as_ref().map(|control| EntropyControl {
                target: control.target,
                change: control.change,
                min: control.min,
                max: control.max,
                measured: control.measured,
            }),
            top_entropy_share: self.top_entropy_share,
            off_policy_threshold: self.off_policy_threshold,
            correction: self.correction()?,
            normalisation: self.normalisation()?,
            local_rollouts: self.local_rollouts as usize,
            temperature: self.temperature,
            epochs: self.epochs as usize,
            use_rollout_logprobs: self.use_rollout_logprobs,
        })
    }

    fn loss(&self) -> Result<Loss> {
        let (low, high) = (self.clip_epsilon_low, self.clip_epsilon_high);
        Ok(match self.loss.as_str() {
            "clip" => {
                if self.dual_clip.is_some_and(|c| c <= 1.0) {
                    return Err(EngineError::invalid("dualClip", "it bounds the loss only above 1"));
                }
                Loss::Clip(Clip { low, high, delta: self.delta, dual: self.dual_clip })
            }
            "cispo" => Loss::Cispo(Bounds { low: None, high: Some(high) }),
            "cispo-range" => Loss::Cispo(Bounds { low: Some(1.0 - low), high: Some(1.0 + high) }),
            "sapo" => Loss::Sapo {
                temperature_positive: self.sapo_temperature_positive,
                temperature_negative: self.sapo_temperature_negative,
            },
            "vespo" => Loss::Vespo(Vespo {
                positive: Gamma { k: self.vespo_power_positive, lambda: self.vespo_decay_positive },
                negative: Gamma { k: self.vespo_power_negative, lambda: self.vespo_decay_negative },
            }),
            other => return Err(unknown("loss", other, "clip, cispo, cispo-range, sapo and vespo")),
        })
    }

    fn normalisation(&self) -> Result<Normalisation> {
        Ok(match self.normalisation.as_str() {
            "sequence-mean" => Normalisation::SequenceMean,
            "sequence-sum" => Normalisation::SequenceSum,
            "token-mean" => Normalisation::TokenMean,
            "local-token-mean" => Normalisation::LocalTokenMean,
            "constant" => Normalisation::Constant { length: f64::from(self.max_completion_length) },
            other => {
                let choices = "sequence-mean, sequence-sum, token-mean, local-token-mean and constant";
                return Err(unknown("normalisation", other, choices));
            }
        })
    }

    fn correction(&self) -> Result<Option<Correction>> {
        if self.correction == "none" {
            return Ok(None);
        }
        let (of, how) = self.correction.split_once('-').unwrap_or((&self.correction, ""));
        let mask = match how {
            "mask" => true,
            "truncate" => false,
            _ => return Err(unknown("correction", &self.correction, "none, token- and sequence-truncate and -mask")),
        };
        let bounds = Bounds { low: self.correction_min, high: self.correction_max };
        Ok(Some(Correction { level: level("correction", of)?, mask, bounds }))
    }
}

fn level(key: &str, name: &str) -> Result<Level> {
    match name {
        "token" => Ok(Level::Token),
        "sequence" => Ok(Level::Sequence),
        other => Err(unknown(key, other, "token and sequence")),
    }
}
