//! A loaded policy: weights, tokenizer, optimizer, reference, and the requests it is generating.

mod load;
mod options;
mod read_companions;
mod save;
mod sequence_states;

pub use options::{default_slots, own_kernels, LoadOptions, MOST_FOR_KERNELS};

use crate::backend::{Backend, PassSettings, LOGITS_BYTES};
use crate::batch::Batch;
use crate::embed::pooling::Pooling;
use crate::error::{EngineError, Result};
use crate::generate::request::Request;
use crate::generate::scheduler::Scheduler;
use crate::host_copy::Copier;
use crate::io::companions::Companions;
use crate::model::parameters::Parameters;
use crate::placement::Dtype;
use crate::tokenizer::worker::TextWorker;
use crate::train::metrics::Metrics;
use crate::train::optimizer::Optimizer;
use crate::train::settings::UpdateSettings;
use crate::train::update::{evaluate, score, update};
use sequence_states::sequence_states;
use std::sync::atomic::AtomicBool;
use std::sync::Arc;
use tch::Tensor;

/// Completions of one request: beyond it the number is an accident.
const MOST_COMPLETIONS: usize = 1 << 20;

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
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    pub generated_tokens: u64,
    pub waiting_requests: usize,
}

impl Policy {
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
        if !(1..=MOST_COMPLETIONS).contains(&request.n) {
            return Err(EngineError::invalid("n", format!("{} is not from 1 to {MOST_COMPLETIONS}", request.n)));
        }
        if request.max_new_tokens == 0 {
            return Err(EngineError::invalid("maxNewTokens", "at least one token must be asked for"));
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
        let settings = PassSettings { temperature, gradient_checkpointing: false, logits_bytes: LOGITS_BYTES };
        score(&self.parameters, self.backend.as_ref(), batch, settings, microbatch_tokens)
    }

    /// One vector a sequence: its hidden states, pooled.
    pub fn states(&self, batch: &Batch, pooling: &Pooling, microbatch_tokens: usize) -> Result<Vec<f32>> {
        sequence_states(&self.parameters, self.backend.as_ref(), batch, pooling, microbatch_tokens)
    }

    pub fn update(&mut self, batch: &Batch, settings: &UpdateSettings, cancel: &AtomicBool) -> Result<Metrics> {
        self.check_trainable()?;
        let optimizer = optimizer(&mut self.optimizer, &mut self.parameters, self.state_dtype)?;
        let (reference, backend) = (self.reference.as_ref(), self.backend.as_ref());
        let metrics = update(&mut self.parameters, reference, optimizer, backend, batch, settings, cancel);
        // Steps before one that failed are taken.
        self.backend.refresh(&self.parameters)?;
        metrics
    }

    /// The metrics of a batch under the weights as they are.
    pub fn evaluate(&mut self, batch: &Batch, settings: &UpdateSettings, cancel: &AtomicBool) -> Result<Metrics> {
        evaluate(&mut self.parameters, self.reference.as_ref(), self.backend.as_ref(), batch, settings, cancel)
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

    fn check_trainable(&self) -> Result<()> {
        if self.trainable {
            return Ok(());
        }
        Err(EngineError::invalid("trainable", "the policy was loaded with `trainable: false`: it can only be asked"))
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
