//! Options and facts of policies.

use super::checked::{finite, whole, Keys, Known};
use super::rules::TokenRules;
use super::unknown;
use exit_rl_engine::error::{EngineError, Result};
use exit_rl_engine::model::lora::merge::Merged;
use exit_rl_engine::model::lora::patterns::Patterns;
use exit_rl_engine::model::lora::settings::LoraSettings;
use exit_rl_engine::placement;
use exit_rl_engine::placement::{BackendChoice, Dtype};
use exit_rl_engine::policy;
use napi_derive::napi;
use std::collections::BTreeMap;
use std::path::PathBuf;

#[napi(object, object_to_js = false)]
pub struct LoadOptions {
    /// `auto`, `cpu`, `cuda` or `cuda:N`.
    pub device: String,
    /// `fp32` or `bf16`.
    pub dtype: String,
    /// 0: one per core.
    pub threads: f64,
    /// Keeps a reference policy, for the KL penalty.
    pub reference: bool,
    /// Completions generated at a time; 0 chooses for the backend.
    pub slots: f64,
    /// `auto`, `kernels` (fp32 on the CPU) or `torch`.
    pub backend: String,
    /// False keeps nothing for updates; a bf16 policy then has no fp32 copy of its weights.
    pub trainable: bool,
    /// The precision of the optimizer's moments: `fp32` or `bf16`.
    pub state_dtype: String,
    /// Trains an adapter instead of the weights.
    #[napi(ts_type = "LoraOptions")]
    pub lora: Option<Known<LoraOptions>>,
    /// A PEFT folder with the initial adapter.
    pub adapter: Option<String>,
}

#[napi(object, object_to_js = false)]
pub struct LoraOptions {
    pub rank: f64,
    pub alpha: f64,
    pub dropout: f64,
    /// Suffixes of module paths; absent: every linear module but the head.
    pub target_modules: Option<Vec<String>>,
    /// Scales by α/√rank instead of α/rank.
    pub rank_stabilised: bool,
    /// Trains the magnitude of every row apart from its direction (DoRA).
    pub dora: bool,
    /// Ranks of the modules whose path a pattern matches.
    pub rank_pattern: BTreeMap<String, f64>,
    /// Alphas of the modules whose path a pattern matches.
    pub alpha_pattern: BTreeMap<String, f64>,
    /// Ends of the paths of modules that are trained in full.
    pub modules_to_save: Vec<String>,
    /// Determines the initial A and every dropout mask.
    pub seed: f64,
}

#[napi(object)]
pub struct PolicyInfo {
    pub parameters: f64,
    /// All parameters, or those of the adapter.
    pub trained_parameters: f64,
    pub vocabulary_size: u32,
    pub context_length: u32,
    pub end_token_ids: Vec<u32>,
    pub device: String,
    pub dtype: String,
    /// `avx512`, `avx2`, `portable` or `torch`.
    pub backend: String,
    pub threads: u32,
    pub has_reference: bool,
    /// One line for each thing that the folder holds and nobody reads.
    pub notices: Vec<String>,
    /// The rules of generation_config.json for generated tokens.
    pub generation_config: TokenRules,
    /// Its keys that transformers' `generate` would compute and the engine does not.
    pub unsupported_generation_keys: Vec<String>,
}

#[napi(object)]
pub struct NativeMerged {
    /// The number of adapted weights.
    pub weights: u32,
    /// One line for each thing that the folders hold and nobody reads.
    pub notices: Vec<String>,
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
    /// The vector instructions of the kernels: `avx512`, `avx2` or `portable`.
    pub instructions: String,
    pub threads: u32,
}

impl Keys for LoadOptions {
    const KEYS: &'static [&'static str] =
        &["device", "dtype", "threads", "reference", "slots", "backend", "trainable", "stateDtype", "lora", "adapter"];
}

impl Keys for LoraOptions {
    const KEYS: &'static [&'static str] = &[
        "rank",
        "alpha",
        "dropout",
        "targetModules",
        "rankStabilised",
        "seed",
        "dora",
        "rankPattern",
        "alphaPattern",
        "modulesToSave",
    ];
}

impl LoadOptions {
    pub fn into_engine(self) -> Result<policy::LoadOptions> {
        let (dtype, state_dtype) = (dtype("dtype", &self.dtype)?, dtype("stateDtype", &self.state_dtype)?);
        let backend = backend(&self.backend)?;
        let threads = whole::<u32>("threads", self.threads)? as usize;
        let slots = whole::<u32>("slots", self.slots)? as usize;
        let (device, reference, trainable) = (self.device, self.reference, self.trainable);
        let lora = self.lora.map(|Known(lora)| lora.into_engine()).transpose()?;
        let adapter = self.adapter.map(PathBuf::from);
        Ok(policy::LoadOptions {
            device,
            dtype,
            threads,
            reference,
            slots,
            backend,
            trainable,
            state_dtype,
            lora,
            adapter,
        })
    }
}

impl LoraOptions {
    fn into_engine(self) -> Result<LoraSettings> {
        let rank = |(pattern, rank): (String, f64)| {
            whole::<u32>(&format!("lora.rankPattern.{pattern}"), rank).map(|rank| (pattern, rank as usize))
        };
        let ranks = self.rank_pattern.into_iter().map(rank).collect::<Result<Vec<_>>>()?;
        let alpha = |(pattern, alpha): (String, f64)| {
            finite(&format!("lora.alphaPattern.{pattern}"), alpha).map(|alpha| (pattern, alpha))
        };
        let alphas = self.alpha_pattern.into_iter().map(alpha).collect::<Result<Vec<_>>>()?;
        Ok(LoraSettings {
            rank: whole::<u32>("lora.rank", self.rank)? as usize,
            alpha: finite("lora.alpha", self.alpha)?,
            dropout: finite("lora.dropout", self.dropout)?,
            targets: self.target_modules,
            rslora: self.rank_stabilised,
            dora: self.dora,
            rank_pattern: patterns("lora.rankPattern", ranks)?,
            alpha_pattern: patterns("lora.alphaPattern", alphas)?,
            modules_to_save: self.modules_to_save,
            seed: whole("lora.seed", self.seed)?,
        })
    }
}

fn patterns<Value>(key: &str, values: impl IntoIterator<Item = (String, Value)>) -> Result<Patterns<Value>> {
    Patterns::new(values).map_err(|reason| EngineError::invalid(key, reason))
}

pub fn dtype(key: &str, name: &str) -> Result<Dtype> {
    match name {
        "fp32" => Ok(Dtype::Fp32),
        "bf16" => Ok(Dtype::Bf16),
        other => Err(unknown(key, other, "fp32 and bf16")),
    }
}

pub fn dtype_name(dtype: Dtype) -> String {
    if dtype == Dtype::Fp32 { "fp32" } else { "bf16" }.into()
}

pub fn backend(name: &str) -> Result<BackendChoice> {
    match name {
        "auto" => Ok(BackendChoice::Auto),
        "kernels" => Ok(BackendChoice::Kernels),
        "torch" => Ok(BackendChoice::Torch),
        other => Err(unknown("backend", other, "auto, kernels and torch")),
    }
}

impl From<&policy::PolicyInfo> for PolicyInfo {
    fn from(info: &policy::PolicyInfo) -> Self {
        Self {
            parameters: info.parameters as f64,
            trained_parameters: info.trained_parameters as f64,
            vocabulary_size: info.vocabulary as u32,
            context_length: info.context_length as u32,
            end_token_ids: info.end_tokens.clone(),
            device: info.device.clone(),
            dtype: dtype_name(info.dtype),
            backend: info.backend.into(),
            threads: info.threads as u32,
            has_reference: info.has_reference,
            notices: info.notices.clone(),
            generation_config: TokenRules::from(&info.generation_config.rules),
            unsupported_generation_keys: info.generation_config.unsupported.clone(),
        }
    }
}

impl From<Merged> for NativeMerged {
    fn from(merged: Merged) -> Self {
        Self { weights: merged.weights as u32, notices: merged.notices }
    }
}

impl From<policy::Stats> for PolicyStats {
    fn from(stats: policy::Stats) -> Self {
        Self { generated_tokens: stats.generated_tokens as f64, waiting_requests: stats.waiting_requests as u32 }
    }
}

impl From<placement::EngineInfo> for EngineInfo {
    fn from(info: placement::EngineInfo) -> Self {
        Self {
            cuda_available: info.cuda_available,
            cuda_devices: info.cuda_devices as u32,
            instructions: info.instructions.into(),
            threads: info.threads as u32,
        }
    }
}
