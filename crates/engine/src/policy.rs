//! A loaded policy: weights, tokenizer, optimizer, reference, and the requests it is generating.

mod companions;
mod options;

pub(crate) use options::start_pool;
pub use options::{default_slots, own_kernels, BackendChoice, Dtype, LoadOptions, MOST_FOR_KERNELS};

use crate::cpu::isa::Instructions;
use crate::device;
use crate::embed::policy_states::sequence_states;
use crate::embed::pooling::Pooling;
use crate::error::{EngineError, Result};
use crate::files::WrittenFile;
use crate::generate::backend::{Backend, CpuBackend};
use crate::generate::scheduler::{Request, Scheduler};
use crate::generate::torch_backend::TorchBackend;
use crate::host_copy::Copier;
use crate::model::lora::fingerprint::fingerprint;
use crate::model::lora::open;
use crate::model::parameters::Parameters;
use crate::snapshot::{write_live, Companions, Snapshot, Weights};
use crate::tokenizer::worker::{TextWorker, DEADLINE};
use crate::tokenizer::Tokenizer;
use crate::train::batch::Batch;
use crate::train::metrics::Metrics;
use crate::train::network::{Compute, NetworkSettings, LOGITS_BYTES};
use crate::train::optimizer::Optimizer;
use crate::train::update::{evaluate, score, update, UpdateSettings};
use companions::read_companions;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::Arc;
use tch::Tensor;

/// What a caller may want to know of a loaded policy.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicyInfo {
    pub parameters: usize,
    /// All of them, or those of the adapter.
    pub trained_parameters: usize,
    pub vocabulary: usize,
    pub context_length: usize,
    pub end_tokens: Vec<u32>,
    pub device: String,
    pub dtype: Dtype,
    pub backend: &'static str,
    pub threads: usize,
    pub has_reference: bool,
}

/// The parts that other threads may use while the engine works.
pub struct Shared {
    pub text: Arc<TextWorker>,
    pub info: PolicyInfo,
}

pub struct Policy {
    /// Files that go with the weights, kept in memory: the folder they came from may be gone when we save.
    companions: Arc<Companions>,
    copier: Copier,
    /// What an adapter says of the model it belongs to; empty without one.
    base_fingerprint: String,
    shared: Arc<Shared>,
    parameters: Parameters,
    reference: Option<Parameters>,
    /// Made at the first update: evaluation needs no moments.
    optimizer: Option<Optimizer>,
    trainable: bool,
    state_dtype: Dtype,
    scheduler: Scheduler,
    backend: Box<dyn Backend>,
    compute: Compute,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    pub generated_tokens: u64,
    pub waiting_requests: usize,
}

impl Policy {
    pub fn load(folder: &Path, options: &LoadOptions) -> Result<Self> {
        let device = device::parse(&options.device)?;
        let threads = if options.threads == 0 { device::default_threads() } else { options.threads };
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
        // An adapter brings its reference: the difference from the base.
        let reference = (options.reference && !adapted).then(|| parameters.frozen_copy());
        let own_kernels = own_kernels(options, device, parameters.layout.size)?;
        // Beside our own threads libtorch's would spin between its small calls and take their cores.
        tch::set_num_threads(if own_kernels { 1 } else { threads as i32 });
        let pool = if own_kernels { start_pool(threads)? } else { None };
        let backend: Box<dyn Backend> = if own_kernels {
            Box::new(CpuBackend::new(&parameters, pool.clone())?)
        } else {
            Box::new(TorchBackend::new(&parameters))
        };
        let compute = if own_kernels { Compute::Kernels(pool) } else { Compute::Torch };
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
            device: device::name(device),
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

    pub fn shared(&self) -> Arc<Shared> {
        self.shared.clone()
    }

    /// Queues a request; its reply comes from a later `generate_step`, or at once when it cannot be served.
    pub fn submit(&mut self, request: Request) {
        match self.check(&request) {
            Ok(()) => self.scheduler.submit(request),
            Err(error) => (request.reply)(Err(error)),
        }
    }

    fn check(&self, request: &Request) -> Result<()> {
        let config = &self.parameters.config;
        request.sampling.check()?;
        if request.n == 0 || request.max_new_tokens == 0 {
            return Err(EngineError::invalid("n", "at least one completion of at least one token must be asked for"));
        }
        if request.prompt.is_empty() {
            return Err(EngineError::invalid("prompt", "it has no token"));
        }
        if let Some(token) = request.prompt.iter().find(|&&token| token as usize >= config.vocab_size) {
            let reason = format!("token {token} is outside the vocabulary of {}", config.vocab_size);
            return Err(EngineError::invalid("prompt", reason));
        }
        if request.prompt.len() >= config.context_length {
            return Err(EngineError::PromptTooLong { tokens: request.prompt.len(), limit: config.context_length });
        }
        Ok(())
    }

    pub fn is_generating(&self) -> bool {
        !self.scheduler.is_idle()
    }

    pub fn generate_step(&mut self) {
        self.scheduler.step(self.backend.as_mut(), &self.parameters);
    }

    /// Answers everything in flight with `error`.
    pub fn fail_requests(&mut self, error: &EngineError) {
        self.scheduler.fail_all(self.backend.as_mut(), error);
    }

    pub fn score(&self, batch: &Batch, temperature: f64, microbatch_tokens: usize) -> Result<Vec<f32>> {
        let settings = NetworkSettings { temperature, gradient_checkpointing: false, logits_bytes: LOGITS_BYTES };
        score(&self.parameters, &self.compute, batch, settings, microbatch_tokens)
    }

    /// One vector a sequence: its hidden states, pooled.
    pub fn states(&self, batch: &Batch, pooling: &Pooling, microbatch_tokens: usize) -> Result<Vec<f32>> {
        sequence_states(&self.parameters, &self.compute, batch, pooling, microbatch_tokens)
    }

    pub fn update(&mut self, batch: &Batch, settings: &UpdateSettings, cancel: &AtomicBool) -> Result<Metrics> {
        self.check_trainable()?;
        self.check_dropout()?;
        let optimizer = optimizer(&mut self.optimizer, &mut self.parameters, self.state_dtype)?;
        let (reference, compute) = (self.reference.as_ref(), &self.compute);
        let metrics = update(&mut self.parameters, reference, optimizer, compute, batch, settings, cancel)?;
        self.backend.refresh(&self.parameters)?;
        Ok(metrics)
    }

    /// The metrics of a batch under the weights as they are.
    pub fn evaluate(&mut self, batch: &Batch, settings: &UpdateSettings, cancel: &AtomicBool) -> Result<Metrics> {
        evaluate(&mut self.parameters, self.reference.as_ref(), &self.compute, batch, settings, cancel)
    }

    /// θ_ref ← (1 − α) θ_ref + α θ.
    pub fn blend_reference(&mut self, alpha: f64) -> Result<()> {
        if !(0.0..=1.0).contains(&alpha) {
            return Err(EngineError::invalid("alpha", format!("{alpha} is not between 0 and 1")));
        }
        if let Some(adapter) = &mut self.parameters.adapter {
            adapter.reference.blend(&adapter.flat, alpha);
            return Ok(());
        }
        let Some(reference) = &mut self.reference else {
            return Err(EngineError::invalid("reference", "the policy was loaded without a reference policy"));
        };
        tch::no_grad(|| reference.master.copy_(&blend(&reference.master, &self.parameters.master, alpha)));
        reference.refresh();
        Ok(())
    }

    /// Writes a Hugging Face folder without a copy of the weights, of an adapter a PEFT folder; training waits for it.
    pub fn save(&mut self, folder: &Path, shard_bytes: u64) -> Result<Vec<WrittenFile>> {
        if self.parameters.adapter.is_some() {
            return self.state(false, &Copier::lender())?.write(folder, shard_bytes);
        }
        write_live(folder, &self.companions, &self.parameters, shard_bytes)
    }

    /// Writes what a snapshot would, without a copy; training waits for it.
    pub fn save_training(&mut self, folder: &Path, shard_bytes: u64) -> Result<Vec<WrittenFile>> {
        self.state(true, &Copier::lender())?.write(folder, shard_bytes)
    }

    /// Copies the weights and all that training needs to go on: what it writes is a Hugging Face folder with tokenizer
    /// files as they were, weights as they are, and a config that says so. Of an adapter it is a PEFT folder.
    pub fn snapshot(&mut self) -> Result<Snapshot> {
        let copier = self.copier.clone();
        self.state(true, &copier)
    }

    fn state(&mut self, training: bool, copier: &Copier) -> Result<Snapshot> {
        let master = Arc::new(copier.copy(self.parameters.trained())?);
        let weights = match &self.parameters.adapter {
            Some(adapter) => Weights::of_adapter(adapter, &self.base_fingerprint, master.clone()),
            None => Weights::of_model(&self.parameters, master.clone()),
        };
        let training = if training {
            self.check_trainable()?;
            let optimizer = optimizer(&mut self.optimizer, &mut self.parameters, self.state_dtype)?;
            let adapter = self.parameters.adapter.as_ref();
            Some(optimizer.snapshot(master, self.reference.as_ref(), adapter, copier)?)
        } else {
            None
        };
        Ok(Snapshot { companions: self.companions.clone(), weights, training })
    }

    fn check_trainable(&self) -> Result<()> {
        if self.trainable {
            return Ok(());
        }
        Err(EngineError::invalid("trainable", "the policy was loaded with `trainable: false`: it can only be asked"))
    }

    fn check_dropout(&self) -> Result<()> {
        let dropout = self.parameters.adapter.as_ref().map_or(0.0, |adapter| adapter.settings.dropout);
        if dropout == 0.0 || matches!(self.compute, Compute::Torch) {
            return Ok(());
        }
        let reason = "own kernels do not compute dropout; load the policy with `backend: 'torch'` to train it";
        Err(EngineError::invalid("lora.dropout", reason))
    }

    pub fn load_training(&mut self, file: &Path) -> Result<()> {
        self.check_trainable()?;
        let optimizer = optimizer(&mut self.optimizer, &mut self.parameters, self.state_dtype)?;
        optimizer.load(file, &mut self.parameters, self.reference.as_mut())?;
        self.backend.refresh(&self.parameters)
    }

    pub fn stats(&self) -> Stats {
        Stats { generated_tokens: self.scheduler.generated, waiting_requests: self.scheduler.waiting() }
    }
}

fn optimizer<'a>(
    slot: &'a mut Option<Optimizer>,
    parameters: &mut Parameters,
    state_dtype: Dtype,
) -> Result<&'a mut Optimizer> {
    if slot.is_none() {
        *slot = Some(Optimizer::new(parameters, state_dtype.kind())?);
    }
    Ok(slot.as_mut().expect("it was just made"))
}

/// Exact at both ends: α = 1 copies, α = 0 keeps.
fn blend(reference: &Tensor, policy: &Tensor, alpha: f64) -> Tensor {
    reference * (1.0 - alpha) + policy * alpha
}
