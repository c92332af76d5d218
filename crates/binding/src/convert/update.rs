//! Batches and the settings of updates.

use super::checked::{whole, Keys};
use super::ragged;
use exit_rl_engine::batch;
use exit_rl_engine::error::{EngineError, Result};
use exit_rl_engine::train::objective::{EntropyState, Objective};
use exit_rl_engine::train::optimizer::OptimizerSettings;
use exit_rl_engine::train::settings::UpdateSettings;
use exit_rl_shim::AdamW;
use napi::bindgen_prelude::*;
use napi_derive::napi;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

#[napi(object, object_to_js = false)]
pub struct NativeBatch {
    pub prompt_tokens: Int32Array,
    pub prompt_offsets: Uint32Array,
    pub tokens: Int32Array,
    pub offsets: Uint32Array,
    /// Per sequence: the index of its prompt; sequences of one prompt are adjacent.
    pub prompt: Uint32Array,
    /// Per sequence: the id of its rollout.
    pub rollout: Uint32Array,
    /// Per sequence.
    pub advantage: Float32Array,
    /// Per token: 1 trains it, 0 does not; empty trains all.
    pub mask: Uint8Array,
    /// Per token: its log-probability under the behaviour policy, in nats; empty when unknown.
    pub behaviour_logprobs: Float32Array,
    /// Per sequence: its optimizer step; empty when one step trains on all.
    pub step: Uint32Array,
}

/// The keys of `UpdateSettings` in `src/policy/settings.ts`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Settings {
    objective: Objective,
    temperature: f64,
    /// Absent before the first update.
    entropy_state: Option<EntropyState>,
    learning_rate: f64,
    adam_beta1: f64,
    adam_beta2: f64,
    adam_epsilon: f64,
    weight_decay: f64,
    max_grad_norm: f64,
    #[serde(deserialize_with = "whole_number")]
    microbatch_tokens: usize,
    gradient_checkpointing: bool,
    #[serde(deserialize_with = "whole_number")]
    logits_bytes: usize,
}

/// Numbers of 2^32 and more arrive as fractions.
fn whole_number<'de, D: Deserializer<'de>>(number: D) -> std::result::Result<usize, D::Error> {
    let value = f64::deserialize(number)?;
    whole("", value).map_err(|_| D::Error::custom(format!("{value} is not a whole number")))
}

impl Keys for NativeBatch {
    const KEYS: &'static [&'static str] = &[
        "promptTokens",
        "promptOffsets",
        "tokens",
        "offsets",
        "prompt",
        "rollout",
        "advantage",
        "mask",
        "behaviourLogprobs",
        "step",
    ];
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

/// Deserialises the settings of an update.
///
/// @error `INVALID_REQUEST` names the key that is missing, unknown, of the wrong type or out of range.
pub fn update_settings(settings: Value) -> Result<UpdateSettings> {
    let settings: Settings = serde_path_to_error::deserialize(settings)
        .map_err(|error| EngineError::invalid(&error.path().to_string(), error.inner().to_string()))?;
    let mut objective = settings.objective;
    objective.check()?;
    if let Some(state) = settings.entropy_state {
        objective.entropy.resume(state);
    }
    let adamw = AdamW {
        lr: settings.learning_rate,
        beta1: settings.adam_beta1,
        beta2: settings.adam_beta2,
        weight_decay: settings.weight_decay,
        eps: settings.adam_epsilon,
    };
    Ok(UpdateSettings {
        objective,
        temperature: settings.temperature,
        optimizer: OptimizerSettings { adamw, max_grad_norm: settings.max_grad_norm },
        microbatch_tokens: settings.microbatch_tokens,
        gradient_checkpointing: settings.gradient_checkpointing,
        logits_bytes: settings.logits_bytes,
    })
}
