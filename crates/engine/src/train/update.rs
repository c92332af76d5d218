//! One update: the optimizer steps of a batch, one for each of its parts in every epoch.
//!
//! Forward → log-probabilities and entropies → the objective, differentiated by these alone → backward. A
//! `Backend` computes both ends.

use super::metrics::{mean_over, Metrics, Sampling, StepSums};
use super::objective::Objective;
use super::optimizer::Optimizer;
use super::settings::UpdateSettings;
use super::step::{plan, Part, Step};
use crate::backend::{Backend, PassSettings, PreparedWeights};
use crate::batch::Batch;
use crate::error::{EngineError, Result};
use crate::model::parameters::Parameters;
use std::sync::atomic::{AtomicBool, Ordering};
use tch::{Device, Tensor};

pub fn update(
    parameters: &mut Parameters,
    reference: Option<&Parameters>,
    optimizer: &mut Optimizer,
    backend: &dyn Backend,
    batch: &Batch,
    settings: &UpdateSettings,
    cancel: &AtomicBool,
) -> Result<Metrics> {
    let run = Run { backend, settings, longest: batch.longest_total(), cancel };
    let mut steps = run.prepare(parameters, reference, batch)?;
    if settings.objective.uses_old_logprobs() {
        // The first step sees the weights that the batch begins with, and needs no pass for them.
        run.remember(parameters, &mut steps[1..], |part| &mut part.tokens.old_n)?;
    }
    let mut sampling = sampling_of(batch, parameters.device());
    let mut taken = Vec::new();
    let mut objective = settings.objective.clone();
    for epoch in 0..settings.objective.batch_epochs {
        for step in &mut steps {
            let first = taken.is_empty();
            let sampling = sampling.as_mut().filter(|_| epoch == 0);
            let of_step = objective.of_next_step();
            let (mut found, entropy) = run.take(step, &of_step, parameters, optimizer, sampling, first)?;
            objective.entropy.observe(entropy);
            found.extend(
                objective.entropy.is_controlled().then(|| ("entropy_coef".to_string(), objective.entropy.coefficient)),
            );
            taken.push(found);
        }
    }
    let mut metrics = mean_over(&taken);
    metrics.extend(objective.entropy.control_metrics());
    metrics.extend(sampling.iter().filter(|_| settings.objective.loss.reads_ratio()).flat_map(Sampling::metrics));
    metrics.insert("learning_rate".into(), settings.optimizer.adamw.lr);
    metrics.insert("num_tokens".into(), batch.trained_tokens() as f64);
    Ok(metrics)
}

/// What the first optimizer step of an update over the whole batch would report, without taking it.
pub fn evaluate(
    parameters: &mut Parameters,
    reference: Option<&Parameters>,
    backend: &dyn Backend,
    batch: &Batch,
    settings: &UpdateSettings,
    cancel: &AtomicBool,
) -> Result<Metrics> {
    let run = Run { backend, settings, longest: batch.longest_total(), cancel };
    let mut steps = run.prepare(parameters, reference, batch)?;
    let mut sampling = sampling_of(batch, parameters.device());
    let objective = settings.objective.of_next_step();
    let mut taken = Vec::new();
    for step in &mut steps {
        step.parts.iter_mut().for_each(|part| part.learns = false);
        let mut weights = run.weights(parameters)?;
        step.choose_by_entropy(backend, &weights, &objective)?;
        let mut sums = StepSums::new(&objective, &step.tokens);
        for part in &mut step.parts {
            run.check_cancelled()?;
            run.pass(part, &objective, &mut weights, &mut sums, sampling.as_mut())?;
        }
        sums.check()?;
        let mut metrics = sums.metrics(0.0);
        metrics.remove("grad_norm");
        taken.push(metrics);
    }
    let mut metrics = mean_over(&taken);
    metrics.extend(sampling.iter().filter(|_| settings.objective.loss.reads_ratio()).flat_map(Sampling::metrics));
    Ok(metrics)
}

/// None where the batch brings no log-probabilities of the sampler.
fn sampling_of(batch: &Batch, device: Device) -> Option<Sampling> {
    (!batch.behaviour.is_empty()).then(|| Sampling::new(batch.trained_tokens() as f64, device))
}

fn check_needs(batch: &Batch, has_reference: bool, objective: &Objective) -> Result<()> {
    if objective.kl.beta != 0.0 && !has_reference {
        return Err(EngineError::invalid(
            "objective.kl.beta",
            "a KL penalty needs the policy to be loaded with `reference: true`",
        ));
    }
    match objective.needs_behaviour().filter(|_| batch.behaviour.is_empty()) {
        Some(key) => {
            let reason = "the batch brings no log-probabilities of the sampler for every sequence";
            Err(EngineError::invalid(key, reason))
        }
        None => Ok(()),
    }
}

/// Log-probabilities of every token at `temperature`, flat.
pub fn score(
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

/// What every step of an update shares.
struct Run<'a> {
    backend: &'a dyn Backend,
    settings: &'a UpdateSettings,
    longest: usize,
    cancel: &'a AtomicBool,
}

impl Run<'_> {
    fn weights<'p>(&self, parameters: &'p Parameters) -> Result<PreparedWeights<'p>> {
        let settings = PassSettings {
            temperature: self.settings.temperature,
            gradient_checkpointing: self.settings.gradient_checkpointing,
            logits_bytes: self.settings.logits_bytes,
        };
        self.backend.prepare(parameters, self.longest, settings)
    }

    /// The steps of a batch, with the reference policy's log-probabilities where the objective asks for them.
    fn prepare(&self, parameters: &mut Parameters, reference: Option<&Parameters>, batch: &Batch) -> Result<Vec<Step>> {
        let objective = &self.settings.objective;
        batch.check(&parameters.config)?;
        check_needs(batch, reference.is_some() || parameters.adapter.is_some(), objective)?;
        let mut steps = plan(batch, self.settings, parameters.device());
        if objective.kl.beta != 0.0 {
            let mut remember =
                |policy: &Parameters| self.remember(policy, &mut steps, |part| &mut part.tokens.reference_n);
            match reference {
                Some(reference) => remember(reference)?,
                None => parameters.with_adapter_reference(remember)?,
            }
        }
        Ok(steps)
    }

    fn check_cancelled(&self) -> Result<()> {
        if self.cancel.load(Ordering::Relaxed) {
            Err(EngineError::Cancelled {})
        } else {
            Ok(())
        }
    }

    /// Log-probabilities under `parameters` as they are now, kept with every microbatch.
    fn remember(
        &self,
        parameters: &Parameters,
        steps: &mut [Step],
        slot: impl Fn(&mut Part) -> &mut Option<Tensor>,
    ) -> Result<()> {
        if steps.is_empty() {
            return Ok(());
        }
        let weights = self.weights(parameters)?;
        for part in steps.iter_mut().flat_map(|step| &mut step.parts) {
            self.check_cancelled()?;
            let logprob_n = self.backend.logprobs(&weights, &part.batch, part.sequences.clone())?.logprob_n;
            *slot(part) = Some(logprob_n);
        }
        Ok(())
    }

    /// One optimizer step. Only the first can be cancelled: half an update would not be resumable.
    fn take(
        &self,
        step: &mut Step,
        objective: &Objective,
        parameters: &mut Parameters,
        optimizer: &mut Optimizer,
        mut sampling: Option<&mut Sampling>,
        first: bool,
    ) -> Result<(Metrics, f64)> {
        optimizer.zero_grad();
        parameters.begin_step(optimizer.steps());
        let mut weights = self.weights(parameters)?;
        step.choose_by_entropy(self.backend, &weights, objective)?;
        let mut sums = StepSums::new(objective, &step.tokens);
        for part in &mut step.parts {
            if first {
                self.check_cancelled()?;
            }
            self.pass(part, objective, &mut weights, &mut sums, sampling.as_deref_mut())?;
        }
        if let Some(grad) = weights.gradient()? {
            optimizer.set_grad(&grad);
        }
        drop(weights);
        sums.check()?;
        let grad_norm = optimizer.step(parameters, &self.settings.optimizer)?;
        Ok((sums.metrics(grad_norm), sums.trained_entropy()))
    }

    /// A microbatch through backend, objective and back.
    fn pass(
        &self,
        part: &mut Part,
        objective: &Objective,
        weights: &mut PreparedWeights,
        sums: &mut StepSums,
        sampling: Option<&mut Sampling>,
    ) -> Result<()> {
        let sequences = part.sequences.clone();
        let (scores, found) = if part.learns {
            let forward = self.backend.forward(weights, &part.batch, sequences)?;
            let (found, slopes) = objective.differentiate(&forward.scores, &part.tokens);
            (forward.backward(&slopes)?, found)
        } else {
            let scores = self.backend.logprobs(weights, &part.batch, sequences)?;
            let found = objective.evaluate(&scores, &part.tokens);
            (scores, found)
        };
        sums.add(part, &scores, &found);
        if let Some(sampling) = sampling {
            let old_n = part.tokens.old_n.as_ref().unwrap_or(&scores.logprob_n);
            sampling.add(part, old_n, objective, &found.terms);
        }
        part.tokens.old_n.get_or_insert(scores.logprob_n);
        Ok(())
    }
}
