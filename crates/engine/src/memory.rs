//! What a policy will take of memory, from its config and the headers of its files: nothing is allocated for it.
//!
//! P parameters · D width · Q query width · K key width · I inner width · V vocabulary · H heads. Every term below is one
//! allocation of the code it names, so an estimate is wrong where the code changes and this page does not:
//! `bench/memory.ts` measures both.

mod adapted;

use self::adapted::Adapted;
use crate::backend::torch::{CAPACITY_STEP, SLOT_STEP};
use crate::backend::LOGITS_BYTES;
use crate::error::Result;
use crate::model::config::DecoderConfig;
use crate::model::layout::elements;
use crate::model::weight_files::WeightFiles;
use crate::placement;
use crate::placement::Dtype;
use crate::policy::{default_slots, own_kernels, LoadOptions};
use std::path::Path;
use tch::Device;

/// What is generated and trained at a time.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    pub prompts: usize,
    pub group_size: usize,
    pub prompt_tokens: usize,
    pub new_tokens: usize,
    pub microbatch_tokens: usize,
    pub gradient_checkpointing: bool,
    /// Checkpoints are written from a copy in host memory, which is kept for the next one.
    pub asynchronous_saving: bool,
}

/// Bytes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Memory {
    pub parameters: u64,
    pub kernels: bool,
    pub on_device: bool,
    /// The process before any model: Node, the addon and libtorch.
    pub base: u64,
    pub weights: u64,
    /// Copies that own kernels compute with.
    pub packed: u64,
    pub reference: u64,
    /// An adapter's numbers, and the weights that it is added to apart from the merged ones.
    pub adapter: u64,
    pub tokenizer: u64,
    pub gradient: u64,
    pub optimizer: u64,
    pub kv_cache: u64,
    /// Of one decoding step.
    pub decoding: u64,
    pub activations: u64,
    pub logits: u64,
    /// What checkpoints are written from, in host memory.
    pub save_copy: u64,
    pub peak_load: u64,
    pub peak_generate: u64,
    pub peak_update: u64,
    /// Updating while a checkpoint is written.
    pub peak_save: u64,
}

/// Resident memory of Node with the addon and libtorch mapped and one small policy at work, measured; the context of CUDA
/// comes on top and is not counted: its size is the driver's.
const BASE: u64 = 210 << 20;
/// A parsed tokenizer by byte of its file: tokens and merges in hash maps.
const TOKENIZER_FACTOR: u64 = 8;

pub fn estimate(folder: &Path, options: &LoadOptions, workload: &Workload) -> Result<Memory> {
    let config = DecoderConfig::read(folder)?;
    let files = WeightFiles::open(folder)?;
    files.check_size(&config)?;
    let device = placement::parse(&options.device)?;
    let tokenizer = std::fs::metadata(folder.join("tokenizer.json")).map_or(0, |data| data.len());
    let parameters = elements(&config) as u64;
    let kernels = own_kernels(options, options.lora.as_ref(), device, parameters as usize)?;
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
        // An adapter brings its reference.
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
    /// `Parameters`: fp32 to be trained, and a rounded copy in bf16.
    fn weights(&self) -> u64 {
        let bytes = match (self.options.dtype, self.options.trainable && self.options.lora.is_none()) {
            (Dtype::Fp32, _) => 4,
            (Dtype::Bf16, true) => 6,
            (Dtype::Bf16, false) => 2,
        };
        bytes * self.parameters
    }

    /// Numbers that the optimizer updates.
    fn trained(&self) -> u64 {
        self.adapted.as_ref().map_or(self.parameters, |adapted| adapted.factors)
    }

    /// `Adapter`: A and B in fp32, and the frozen matrices beside the merged ones.
    fn adapter(&self) -> u64 {
        self.adapted.as_ref().map_or(0, |adapted| 4 * adapted.factors + width(self.options.dtype) * adapted.matrices)
    }

    /// `Snapshot`: the trained numbers in fp32, their moments, and the reference.
    fn save_copy(&self, reference: bool) -> u64 {
        let reference = if reference { 4 * self.parameters } else { 0 };
        (4 + 2 * width(self.options.state_dtype)) * self.trained() + reference
    }

    /// `KernelDecoder`: every weight once, a tied head and its embedding apart.
    fn packed(&self) -> u64 {
        let config = self.config;
        let table = if config.tied_head { config.vocab_size * config.hidden_size } else { 0 };
        4 * (self.parameters + table as u64)
    }

    /// One number for each that is trained. Own kernels: beside it the sum over all weights, every further thread's part,
    /// and the trainer's weights, packed and transposed.
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

    /// Own kernels: each completion's new tokens, each prompt once. libtorch: every slot holds its prompt as well, and
    /// while slots are added the old tensors and the new ones are there together.
    fn kv_cache(&self) -> u64 {
        let (config, load) = (self.config, self.workload);
        let token = (2 * config.layers * config.kv_width()) as u64 * width(self.options.dtype);
        let (running, prompts) = (self.completions(), load.prompts.min(self.completions().div_ceil(load.group_size)));
        let shared = (prompts * load.prompt_tokens) as u64 * token;
        if self.kernels {
            let own = running * (load.new_tokens.next_multiple_of(16) + 16);
            return shared + own as u64 * token;
        }
        let slots = running.next_multiple_of(SLOT_STEP);
        let capacity = (load.prompt_tokens + load.new_tokens).next_multiple_of(CAPACITY_STEP);
        shared + ((2 * slots - SLOT_STEP.min(slots)) * capacity) as u64 * token
    }

    /// Logits and what sampling makes of them; prompts are computed one at a time.
    fn decoding(&self) -> u64 {
        let (config, load) = (self.config, self.workload);
        let rows = self.completions() as u64;
        let vocabulary = config.vocab_size as u64;
        if self.kernels {
            let pass = 32.min(rows) * self.threads as u64;
            return 4 * pass * (vocabulary + 4 * config.intermediate_size as u64);
        }
        // oneDNN reorders a bf16 weight before it multiplies with it; the head is the largest.
        let reordered = match (self.options.dtype, self.on_device) {
            (Dtype::Bf16, false) => 2 * vocabulary * config.hidden_size as u64,
            _ => 0,
        };
        // logits in two precisions, log-softmax, then exp and its sum in fp64
        let sampling = rows * vocabulary * (width(self.options.dtype) + 4 + 4 + 8 + 8 + 8);
        let prefill = load.prompt_tokens as u64 * self.layer_row(load.prompt_tokens) * width(self.options.dtype);
        sampling.max(prefill) + reordered
    }

    /// Numbers that one layer's pass makes of a row that looks at `keys` positions: two norms of three (input, scaled,
    /// weighted), query and key before and after rotation and scaled, attention's weights and output, gate, up, their
    /// product's parts.
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
        let at_once = tokens.min((LOGITS_BYTES / (4 * config.vocab_size)).max(1) as u64);
        let logits = at_once * config.vocab_size as u64 * 4;
        if self.kernels {
            // The tape, and the probabilities with their gradient.
            return (rows * kept * bytes, 2 * logits);
        }
        // Logits, log-softmax, its exponential for the entropy, and two gradients.
        (rows * kept * bytes, 5 * logits)
    }
}
