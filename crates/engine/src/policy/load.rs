//! Loads a policy from a model folder.

use super::options::{default_slots, uses_kernels, LoadOptions};
use super::read_companions::read_companions;
use super::{Policy, PolicyInfo, Shared};
use crate::backend::kernels::KernelBackend;
use crate::backend::torch::TorchBackend;
use crate::backend::Backend;
use crate::error::Result;
use crate::generate::generation_config::GenerationConfig;
use crate::generate::scheduler::Scheduler;
use crate::host_copy::Copier;
use crate::io::companions::Companions;
use crate::io::notices::Notices;
use crate::model::lora::adapter_source;
use crate::model::lora::fingerprint::fingerprint;
use crate::model::parameters::Parameters;
use crate::placement::{self, start_pool};
use crate::simd::isa::Instructions;
use crate::tokenizer::worker::{TextWorker, DEADLINE};
use crate::tokenizer::Tokenizer;
use std::path::Path;
use std::sync::Arc;

/// The contents of a model folder and of its adapter.
struct Opened {
    parameters: Parameters,
    tokenizer: Tokenizer,
    companions: Companions,
    base_fingerprint: String,
    notices: Notices,
    generation_config: GenerationConfig,
}

impl Policy {
    /// Loads a Hugging Face folder.
    ///
    /// @error names the file, weight, device or option that cannot be used.
    pub fn load(folder: &Path, options: &LoadOptions) -> Result<Self> {
        let threads = if options.threads == 0 { placement::default_threads() } else { options.threads };
        let Opened { parameters, tokenizer, companions, base_fingerprint, generation_config, notices } =
            open_folder(folder, options)?;
        let adapted = parameters.adapter.is_some();
        // An adapter's reference policy is the difference from its base.
        let reference = (options.reference && !adapted).then(|| parameters.frozen_copy());
        // The settings of an adapter folder override those of `options`.
        let lora = parameters.adapter.as_ref().map(|adapter| &adapter.settings);
        let kernels = uses_kernels(options, lora, parameters.device(), parameters.layout.size)?;
        let backend = start_backend(&parameters, kernels, threads)?;
        let slots = match options.slots {
            0 => default_slots(kernels, threads),
            slots => slots,
        };
        let info = PolicyInfo {
            parameters: parameters.layout.weights.iter().map(|weight| weight.elements()).sum(),
            trained_parameters: parameters.trained_elements(),
            vocabulary: parameters.config.vocab_size,
            context_length: parameters.config.context_length,
            end_tokens: tokenizer.end_tokens.clone(),
            device: placement::name(parameters.device()),
            dtype: options.dtype,
            backend: if kernels { Instructions::detect().name() } else { "torch" },
            threads,
            has_reference: reference.is_some() || adapted,
            notices: notices.lines(),
            generation_config,
        };
        let model = folder.display().to_string();
        Ok(Self {
            model: model.clone(),
            companions: Arc::new(companions),
            copier: Copier::new(threads),
            base_fingerprint,
            scheduler: Scheduler::new(model, slots, parameters.config.context_length),
            shared: Arc::new(Shared { text: Arc::new(TextWorker::start(tokenizer, DEADLINE)?), info }),
            parameters,
            reference,
            optimizer: None,
            trainable: options.trainable,
            state_dtype: options.state_dtype,
            backend,
        })
    }
}

fn open_folder(folder: &Path, options: &LoadOptions) -> Result<Opened> {
    let mut notices = Notices::default();
    let device = placement::parse(&options.device)?;
    let source = adapter_source::source(folder, options.adapter.as_deref())?;
    let folder = source.base.as_path();
    let adapted = source.adapter.is_some() || options.lora.is_some();
    // The base weights of an adapter are frozen: no fp32 copy of them is kept.
    let (kind, trainable) = (options.dtype.kind(), options.trainable && !adapted);
    let mut parameters = Parameters::load(folder, device, kind, trainable, &mut notices)?;
    let mut companions = read_companions(folder, &parameters.config, options.dtype)?;
    let base_fingerprint = if adapted { fingerprint(&parameters)? } else { String::new() };
    if let Some(adapter) = source.open(&parameters, options.lora.as_ref(), &base_fingerprint, &mut notices)? {
        companions = adapter_source::companions(&adapter, &parameters.layout, folder, companions);
        parameters.adapt(adapter)?;
    }
    let tokenizer = Tokenizer::load(folder, parameters.config.vocab_size, &mut notices)?;
    let generation_config = GenerationConfig::read(folder, parameters.config.vocab_size, &mut notices)?;
    if options.trainable {
        generation_config.note_training(folder, &mut notices);
    }
    Ok(Opened { parameters, tokenizer, companions, base_fingerprint, generation_config, notices })
}

fn start_backend(parameters: &Parameters, kernels: bool, threads: usize) -> Result<Box<dyn Backend>> {
    // Beside the kernels' threads, libtorch's threads would spin between small calls and occupy their cores.
    tch::set_num_threads(if kernels { 1 } else { threads as i32 });
    Ok(if kernels {
        Box::new(KernelBackend::new(parameters, start_pool(threads)?)?)
    } else {
        Box::new(TorchBackend::new(parameters)?)
    })
}
