//! Estimates of memory.

use super::checked::{whole, Keys};
use exit_rl_engine::error::Result;
use exit_rl_engine::memory;
use napi_derive::napi;

#[napi(object, object_to_js = false)]
pub struct MemoryWorkload {
    /// Prompts generated and trained together.
    pub prompts: f64,
    pub group_size: f64,
    pub prompt_tokens: f64,
    pub new_tokens: f64,
    pub microbatch_tokens: f64,
    pub logits_bytes: f64,
    pub gradient_checkpointing: bool,
    /// Checkpoints are written from a copy while training continues.
    pub asynchronous_saving: bool,
}

/// The estimate in bytes, but for `parameters`, `backend` and `onDevice`.
#[napi(object)]
pub struct MemoryEstimate {
    pub parameters: f64,
    /// `kernels` or `torch`.
    pub backend: String,
    /// True when everything but `base`, `tokenizer` and `saveCopy` is memory of the device.
    pub on_device: bool,
    pub base: f64,
    pub weights: f64,
    pub packed: f64,
    pub reference: f64,
    pub adapter: f64,
    pub tokenizer: f64,
    pub gradient: f64,
    pub optimizer: f64,
    pub kv_cache: f64,
    pub decoding: f64,
    pub activations: f64,
    pub logits: f64,
    /// Always in host memory.
    pub save_copy: f64,
    pub peak_load: f64,
    pub peak_generate: f64,
    /// 0 when the policy is not trained.
    pub peak_update: f64,
    /// During an update after the first asynchronous save, while one is written.
    pub peak_save: f64,
}

impl Keys for MemoryWorkload {
    const KEYS: &'static [&'static str] = &[
        "prompts",
        "groupSize",
        "promptTokens",
        "newTokens",
        "microbatchTokens",
        "logitsBytes",
        "gradientCheckpointing",
        "asynchronousSaving",
    ];
}

impl MemoryWorkload {
    pub fn into_engine(self) -> Result<memory::Workload> {
        let count = |key: &str, value: f64| whole::<u32>(key, value).map(|count| count as usize);
        Ok(memory::Workload {
            prompts: count("prompts", self.prompts)?,
            group_size: count("groupSize", self.group_size)?,
            prompt_tokens: count("promptTokens", self.prompt_tokens)?,
            new_tokens: count("newTokens", self.new_tokens)?,
            microbatch_tokens: count("microbatchTokens", self.microbatch_tokens)?,
            logits_bytes: whole("logitsBytes", self.logits_bytes)?,
            gradient_checkpointing: self.gradient_checkpointing,
            asynchronous_saving: self.asynchronous_saving,
        })
    }
}

impl From<memory::Memory> for MemoryEstimate {
    fn from(memory: memory::Memory) -> Self {
        Self {
            parameters: memory.parameters as f64,
            backend: if memory.kernels { "kernels" } else { "torch" }.into(),
            on_device: memory.on_device,
            base: memory.base as f64,
            weights: memory.weights as f64,
            packed: memory.packed as f64,
            reference: memory.reference as f64,
            adapter: memory.adapter as f64,
            tokenizer: memory.tokenizer as f64,
            gradient: memory.gradient as f64,
            optimizer: memory.optimizer as f64,
            kv_cache: memory.kv_cache as f64,
            decoding: memory.decoding as f64,
            activations: memory.activations as f64,
            logits: memory.logits as f64,
            save_copy: memory.save_copy as f64,
            peak_load: memory.peak_load as f64,
            peak_generate: memory.peak_generate as f64,
            peak_update: memory.peak_update as f64,
            peak_save: memory.peak_save as f64,
        }
    }
}
