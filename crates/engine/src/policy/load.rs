//! From a folder to a policy that generates.

use super::companions::read_companions;
use super::options::{default_slots, own_kernels, start_pool, LoadOptions};
use super::{Policy, PolicyInfo, Shared};
use crate::cpu::isa::Instructions;
use crate::device;
use crate::error::Result;
use crate::generate::backend::{Backend, CpuBackend};
use crate::generate::scheduler::Scheduler;
use crate::generate::torch_backend::TorchBackend;
use crate::host_copy::Copier;
use crate::model::lora::fingerprint::fingerprint;
use crate::model::lora::open;
use crate::model::parameters::Parameters;
use crate::snapshot::Companions;
use crate::tokenizer::worker::{TextWorker, DEADLINE};
use crate::tokenizer::Tokenizer;
use crate::train::network::Compute;
use std::path::Path;
use std::sync::Arc;

/// Weights, an adapter where there is one, and the files that go with them.
struct Opened {
    parameters: Parameters,
    tokenizer: Tokenizer,
    companions: Companions,
    base_fingerprint: String,
}

impl Policy {
    pub fn load(folder: &Path, options: &LoadOptions) -> Result<Self> {
        let threads = if options.threads == 0 { device::default_threads() } else { options.threads };
        let Opened { parameters, tokenizer, companions, base_fingerprint } = open_folder(folder, options)?;
        let adapted = parameters.adapter.is_some();
        // An adapter brings its reference: the difference from the base.
        let reference = (options.reference && !adapted).then(|| parameters.frozen_copy());
        let (backend, compute) = start_backend(&parameters, options, threads)?;
        let own_kernels = matches!(compute, Compute::Kernels(_));
        let slots = match options.slots {
            0 => default_slots(own_kernels, threads),
            slots => slots,
        };
        let info = PolicyInfo {
            parameters: parameters.layout.parts.iter().map(|part| part.elements()).sum(),
            trained_parameters: parameters.trained_elements(),
            vocabulary: parameters.config.vocab_size,
            context_length: parameters.config.context_length,
            end_tokens: tokenizer.end_tokens.clone(),
            device: device::name(parameters.device()),
            dtype: options.dtype,
            backend: if own_kernels { Instructions::detect().name() } else { "torch" },
            threads,
            has_reference: reference.is_some() || adapted,
        };
        Ok(Self {
            companions: Arc::new(companions),
            copier: Copier::new(threads),
            base_fingerprint,
            scheduler: Scheduler::new(slots, parameters.config.context_length),
            shared: Arc::new(Shared { text: Arc::new(TextWorker::start(tokenizer, DEADLINE)?), info }),
            parameters,
            reference,
            optimizer: None,
            trainable: options.trainable,
            state_dtype: options.state_dtype,
            backend,
            compute,
        })
    }
}

fn open_folder(folder: &Path, options: &LoadOptions) -> Result<Opened> {
    let device = device::parse(&options.device)?;
    let source = open::source(folder, options.adapter.as_deref())?;
    let folder = source.base.as_path();
    let adapted = source.adapter.is_some() || options.lora.is_some();
    // Weights under an adapter are frozen: unrounded ones need no room.
    let mut parameters = Parameters::load(folder, device, options.dtype.kind(), options.trainable && !adapted)?;
    let mut companions = read_companions(folder, options.dtype)?;
    let base_fingerprint = if adapted { fingerprint(&parameters)? } else { String::new() };
    if let Some(adapter) = source.open(&parameters, options.lora.as_ref(), &base_fingerprint)? {
        companions = open::companions(&adapter, &parameters.layout, folder, companions);
        parameters.adapt(adapter)?;
    }
    let tokenizer = Tokenizer::load(folder, parameters.config.vocab_size)?;
    Ok(Opened { parameters, tokenizer, companions, base_fingerprint })
}

/// What generates, and what computes updates.
fn start_backend(
    parameters: &Parameters,
    options: &LoadOptions,
    threads: usize,
) -> Result<(Box<dyn Backend>, Compute)> {
    // An adapter's folder has settings of its own.
    let lora = parameters.adapter.as_ref().map(|adapter| &adapter.settings);
    let own_kernels = own_kernels(options, lora, parameters.device(), parameters.layout.size)?;
    // Beside our own threads libtorch's would spin between its small calls and take their cores.
    tch::set_num_threads(if own_kernels { 1 } else { threads as i32 });
    if !own_kernels {
        return Ok((Box::new(TorchBackend::new(parameters)?), Compute::Torch));
    }
    let pool = start_pool(threads)?;
    Ok((Box::new(CpuBackend::new(parameters, pool.clone())?), Compute::Kernels(pool)))
}
