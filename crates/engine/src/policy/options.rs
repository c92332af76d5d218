//! The options of a policy, and the backend and slots that follow from them.

use crate::error::{EngineError, Result};
use crate::model::lora::settings::LoraSettings;
use crate::placement::{BackendChoice, Dtype};
use std::path::PathBuf;
use tch::Device;

/// The kernels reach full speed with one pass of rows; more would only push keys and values out of the cache.
const SLOTS_PER_THREAD: usize = 32;
/// Beyond this many parameters `auto` chooses libtorch: kernels hold packed copies of the weights, three more in training,
/// and they only save the cost of small calls (docs/models.md).
pub const MOST_FOR_KERNELS: usize = 64 << 20;
/// libtorch calls cost about the same for many rows as for few.
const TORCH_SLOTS: usize = 256;

#[derive(Debug, Clone, PartialEq)]
pub struct LoadOptions {
    /// `auto`, `cpu`, `cuda`, `cuda:N`.
    pub device: String,
    pub dtype: Dtype,
    /// 0: one per core.
    pub threads: usize,
    /// Keeps a reference policy for the KL penalty.
    pub reference: bool,
    /// Completions generated at a time; 0 chooses for the backend.
    pub slots: usize,
    pub backend: BackendChoice,
    /// False keeps nothing for updates.
    pub trainable: bool,
    /// The precision of the optimizer's moments.
    pub state_dtype: Dtype,
    /// Trains an adapter instead of the weights.
    pub lora: Option<LoraSettings>,
    /// A PEFT folder with the initial adapter.
    pub adapter: Option<PathBuf>,
}

pub fn default_slots(kernels: bool, threads: usize) -> usize {
    if kernels {
        SLOTS_PER_THREAD * threads
    } else {
        TORCH_SLOTS
    }
}

/// Whether the kernels compute a model of `size` parameters, with an adapter or without.
///
/// @error when the kernels are requested and cannot compute it.
pub fn uses_kernels(options: &LoadOptions, lora: Option<&LoraSettings>, device: Device, size: usize) -> Result<bool> {
    let dropout = options.trainable && lora.is_some_and(|lora| lora.dropout > 0.0);
    let possible = device == Device::Cpu && options.dtype == Dtype::Fp32 && !dropout;
    match options.backend {
        BackendChoice::Auto => Ok(possible && size <= MOST_FOR_KERNELS),
        BackendChoice::Torch => Ok(false),
        BackendChoice::Kernels if possible => Ok(true),
        BackendChoice::Kernels => Err(EngineError::invalid(
            "backend",
            "the kernels compute fp32 on the CPU only, without dropout; use `torch`",
        )),
    }
}
