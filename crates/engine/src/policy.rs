//! A loaded policy: weights, tokenizer, optimizer, reference policy and the requests in flight.

mod load;
mod options;
mod read_companions;
mod save;
mod sequence_states;

pub use options::{default_slots, uses_kernels, LoadOptions, MOST_FOR_KERNELS};

use crate::backend::{Backend, PassSettings};
use crate::batch::Batch;
use crate::embed::pooling::Pooling;
use crate::error::{EngineError, Result};
use crate::generate::generation_config::GenerationConfig;
use crate::generate::request::Request;
use crate::generate::scheduler::Scheduler;
use crate::generate::token_rules::in_vocabulary;
use crate::host_copy::Copier;
use crate::io::companions::Companions;
use crate::model::parameters::Parameters;
use crate::placement::Dtype;
use crate::tokenizer::worker::TextWorker;
use crate::train::metrics::Metrics;
use crate::train::optimizer::Optimizer;
use crate::train::settings::UpdateSettings;
use crate::train::update::{evaluate, token_logprobs, update, Model, UpdateRequest};
use sequence_states::sequence_states;
use std::sync::atomic::AtomicBool;
use std::sync::Arc;
use tch::Tensor;

/// The most completions of one request; a larger number is an accident.
const MOST_COMPLETIONS: usize = 1 << 20;

/// Facts of a loaded policy.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicyInfo {
    pub parameters: usize,
    /// All parameters, or those of the adapter.
    pub trained_parameters: usize,
    pub vocabulary: usize,
    pub context_length: usize,
    pub end_tokens: Vec<u32>,
    pub device: String,
    pub dtype: Dtype,
    pub backend: &'static str,
    pub threads: usize,
    pub has_reference: bool,
    /// One line for each thing that the folder holds and nobody reads.
    pub notices: Vec<String>,
    /// The rules of generation_config.json for generated tokens.
    pub generation_config: GenerationConfig,
}

/// The parts that other threads may use while the engine thread computes.
pub struct Shared {
    pub text: Arc<TextWorker>,
    pub info: PolicyInfo,
}

pub struct Policy {
    /// Files saved beside the weights, kept in memory: the folder that they came from may be gone at the next save.
    companions: Arc<Companions>,
    copier: Copier,
    /// The folder that it was loaded from, for errors.
    model: String,
    /// Identifies the base model of an adapter; empty without one.
    base_fingerprint: String,
    shared: Arc<Shared>,
    parameters: Parameters,
    reference: Option<Parameters>,
    /// Created at the first update: evaluation needs no moments.
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

    /// Queues a request, which a later `generate_step` answers. Rejects an invalid one at once.
    pub fn submit(&mut self, request: Request) {
        match self.check(&request) {
            Ok(()) => self.scheduler.submit(request),
            Err(error) => (request.reply)(Err(error)),
        }
    }

    /// @error names the field that is invalid.
    fn check(&self, request: &Request) -> Result<()> {
        let config = &self.parameters.config;
        request.sampling.check()?;
        if !(1..=MOST_COMPLETIONS).contains(&request.n) {
            return Err(EngineError::invalid("n", format!("{} is not from 1 to {MOST_COMPLETIONS}", request.n)));
        }
        request.rules.check(config.vocab_size)?;
        in_vocabulary("stopTokenIds", request.stop_tokens.iter(), config.vocab_size)?;
        if request.max_new_tokens == 0 {
            return Err(EngineError::invalid("maxNewTokens", "it must be at least 1"));
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

    /// Rejects every request in flight with `error`.
    pub fn fail_requests(&mut self, error: &EngineError) {
        self.scheduler.fail_all(self.backend.as_mut(), error);
    }

    /// log π of every sequence's tokens after its prompt, flat, in nats.
    ///
    /// @error `temperature` when it is 0, where log π is 0 or −∞; `NON_FINITE`.
    pub fn logprobs(&self, batch: &Batch, settings: PassSettings, microbatch_tokens: usize) -> Result<Vec<f32>> {
        let temperature = settings.temperature;
        if !(temperature.is_finite() && temperature > 0.0) {
            let reason = format!("{temperature} divides the logits, so it must be a finite number above 0");
            return Err(EngineError::invalid("temperature", reason));
        }
        let logprobs = token_logprobs(&self.parameters, self.backend.as_ref(), batch, settings, microbatch_tokens)?;
        match logprobs.iter().position(|logprob| !logprob.is_finite()) {
            None => Ok(logprobs),
            Some(token) => {
                let (model, position) = (self.model.clone(), batch.position(token));
                Err(EngineError::NonFiniteLogits { model, position, temperature })
            }
        }
    }

    /// The pooled hidden states of every sequence, row-major `[sequences, D]`.
    pub fn states(&self, batch: &Batch, pooling: &Pooling, microbatch_tokens: usize) -> Result<Vec<f32>> {
        sequence_states(&self.parameters, self.backend.as_ref(), batch, pooling, microbatch_tokens)
    }

    /// Trains on a batch and returns the metrics by TRL's names.
    ///
    /// @error `NON_FINITE`, `CANCELLED`, `OUT_OF_MEMORY`: when the first optimizer step fails the weights are unchanged.
    pub fn update(&mut self, batch: &Batch, settings: &UpdateSettings, cancel: &AtomicBool) -> Result<Metrics> {
        self.check_trainable()?;
        let optimizer = optimizer(&mut self.optimizer, &mut self.parameters, self.state_dtype)?;
        let model = Model {
            parameters: &mut self.parameters,
            reference: self.reference.as_ref(),
            backend: self.backend.as_ref(),
        };
        let metrics = update(model, optimizer, UpdateRequest { batch, settings, cancel });
        // A failed update has changed the weights when an earlier optimizer step succeeded.
        self.backend.refresh(&self.parameters)?;
        metrics
    }

    /// The metrics of a batch under the current weights, which stay unchanged.
    pub fn evaluate(&mut self, batch: &Batch, settings: &UpdateSettings, cancel: &AtomicBool) -> Result<Metrics> {
        let model = Model {
            parameters: &mut self.parameters,
            reference: self.reference.as_ref(),
            backend: self.backend.as_ref(),
        };
        evaluate(model, UpdateRequest { batch, settings, cancel })
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
        Err(EngineError::invalid("trainable", "the policy was loaded with `trainable: false` and cannot be updated"))
    }

    pub fn stats(&self) -> Stats {
        Stats { generated_tokens: self.scheduler.generated, waiting_requests: self.scheduler.waiting() }
    }
}

/// Returns the optimizer, which the first call creates.
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

/// (1 − α) reference + α policy, exact at both ends: α = 1 copies the policy, α = 0 keeps the reference.
fn blend(reference: &Tensor, policy: &Tensor, alpha: f64) -> Tensor {
    reference * (1.0 - alpha) + policy * alpha
}
