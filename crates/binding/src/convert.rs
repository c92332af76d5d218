//! JavaScript's objects and the engine's, one conversion each.

use exit_rl_engine::device;
use exit_rl_engine::embed::{Ngrams, Unit};
use exit_rl_engine::error::{EngineError, Result};
use exit_rl_engine::generate::sampler::Sampling;
use exit_rl_engine::generate::scheduler::{Completion, Request};
use exit_rl_engine::policy;
use exit_rl_engine::tokenizer::Tokenizer;
use exit_rl_engine::train::batch;
use exit_rl_engine::train::objective::{Grpo, Normalisation, Objective};
use exit_rl_engine::train::optimizer::OptimizerSettings;
use exit_rl_engine::train::update::UpdateSettings;
use exit_rl_shim::AdamW;
use napi::bindgen_prelude::*;
use napi_derive::napi;
use std::sync::atomic::AtomicBool;
use std::sync::Arc;

#[napi(object)]
pub struct LoadOptions {
    /// `auto`, `cpu`, `cuda` or `cuda:N`.
    pub device: String,
    /// `fp32` or `bf16`.
    pub dtype: String,
    /// 0: as many as there are cores.
    pub threads: u32,
    /// Keeps a reference policy, for the KL penalty.
    pub reference: bool,
    /// Completions generated at a time; 0 chooses for the backend.
    pub slots: u32,
    /// `auto`, `kernels` (own, fp32 on the CPU) or `torch`.
    pub backend: String,
}

#[napi(object)]
pub struct PolicyInfo {
    pub parameters: f64,
    pub vocabulary_size: u32,
    pub context_length: u32,
    pub end_token_ids: Vec<u32>,
    pub device: String,
    pub dtype: String,
    /// `avx512`, `avx2`, `portable` or `torch`.
    pub backend: String,
    pub threads: u32,
    pub has_reference: bool,
}

#[napi(object)]
pub struct PolicyStats {
    pub generated_tokens: f64,
    pub waiting_requests: u32,
}

#[napi(object)]
pub struct EngineInfo {
    pub cuda_available: bool,
    pub cuda_devices: u32,
    /// Vector instructions of the decoding kernels.
    pub instructions: String,
    pub threads: u32,
}

/// List i is `tokens[offsets[i] .. offsets[i + 1]]`.
#[napi(object)]
pub struct Ragged {
    pub tokens: Int32Array,
    pub offsets: Uint32Array,
}

#[napi(object)]
pub struct NativeGenerateRequest {
    /// Token ids.
    pub prompt: Int32Array,
    pub n: u32,
    pub temperature: f64,
    /// 0 keeps all.
    pub top_k: u32,
    /// 1 keeps all.
    pub top_p: f64,
    /// 0 keeps all.
    pub min_p: f64,
    pub max_new_tokens: u32,
    /// Beside the folder's own end tokens.
    pub stop_token_ids: Vec<u32>,
    /// Generate past end tokens, for benchmarks of fixed length.
    pub ignore_end_tokens: bool,
    /// With `requestId`, completion and position it decides every random number; whole numbers below 2^53.
    pub seed: f64,
    pub request_id: f64,
    /// For `cancel`; 0 cannot be cancelled.
    pub ticket: f64,
}

#[napi(object)]
pub struct NativeGenerated {
    pub tokens: Int32Array,
    pub offsets: Uint32Array,
    /// One per token.
    pub logprobs: Float32Array,
    /// Without special tokens.
    pub texts: Vec<String>,
    /// Per completion: ended by an end token (else by length).
    pub stopped: Vec<bool>,
}

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

#[napi(object)]
pub struct NgramOptions {
    /// `word` or `character`.
    pub unit: String,
    pub minimum: u32,
    pub maximum: u32,
    pub dimension: u32,
}

impl LoadOptions {
    pub fn into_engine(self) -> Result<policy::LoadOptions> {
        let dtype = match self.dtype.as_str() {
            "fp32" => policy::Dtype::Fp32,
            "bf16" => policy::Dtype::Bf16,
            other => return Err(unknown("dtype", other, "fp32 and bf16")),
        };
        let backend = match self.backend.as_str() {
            "auto" => policy::BackendChoice::Auto,
            "kernels" => policy::BackendChoice::Kernels,
            "torch" => policy::BackendChoice::Torch,
            other => return Err(unknown("backend", other, "auto, kernels and torch")),
        };
        let (threads, slots) = (self.threads as usize, self.slots as usize);
        Ok(policy::LoadOptions { device: self.device, dtype, threads, reference: self.reference, slots, backend })
    }
}

fn unknown(key: &str, found: &str, choices: &str) -> EngineError {
    EngineError::invalid(key, format!("`{found}` is none of {choices}"))
}

impl From<&policy::PolicyInfo> for PolicyInfo {
    fn from(info: &policy::PolicyInfo) -> Self {
        Self {
            parameters: info.parameters as f64,
            vocabulary_size: info.vocabulary as u32,
            context_length: info.context_length as u32,
            end_token_ids: info.end_tokens.clone(),
            device: info.device.clone(),
            dtype: if info.dtype == policy::Dtype::Fp32 { "fp32" } else { "bf16" }.into(),
            backend: info.backend.into(),
            threads: info.threads as u32,
            has_reference: info.has_reference,
        }
    }
}

impl From<policy::Stats> for PolicyStats {
    fn from(stats: policy::Stats) -> Self {
        Self { generated_tokens: stats.generated_tokens as f64, waiting_requests: stats.waiting_requests as u32 }
    }
}

impl From<device::EngineInfo> for EngineInfo {
    fn from(info: device::EngineInfo) -> Self {
        Self {
            cuda_available: info.cuda_available,
            cuda_devices: info.cuda_devices as u32,
            instructions: info.instructions.into(),
            threads: info.threads as u32,
        }
    }
}

impl Ragged {
    pub fn from_lists(lists: &[Vec<u32>]) -> Self {
        let tokens: Vec<i32> = lists.iter().flatten().map(|&token| token as i32).collect();
        Self { tokens: Int32Array::new(tokens), offsets: Uint32Array::new(offsets(lists.iter().map(Vec::len))) }
    }
}

fn offsets(lengths: impl Iterator<Item = usize>) -> Vec<u32> {
    let ends = lengths.scan(0u32, |end, length| {
        *end += length as u32;
        Some(*end)
    });
    std::iter::once(0).chain(ends).collect()
}

pub fn ragged(tokens: &[i32], offsets: &[u32]) -> batch::Ragged {
    batch::Ragged { tokens: tokens.to_vec(), offsets: offsets.to_vec() }
}

impl NativeGenerateRequest {
    pub fn into_engine(
        self,
        end_tokens: &[u32],
        cancel: Arc<AtomicBool>,
        reply: impl FnOnce(Result<Vec<Completion>>) + Send + 'static,
    ) -> Request {
        let end_tokens = if self.ignore_end_tokens { &[] } else { end_tokens };
        Request {
            prompt: self.prompt.iter().map(|&token| token as u32).collect(),
            n: self.n as usize,
            sampling: Sampling {
                temperature: self.temperature,
                top_k: self.top_k as usize,
                top_p: self.top_p,
                min_p: self.min_p,
            },
            max_new_tokens: self.max_new_tokens as usize,
            stop_tokens: self.stop_token_ids.iter().chain(end_tokens).copied().collect(),
            seed: self.seed as u64,
            request_id: self.request_id as u64,
            cancel,
            reply: Box::new(reply),
        }
    }
}

pub fn generated(tokenizer: &Tokenizer, completions: &[Completion]) -> Result<NativeGenerated> {
    let texts: Result<Vec<_>> = completions.iter().map(|one| tokenizer.decode(&one.tokens, true)).collect();
    let tokens: Vec<i32> = completions.iter().flat_map(|one| &one.tokens).map(|&token| token as i32).collect();
    let logprobs: Vec<f32> = completions.iter().flat_map(|one| &one.logprobs).copied().collect();
    Ok(NativeGenerated {
        tokens: Int32Array::new(tokens),
        offsets: Uint32Array::new(offsets(completions.iter().map(|one| one.tokens.len()))),
        logprobs: Float32Array::new(logprobs),
        texts: texts?,
        stopped: completions.iter().map(|one| one.stopped).collect(),
    })
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
                clip_low: self.clip_epsilon_low,
                clip_high: self.clip_epsilon_high,
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
        })
    }
}

impl NgramOptions {
    pub fn into_engine(self) -> Result<Ngrams> {
        let unit = match self.unit.as_str() {
            "word" => Unit::Word,
            "character" => Unit::Character,
            other => return Err(unknown("unit", other, "word and character")),
        };
        let (minimum, maximum) = (self.minimum as usize, self.maximum as usize);
        let ngrams = Ngrams { unit, minimum, maximum, dimension: self.dimension as usize };
        ngrams.check()?;
        Ok(ngrams)
    }
}
