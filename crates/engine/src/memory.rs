//! Estimates a policy's memory from its config and the headers of its files, and allocates nothing.
//!
//! Every term below is one allocation of the code that it names. An estimate is therefore wrong when that code changes and
//! this file does not: `bench/memory.ts` compares both.

mod adapted;

use self::adapted::Adapted;
use crate::backend::torch::{CAPACITY_STEP, SLOT_STEP};
use crate::error::Result;
use crate::io::notices::Notices;
use crate::model::config::DecoderConfig;
use crate::model::layout::elements;
use crate::model::model_files::open_model;
use crate::placement;
use crate::placement::Dtype;
use crate::policy::{default_slots, uses_kernels, LoadOptions};
use std::path::Path;
use tch::Device;

/// The sizes of generation and training.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    pub prompts: usize,
    pub group_size: usize,
    pub prompt_tokens: usize,
    pub new_tokens: usize,
    pub microbatch_tokens: usize,
    pub logits_bytes: usize,
    pub gradient_checkpointing: bool,
    /// Checkpoints are written from a copy in host memory, whose buffers are reused.
    pub asynchronous_saving: bool,
}

/// The estimate, in bytes, but for `parameters` and the flags.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Memory {
    pub parameters: u64,
    pub kernels: bool,
    pub on_device: bool,
    /// The process before it loads a model: Node, the addon and libtorch.
    pub base: u64,
    pub weights: u64,
    /// Packed weights of the kernels.
    pub packed: u64,
    pub reference: u64,
    /// An adapter's parameters, and the frozen weights beside the merged ones.
    pub adapter: u64,
    pub tokenizer: u64,
    pub gradient: u64,
    pub optimizer: u64,
    pub kv_cache: u64,
    /// The temporaries of one decoding step.
    pub decoding: u64,
    pub activations: u64,
    pub logits: u64,
    /// The copy that checkpoints are written from, in host memory.
    pub save_copy: u64,
    pub peak_load: u64,
    pub peak_generate: u64,
    pub peak_update: u64,
    /// During an update while a checkpoint is written.
    pub peak_save: u64,
}

/// Measured resident memory of Node with the addon, libtorch and one small policy. The CUDA context is extra and not
/// counted: the driver decides its size.
const BASE: u64 = 210 << 20;
/// Bytes of a parsed tokenizer per byte of its file: tokens and merges are in hash maps.
const TOKENIZER_FACTOR: u64 = 8;

/// @error when the folder's config or weights cannot be read, or the options do not fit the model.
pub fn estimate(folder: &Path, options: &LoadOptions, workload: &Workload) -> Result<Memory> {
    let (config, files) = open_model(folder, &mut Notices::default())?;
    files.check_size(&config)?;
    let device = placement::parse(&options.device)?;
    let tokenizer = std::fs::metadata(folder.join("tokenizer.json")).map_or(0, |data| data.len());
    let parameters = elements(&config) as u64;
    let kernels = uses_kernels(options, options.lora.as_ref(), device, parameters as usize)?;
    let threads = if options.threads == 0 { placement::default_threads() } else { options.threads };
    let on_device = device != Device::Cpu;
    let adapted = options.lora.as_ref().map(|lora| Adapted::new(&config, lora)).transpose()?;
    let plan = Plan { config: &config, options, workload, kernels, on_device, threads, parameters, adapted };
    let mut memory = Memory {
        parameters,
        kernels,
        on_device,
        base: BASE,
        weights: plan.weights(),
        packed: if kernels { plan.packed() } else { 0 },
        // The reference of an adapter needs no second copy of the weights.
        reference: if options.reference && options.lora.is_none() { plan.weights() } else { 0 },
        adapter: plan.adapter(),
        tokenizer: TOKENIZER_FACTOR * tokenizer,
        kv_cache: plan.kv_cache(),
        decoding: plan.decoding(),
        ..Memory::default()
    };
    let held = memory.base + memory.weights + memory.packed + memory.reference + memory.adapter + memory.tokenizer;
    memory.peak_load = held;
    memory.peak_generate = held + memory.kv_cache + memory.decoding;
    if options.trainable {
        memory.gradient = plan.gradient();
        memory.optimizer = 2 * width(options.state_dtype) * plan.trained();
        (memory.activations, memory.logits) = plan.update();
        memory.peak_update = held + memory.gradient + memory.optimizer + memory.activations + memory.logits;
        memory.save_copy = if workload.asynchronous_saving { plan.save_copy(memory.reference > 0) } else { 0 };
        memory.peak_save = memory.peak_update + memory.save_copy;
    }
    Ok(memory)
}

fn width(dtype: Dtype) -> u64 {
    match dtype {
        Dtype::Fp32 => 4,
        Dtype::Bf16 => 2,
    }
}

struct Plan<'a> {
    config: &'a DecoderConfig,
    options: &'a LoadOptions,
    workload: &'a Workload,
    kernels: bool,
    on_device: bool,
    threads: usize,
    parameters: u64,
    adapted: Option<Adapted>,
}

impl Plan<'_> {
    /// `Parameters`: fp32 when trained, and a rounded copy in bf16.
    fn weights(&self) -> u64 {
        let bytes = match (self.options.dtype, self.options.trainable && self.options.lora.is_none()) {
            (Dtype::Fp32, _) => 4,
            (Dtype::Bf16, true) => 6,
            (Dtype::Bf16, false) => 2,
        };
        bytes * self.parameters
    }

    /// Number of parameters that the optimizer updates.
    fn trained(&self) -> u64 {
        self.adapted.as_ref().map_or(self.parameters, |adapted| adapted.factors)
    }

    /// `Adapter`: A and B in fp32, and the frozen matrices beside the merged ones.
    fn adapter(&self) -> u64 {
        self.adapted.as_ref().map_or(0, |adapted| 4 * adapted.factors + width(self.options.dtype) * adapted.matrices)
    }

    /// `Snapshot`: the trained parameters in fp32, their moments, and the reference.
    fn save_copy(&self, reference: bool) -> u64 {
        let reference = if reference { 4 * self.parameters } else { 0 };
        (4 + 2 * width(self.options.state_dtype)) * self.trained() + reference
    }

    /// `KernelDecoder`: every weight once; a tied head and its embedding are stored separately.
    fn packed(&self) -> u64 {
        let config = self.config;
        let table = if config.tied_head { config.vocab_size * config.hidden_size } else { 0 };
        4 * (self.parameters + table as u64)
    }

    /// One number per trained parameter. Kernels also hold the gradient of all weights, one partial gradient per thread,
    /// and the trainer's packed and transposed weights.
    fn gradient(&self) -> u64 {
        if !self.kernels {
            let bytes = if self.options.lora.is_some() { 4 } else { width(self.options.dtype) };
            return bytes * self.trained();
        }
        let parts = if self.threads > 1 { self.threads as u64 } else { 0 };
        2 * self.packed() + 4 * self.parameters * (1 + parts) + 4 * self.trained()
    }

    fn completions(&self) -> usize {
        let slots = match self.options.slots {
            0 => default_slots(self.kernels, self.threads),
            slots => slots,
        };
        slots.min(self.workload.prompts * self.workload.group_size)
    }

    /// Kernels: each completion's new tokens, each prompt once. libtorch: every slot also holds its prompt, and the old and
    /// the new tensors coexist while slots are added.
    fn kv_cache(&self) -> u64 {
        let (config, load) = (self.config, self.workload);
        let token = (2 * config.layers * config.kv_width()) as u64 * width(self.options.dtype);
        let (running, prompts) = (self.completions(), load.prompts.min(self.completions().div_ceil(load.group_size)));
        let shared = (prompts * load.prompt_tokens) as u64 * token;
        if self.kernels {
            let positions = running * (load.new_tokens.next_multiple_of(16) + 16);
            return shared + positions as u64 * token;
        }
        let slots = running.next_multiple_of(SLOT_STEP);
        let capacity = (load.prompt_tokens + load.new_tokens).next_multiple_of(CAPACITY_STEP);
        shared + ((2 * slots - SLOT_STEP.min(slots)) * capacity) as u64 * token
    }

    /// Logits and the temporaries of sampling; prompts are computed one at a time.
    fn decoding(&self) -> u64 {
        let (config, load) = (self.config, self.workload);
        let rows = self.completions() as u64;
        let vocabulary = config.vocab_size as u64;
        if self.kernels {
            let pass = 32.min(rows) * self.threads as u64;
            return 4 * pass * (vocabulary + 4 * config.intermediate_size as u64);
        }
        // oneDNN reorders a bf16 weight before it multiplies by it; the head is the largest.
        let reordered = match (self.options.dtype, self.on_device) {
            (Dtype::Bf16, false) => 2 * vocabulary * config.hidden_size as u64,
            _ => 0,
        };
        // logits in two precisions, log-softmax, then exp and its sum in fp64
        let sampling = rows * vocabulary * (width(self.options.dtype) + 4 + 4 + 8 + 8 + 8);
        let prefill = load.prompt_tokens as u64 * self.layer_row(load.prompt_tokens) * width(self.options.dtype);
        sampling.max(prefill) + reordered
    }

    /// Numbers that one layer computes for a row that attends to `keys` positions: two norms of three each (input, scaled,
    /// weighted), query and key before and after rotation and scaling, attention weights and output, gate, up and their
    /// product.
    fn layer_row(&self, keys: usize) -> u64 {
        let config = self.config;
        let (width, query, key) = (config.hidden_size, config.attention_width(), config.kv_width());
        (6 * width + 4 * query + 3 * key + 4 * config.intermediate_size + config.heads * keys) as u64
    }

    /// (activations, logits) of the largest microbatch.
    fn update(&self) -> (u64, u64) {
        let (config, load) = (self.config, self.workload);
        let group = load.prompt_tokens + load.group_size * load.new_tokens;
        let groups = (load.microbatch_tokens / group.max(1)).clamp(1, load.prompts);
        let rows = (groups * group).min(load.microbatch_tokens.max(load.prompt_tokens + load.new_tokens)) as u64;
        let tokens = (rows as usize).saturating_sub(groups * load.prompt_tokens) as u64;
        let keys = load.prompt_tokens + load.new_tokens;
        let bytes = width(self.options.dtype);
        let layers = config.layers as u64;
        let row = self.layer_row(keys);
        let kept = if load.gradient_checkpointing { layers * config.hidden_size as u64 + row } else { layers * row };
        let at_once = tokens.min((load.logits_bytes / (4 * config.vocab_size)).max(1) as u64);
        let logits = at_once * config.vocab_size as u64 * 4;
        if self.kernels {
            // The tape, the probabilities and their gradient.
            return (rows * kept * bytes, 2 * logits);
        }
        // Logits, log-softmax, its exponential for the entropy, and two gradients.
        (rows * kept * bytes, 5 * logits)
    }
}
