//! Batches and the settings of an update.

use super::{ragged, unknown};
use exit_rl_engine::error::{EngineError, Result};
use exit_rl_engine::train::batch;
use exit_rl_engine::train::network::LOGITS_BYTES;
use exit_rl_engine::train::objective::{Clip, Grpo, KlEstimator, Level, Loss, Normalisation, Objective};
use exit_rl_engine::train::optimizer::OptimizerSettings;
use exit_rl_engine::train::update::UpdateSettings;
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
    pub logprobs: Float32Array,
}

#[napi(object)]
pub struct NativeUpdateSettings {
    /// `grpo` or `supervised`; the next eight concern `grpo` alone.
    pub objective: String,
    pub clip_epsilon_low: f64,
    pub clip_epsilon_high: f64,
    pub beta: f64,
    /// `sequence-mean`, `token-mean` or `constant`.
    pub normalisation: String,
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
            behaviour: self.logprobs.to_vec(),
            step: Vec::new(),
        }
    }
}

impl NativeUpdateSettings {
    pub fn into_engine(self) -> Result<UpdateSettings> {
        if self.epochs == 0 {
            return Err(EngineError::invalid("epochs", "an update passes over its batch at least once"));
        }
        let normalisation = match self.normalisation.as_str() {
            "sequence-mean" => Normalisation::SequenceMean,
            "token-mean" => Normalisation::TokenMean,
            "constant" => Normalisation::Constant { length: f64::from(self.max_completion_length) },
            other => return Err(unknown("normalisation", other, "sequence-mean, token-mean and constant")),
        };
        let objective = match self.objective.as_str() {
            "supervised" => Objective::Supervised,
            "grpo" => Objective::Grpo(Grpo {
                loss: Loss::Clip(Clip {
                    low: self.clip_epsilon_low,
                    high: self.clip_epsilon_high,
                    delta: None,
                    dual: None,
                }),
                importance_ratio: Level::Token,
                kl_estimator: KlEstimator::K3,
                kl_ratio: false,
                entropy_coefficient: 0.0,
                correction: None,
                local_rollouts: 0,
                beta: self.beta,
                normalisation,
                temperature: self.temperature,
                epochs: self.epochs as usize,
                use_rollout_logprobs: self.use_rollout_logprobs,
            }),
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
            gradient_checkpointing: false,
            logits_bytes: LOGITS_BYTES,
        })
    }
}
