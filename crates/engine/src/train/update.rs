//! One update: in every epoch over the batch, one optimizer step for each of its `step` numbers.
//!
//! Forward → log-probabilities and entropies → the gradient of the objective with respect to these → backward. A `Backend`
//! computes both ends.

use super::metrics::{mean_over, BehaviourMetrics, Metrics, StepSums};
use super::objective::Objective;
use super::optimizer::Optimizer;
use super::settings::UpdateSettings;
use super::step::{plan_steps, Microbatch, Purpose, Step};
use crate::backend::{Backend, PassSettings, PreparedWeights};
use crate::batch::Batch;
use crate::error::{EngineError, Result};
use crate::model::parameters::Parameters;
use std::sync::atomic::{AtomicBool, Ordering};
use tch::{Device, Tensor};

/// The policy that an update trains or evaluates.
pub struct Model<'a> {
    pub parameters: &'a mut Parameters,
    pub reference: Option<&'a Parameters>,
    pub backend: &'a dyn Backend,
}

/// A batch to train on or to evaluate.
#[derive(Clone, Copy)]
pub struct UpdateRequest<'a> {
    pub batch: &'a Batch,
    pub settings: &'a UpdateSettings,
    pub cancel: &'a AtomicBool,
}

/// Trains on a batch and returns the metrics by TRL's names, means over the optimizer steps.
///
/// @error names a key of the batch or the settings, or a number that is not finite; or `CANCELLED`, before the first
/// optimizer step. Steps before a failed one are applied.
pub fn update(model: Model, optimizer: &mut Optimizer, request: UpdateRequest) -> Result<Metrics> {
    let Model { parameters, reference, backend } = model;
    let UpdateRequest { batch, settings, .. } = request;
    let mut run = Run::new(backend, request);
    let mut steps = run.prepare(parameters, reference, batch)?;
    if settings.objective.uses_old_logprobs() {
        // The first step trains the weights that the batch begins with: its own forward pass gives their log-probabilities.
        run.store_logprobs(parameters, &mut steps[1..], |microbatch| &mut microbatch.tokens.old_logprob_n)?;
    }
    let mut behaviour = behaviour_metrics(batch, parameters.device());
    let mut step_metrics = Vec::new();
    let mut objective = settings.objective.clone();
    for epoch in 0..settings.objective.batch_epochs {
        for step in &mut steps {
            let behaviour = behaviour.as_mut().filter(|_| epoch == 0);
            let step_objective = objective.for_next_step();
            let (mut metrics, entropy) = run.step(step, &step_objective, parameters, optimizer, behaviour)?;
            objective.entropy.observe(entropy);
            if objective.entropy.is_controlled() {
                metrics.insert("entropy_coef".into(), objective.entropy.coefficient);
            }
            step_metrics.push(metrics);
            // An update that stops between two steps could not be resumed.
            run.cancel = None;
        }
    }
    let mut metrics = mean_over(&step_metrics);
    metrics.extend(objective.entropy.control_metrics());
    metrics.extend(report(behaviour.as_ref(), &settings.objective));
    metrics.insert("learning_rate".into(), settings.optimizer.adamw.lr);
    metrics.insert("num_tokens".into(), batch.trained_tokens() as f64);
    Ok(metrics)
}

/// The metrics that the optimizer steps of an update would report, all with the current weights, which stay unchanged.
///
/// @error as `update`.
pub fn evaluate(model: Model, request: UpdateRequest) -> Result<Metrics> {
    let Model { parameters, reference, backend } = model;
    let UpdateRequest { batch, settings, .. } = request;
    let run = Run::new(backend, request);
    let mut steps = run.prepare(parameters, reference, batch)?;
    let mut behaviour = behaviour_metrics(batch, parameters.device());
    let objective = settings.objective.for_next_step();
    let mut step_metrics = Vec::new();
    for step in &mut steps {
        step.microbatches.iter_mut().for_each(|microbatch| microbatch.purpose = Purpose::MetricsOnly);
        let mut weights = run.weights(parameters)?;
        let sums = run.accumulate(step, &objective, &mut weights, behaviour.as_mut())?;
        sums.check()?;
        let mut metrics = sums.metrics(0.0);
        metrics.remove("grad_norm");
        step_metrics.push(metrics);
    }
    let mut metrics = mean_over(&step_metrics);
    metrics.extend(report(behaviour.as_ref(), &settings.objective));
    Ok(metrics)
}

/// None when the batch has no log-probabilities of the behaviour policy.
fn behaviour_metrics(batch: &Batch, device: Device) -> Option<BehaviourMetrics> {
    (!batch.behaviour_logprobs.is_empty()).then(|| BehaviourMetrics::new(batch.trained_tokens() as f64, device))
}

/// Supervised training samples nothing and reports no distance from a behaviour policy.
fn report(behaviour: Option<&BehaviourMetrics>, objective: &Objective) -> Metrics {
    behaviour.filter(|_| objective.loss.reads_ratio()).map(BehaviourMetrics::metrics).unwrap_or_default()
}

fn check_needs(batch: &Batch, has_reference: bool, objective: &Objective) -> Result<()> {
    if objective.kl.beta != 0.0 && !has_reference {
        return Err(EngineError::invalid(
            "objective.kl.beta",
            "a KL penalty needs the policy to be loaded with `reference: true`",
        ));
    }
    match objective.needs_behaviour_logprobs().filter(|_| batch.behaviour_logprobs.is_empty()) {
        Some(key) => {
            let reason = "it needs `behaviourLogprobs` in every sequence of the batch";
            Err(EngineError::invalid(key, reason))
        }
        None => Ok(()),
    }
}

/// log π of every token after its prompt, flat, in nats, with logits divided by `settings.temperature`.
pub fn token_logprobs(
    parameters: &Parameters,
    backend: &dyn Backend,
    batch: &Batch,
    settings: PassSettings,
    microbatch_tokens: usize,
) -> Result<Vec<f32>> {
    batch.check(&parameters.config)?;
    let weights = backend.prepare(parameters, batch.longest_total(), settings)?;
    let mut logprobs = Vec::with_capacity(batch.sequences.tokens.len());
    for range in batch.microbatches(microbatch_tokens) {
        logprobs.extend(Vec::<f32>::try_from(&backend.logprobs(&weights, batch, range)?.logprob_n)?);
    }
    Ok(logprobs)
}

/// The inputs that all steps of an update share.
struct Run<'a> {
    backend: &'a dyn Backend,
    settings: &'a UpdateSettings,
    /// The most tokens of a sequence with its prompt.
    longest: usize,
    /// None when the update can no longer be cancelled.
    cancel: Option<&'a AtomicBool>,
}

impl<'a> Run<'a> {
    fn new(backend: &'a dyn Backend, request: UpdateRequest<'a>) -> Self {
        let UpdateRequest { batch, settings, cancel } = request;
        Self { backend, settings, longest: batch.longest_total(), cancel: Some(cancel) }
    }

    fn weights<'p>(&self, parameters: &'p Parameters) -> Result<PreparedWeights<'p>> {
        let settings = PassSettings {
            temperature: self.settings.temperature,
            gradient_checkpointing: self.settings.gradient_checkpointing,
            logits_bytes: self.settings.logits_bytes,
        };
        self.backend.prepare(parameters, self.longest, settings)
    }

    /// Checks the batch and makes its steps, with the reference policy's log-probabilities for a KL penalty.
    fn prepare(&self, parameters: &mut Parameters, reference: Option<&Parameters>, batch: &Batch) -> Result<Vec<Step>> {
        let objective = &self.settings.objective;
        batch.check(&parameters.config)?;
        check_needs(batch, reference.is_some() || parameters.adapter.is_some(), objective)?;
        let mut steps = plan_steps(batch, self.settings, parameters.device());
        if objective.kl.beta != 0.0 {
            let mut store = |policy: &Parameters| {
                self.store_logprobs(policy, &mut steps, |microbatch| &mut microbatch.tokens.reference_logprob_n)
            };
            match reference {
                Some(reference) => store(reference)?,
                None => parameters.with_adapter_reference(store)?,
            }
        }
        Ok(steps)
    }

    fn check_cancelled(&self) -> Result<()> {
        match self.cancel {
            Some(cancel) if cancel.load(Ordering::Relaxed) => Err(EngineError::Cancelled {}),
            _ => Ok(()),
        }
    }

    /// Stores the log-probabilities of every microbatch under the current `parameters` in its `slot`.
    fn store_logprobs(
        &self,
        parameters: &Parameters,
        steps: &mut [Step],
        slot: impl Fn(&mut Microbatch) -> &mut Option<Tensor>,
    ) -> Result<()> {
        if steps.is_empty() {
            return Ok(());
        }
        let weights = self.weights(parameters)?;
        for microbatch in steps.iter_mut().flat_map(|step| &mut step.microbatches) {
            self.check_cancelled()?;
            let stats = self.backend.logprobs(&weights, &microbatch.batch, microbatch.sequences.clone())?;
            *slot(microbatch) = Some(stats.logprob_n);
        }
        Ok(())
    }

    /// Takes one optimizer step. Returns its metrics and the mean entropy of the tokens in the policy term.
    fn step(
        &self,
        step: &mut Step,
        objective: &Objective,
        parameters: &mut Parameters,
        optimizer: &mut Optimizer,
        behaviour: Option<&mut BehaviourMetrics>,
    ) -> Result<(Metrics, f64)> {
        optimizer.zero_grad();
        parameters.begin_step(optimizer.steps());
        let mut weights = self.weights(parameters)?;
        let sums = self.accumulate(step, objective, &mut weights, behaviour)?;
        if let Some(grad) = weights.gradient()? {
            optimizer.set_grad(&grad);
        }
        drop(weights);
        sums.check()?;
        let grad_norm = optimizer.step(parameters, &self.settings.optimizer)?;
        Ok((sums.metrics(grad_norm), sums.trained_entropy()))
    }

    /// Accumulates the gradient and the metrics of a step's microbatches.
    fn accumulate<'s>(
        &self,
        step: &'s mut Step,
        objective: &'s Objective,
        weights: &mut PreparedWeights,
        mut behaviour: Option<&mut BehaviourMetrics>,
    ) -> Result<StepSums<'s>> {
        step.mask_by_entropy(self.backend, weights, objective)?;
        let mut sums = StepSums::new(objective, &step.tokens);
        for microbatch in &mut step.microbatches {
            self.check_cancelled()?;
            self.forward_backward(microbatch, objective, weights, &mut sums, behaviour.as_deref_mut())?;
        }
        Ok(sums)
    }

    /// Computes a microbatch and, unless it serves metrics alone, accumulates its gradient.
    fn forward_backward(
        &self,
        microbatch: &mut Microbatch,
        objective: &Objective,
        weights: &mut PreparedWeights,
        sums: &mut StepSums,
        behaviour: Option<&mut BehaviourMetrics>,
    ) -> Result<()> {
        let Microbatch { batch, sequences, purpose, tokens, .. } = &*microbatch;
        let (stats, evaluation) = match purpose {
            Purpose::Gradient => {
                let forward = self.backend.forward(weights, batch, sequences.clone())?;
                let (evaluation, grads) = objective.differentiate(&forward.stats, tokens);
                (forward.backward(&grads)?, evaluation)
            }
            Purpose::MetricsOnly => {
                let stats = self.backend.logprobs(weights, batch, sequences.clone())?;
                let evaluation = objective.evaluate(&stats, tokens);
                (stats, evaluation)
            }
        };
        sums.add(microbatch, &stats, &evaluation);
        if let Some(behaviour) = behaviour {
            let old_logprob_n = microbatch.tokens.old_logprob_n.as_ref().unwrap_or(&stats.logprob_n);
            behaviour.add(microbatch, old_logprob_n, objective, &evaluation.terms);
        }
        microbatch.tokens.old_logprob_n.get_or_insert(stats.logprob_n);
        Ok(())
    }
}
