//! How a policy is loaded, and what that decides.

use crate::error::{EngineError, Result};
use crate::model::lora::settings::LoraSettings;
use crate::placement::{BackendChoice, Dtype};
use std::path::PathBuf;
use tch::Device;

/// Own kernels are at full speed with one pass of rows; more would only push keys and values out of the cache.
const SLOTS_PER_THREAD: usize = 32;
/// Beyond this many numbers `auto` takes libtorch: own kernels hold packed copies, three more in training, and what they
/// gain is the cost of small calls (docs/models.md).
pub const MOST_FOR_KERNELS: usize = 64 << 20;
/// libtorch's calls cost the same for many rows as for few.
const TORCH_SLOTS: usize = 256;

#[derive(Debug, Clone, PartialEq)]
pub struct LoadOptions {
    /// `auto`, `cpu`, `cuda`, `cuda:N`.
    pub device: String,
    pub dtype: Dtype,
    /// 0: as many as there are cores.
    pub threads: usize,
    /// Keeps a reference policy for the KL penalty.
    pub reference: bool,
    /// Completions generated at a time; 0 chooses for the backend.
    pub slots: usize,
    pub backend: BackendChoice,
    /// False: nothing is kept for updates.
    pub trainable: bool,
    /// Of the optimizer's moments.
    pub state_dtype: Dtype,
    /// Trains an adapter in place of the weights.
    pub lora: Option<LoraSettings>,
    /// A PEFT folder to begin with.
    pub adapter: Option<PathBuf>,
}

pub fn default_slots(own_kernels: bool, threads: usize) -> usize {
    if own_kernels {
        SLOTS_PER_THREAD * threads
    } else {
        TORCH_SLOTS
    }
}

/// Whether our own kernels compute a model of `size` numbers, with an adapter or without.
pub fn own_kernels(options: &LoadOptions, lora: Option<&LoraSettings>, device: Device, size: usize) -> Result<bool> {
    let dropout = options.trainable && lora.is_some_and(|lora| lora.dropout > 0.0);
    let possible = device == Device::Cpu && options.dtype == Dtype::Fp32 && !dropout;
    match options.backend {
        BackendChoice::Auto => Ok(possible && size <= MOST_FOR_KERNELS),
        BackendChoice::Torch => Ok(false),
        BackendChoice::Kernels if possible => Ok(true),
        BackendChoice::Kernels => {
            Err(EngineError::invalid("backend", "own kernels compute fp32 on the CPU only, without dropout"))
        }
    }
}
