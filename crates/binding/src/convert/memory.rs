//! Estimates of memory.

use exit_rl_engine::memory;
use napi_derive::napi;

#[napi(object)]
pub struct MemoryWorkload {
    /// Prompts generated and trained together.
    pub prompts: u32,
    pub group_size: u32,
    pub prompt_tokens: u32,
    pub new_tokens: u32,
    pub microbatch_tokens: u32,
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

impl From<MemoryWorkload> for memory::Workload {
    fn from(load: MemoryWorkload) -> Self {
        Self {
            prompts: load.prompts as usize,
            group_size: load.group_size as usize,
            prompt_tokens: load.prompt_tokens as usize,
            new_tokens: load.new_tokens as usize,
            microbatch_tokens: load.microbatch_tokens as usize,
            logits_bytes: load.logits_bytes as usize,
            gradient_checkpointing: load.gradient_checkpointing,
            asynchronous_saving: load.asynchronous_saving,
        }
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
