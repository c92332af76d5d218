//! One update: forward and backward over microbatches, then one optimizer step per epoch.

use super::batch::{Batch, Microbatch};
use super::objective::{GrpoTokens, Objective};
use super::optimizer::{Optimizer, OptimizerSettings};
use crate::cpu::trainer::{CpuTrainer, Pool, Unit};
use crate::error::{EngineError, Result};
use crate::model::decoder::Decoder;
use crate::model::parameters::Parameters;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use tch::{Kind, Tensor};

pub struct UpdateSettings {
    pub objective: Objective,
    pub optimizer: OptimizerSettings,
    /// Largest number of padded token rows in one pass; the gradient does not depend on it.
    pub microbatch_tokens: usize,
}

pub type Metrics = BTreeMap<String, f64>;

/// What computes log-probabilities and their gradient.
#[derive(Clone)]
pub enum Compute {
    /// libtorch and its autograd: every device and precision.
    Torch,
    /// Our own kernels: fp32 on the CPU.
    Kernels(Pool),
}

/// A microbatch with what later epochs need of the first.
struct Prepared {
    micro: Microbatch,
    weight_n: Tensor,
    mask_n: Tensor,
    advantage_n: Tensor,
    behaviour_n: Option<Tensor>,
    reference_n: Option<Tensor>,
    old_n: Option<Tensor>,
}

pub fn update(
    parameters: &mut Parameters,
    reference: Option<&Parameters>,
    optimizer: &mut Optimizer,
    compute: &Compute,
    batch: &Batch,
    settings: &UpdateSettings,
    cancel: &AtomicBool,
) -> Result<Metrics> {
    batch.check(&parameters.config)?;
    if settings.objective.beta() != 0.0 && reference.is_none() {
        return Err(EngineError::invalid("beta", "a KL penalty needs the policy to be loaded with `reference: true`"));
    }
    if settings.objective.uses_rollout_logprobs() && batch.behaviour.is_empty() {
        let reason = "the batch brings no log-probabilities of the sampler for every sequence";
        return Err(EngineError::invalid("useRolloutLogprobs", reason));
    }
    let mut prepared = prepare(parameters, batch, settings);
    let mut sums = Sums::new(parameters, batch);
    for epoch in 0..settings.objective.epochs() {
        optimizer.zero_grad();
        let mut kernels = Kernels::new(compute, parameters, reference, batch)?;
        for part in &mut prepared {
            // From the first step on the update is carried to its end: half of one would not be resumable.
            if epoch == 0 && cancel.load(Ordering::Relaxed) {
                return Err(EngineError::Cancelled {});
            }
            let frozen = reference.filter(|_| settings.objective.beta() != 0.0 && part.reference_n.is_none());
            if let Some(reference) = frozen {
                part.reference_n = Some(reference_logprobs(reference, kernels.as_ref(), batch, part, settings));
            }
            match &mut kernels {
                None => accumulate(parameters, part, settings, &mut sums),
                Some(kernels) => kernels.accumulate(batch, part, settings, &mut sums)?,
            }
        }
        if let Some(kernels) = kernels {
            optimizer.set_grad(&kernels.grad);
        }
        sums.check_loss()?;
        sums.grad_norm += optimizer.step(parameters, &settings.optimizer)?;
    }
    Ok(sums.metrics(settings))
}

/// Log-probabilities of every token at `temperature`, flat.
pub fn score(
    parameters: &Parameters,
    compute: &Compute,
    batch: &Batch,
    temperature: f64,
    microbatch_tokens: usize,
) -> Result<Vec<f32>> {
    batch.check(&parameters.config)?;
    if let Compute::Kernels(pool) = compute {
        let trainer = CpuTrainer::new(parameters, batch.longest_total(), pool.clone())?;
        let ranges = batch.microbatches(microbatch_tokens).into_iter();
        return Ok(ranges.flat_map(|range| logprobs_of(&trainer.forward(batch, range, temperature))).collect());
    }
    tch::no_grad(|| {
        let mut logprobs = Vec::with_capacity(batch.sequences.tokens.len());
        for range in batch.microbatches(microbatch_tokens) {
            let micro = batch.microbatch(range, parameters.device(), parameters.kind());
            let (logprob_n, _) = token_logprobs(parameters, &micro, temperature);
            logprobs.extend(Vec::<f32>::try_from(&logprob_n)?);
        }
        Ok(logprobs)
    })
}

fn prepare(parameters: &Parameters, batch: &Batch, settings: &UpdateSettings) -> Vec<Prepared> {
    let weights = settings.objective.token_weights(batch);
    let device = parameters.device();
    let upload = |values: &[f32]| Tensor::from_slice(values).to_device(device);
    let ranges = batch.microbatches(settings.microbatch_tokens);
    let prepared = ranges.into_iter().map(|range| {
        let micro = batch.microbatch(range, device, parameters.kind());
        let tokens = micro.tokens.clone();
        let mask: Vec<f32> = tokens.clone().map(|token| f32::from(u8::from(batch.trained(token)))).collect();
        let advantages: Vec<f32> = micro
            .sequences
            .clone()
            .flat_map(|index| std::iter::repeat_n(batch.advantage[index], batch.sequences.get(index).len()))
            .collect();
        Prepared {
            weight_n: upload(&weights[tokens.clone()]),
            mask_n: upload(&mask),
            advantage_n: upload(&advantages),
            behaviour_n: (!batch.behaviour.is_empty()).then(|| upload(&batch.behaviour[tokens])),
            reference_n: None,
            old_n: None,
            micro,
        }
    });
    prepared.collect()
}

/// (log-probabilities `[n]`, entropies `[n]`) of a microbatch's tokens.
fn token_logprobs(parameters: &Parameters, micro: &Microbatch, temperature: f64) -> (Tensor, Tensor) {
    let decoder = Decoder::new(parameters);
    let states = decoder.completion_states(&micro.layout);
    let states = match &micro.rows {
        Some(rows) => states.index_select(0, rows),
        None => states,
    };
    let logits = decoder.logits(&states);
    let logits = if temperature == 1.0 { logits } else { logits / temperature };
    let log_softmax = logits.log_softmax(-1, Kind::Float);
    let chosen = log_softmax.gather(1, &micro.targets.unsqueeze(1), false).squeeze_dim(1);
    let entropy = tch::no_grad(|| -(log_softmax.exp() * &log_softmax).sum_dim_intlist(-1, false, Kind::Float));
    (chosen, entropy)
}

fn logprobs_of(units: &[Unit]) -> Vec<f32> {
    units.iter().flat_map(|unit| &unit.logprobs).copied().collect()
}

fn reference_logprobs(
    reference: &Parameters,
    kernels: Option<&Kernels>,
    batch: &Batch,
    part: &Prepared,
    settings: &UpdateSettings,
) -> Tensor {
    let temperature = settings.objective.temperature();
    match kernels.and_then(|kernels| kernels.reference.as_ref()) {
        Some(trainer) => {
            let units = trainer.forward(batch, part.micro.sequences.clone(), temperature);
            Tensor::from_slice(&logprobs_of(&units))
        }
        None => tch::no_grad(|| token_logprobs(reference, &part.micro, temperature).0),
    }
}

/// Our own kernels at the current weights, and the gradient they gather.
struct Kernels {
    trainer: CpuTrainer,
    reference: Option<CpuTrainer>,
    grad: Vec<f32>,
}

impl Kernels {
    fn new(
        compute: &Compute,
        parameters: &Parameters,
        reference: Option<&Parameters>,
        batch: &Batch,
    ) -> Result<Option<Self>> {
        let Compute::Kernels(pool) = compute else { return Ok(None) };
        let trainer = |parameters| CpuTrainer::new(parameters, batch.longest_total(), pool.clone());
        let grad = vec![0f32; parameters.layout.size];
        Ok(Some(Self { trainer: trainer(parameters)?, reference: reference.map(trainer).transpose()?, grad }))
    }

    /// The loss of the log-probabilities is libtorch's to differentiate; what lies before them is ours.
    fn accumulate(
        &mut self,
        batch: &Batch,
        part: &mut Prepared,
        settings: &UpdateSettings,
        sums: &mut Sums,
    ) -> Result<()> {
        let temperature = settings.objective.temperature();
        let units = self.trainer.forward(batch, part.micro.sequences.clone(), temperature);
        let entropies: Vec<f32> = units.iter().flat_map(|unit| &unit.entropies).copied().collect();
        let logprob_n = Tensor::from_slice(&logprobs_of(&units)).set_requires_grad(true);
        differentiate(&logprob_n, &Tensor::from_slice(&entropies), part, settings, sums);
        let d_logprobs = Vec::<f32>::try_from(&logprob_n.grad())?;
        self.trainer.backward(&units, &d_logprobs, temperature, &mut self.grad);
        Ok(())
    }
}

fn accumulate(parameters: &Parameters, part: &mut Prepared, settings: &UpdateSettings, sums: &mut Sums) {
    let (logprob_n, entropy_n) = token_logprobs(parameters, &part.micro, settings.objective.temperature());
    differentiate(&logprob_n, &entropy_n, part, settings, sums);
}

/// The objective of a microbatch's log-probabilities, its gradient and its metrics.
fn differentiate(
    logprob_n: &Tensor,
    entropy_n: &Tensor,
    part: &mut Prepared,
    settings: &UpdateSettings,
    sums: &mut Sums,
) {
    let loss_n = match &settings.objective {
        Objective::Supervised => -logprob_n,
        Objective::Grpo(grpo) => {
            let old_n = if grpo.use_rollout_logprobs { part.behaviour_n.as_ref() } else { part.old_n.as_ref() };
            let reference_n = part.reference_n.as_ref();
            let loss = grpo.loss(&GrpoTokens { logprob_n, old_n, reference_n, advantage_n: &part.advantage_n });
            sums.add_grpo(&loss.ratio_n, loss.kl_n.as_ref(), part, grpo);
            loss.loss_n
        }
    };
    let loss = (loss_n * &part.weight_n).sum(Kind::Float);
    loss.backward();
    sums.add(&loss, logprob_n, entropy_n, part);
    part.old_n.get_or_insert_with(|| logprob_n.detach());
}

/// Running sums over microbatches and epochs, on the device until the end.
struct Sums {
    tokens: f64,
    grad_norm: f64,
    /// loss, entropy, kl, low, high, |Δ| sum
    totals: Vec<Tensor>,
    difference_max: Tensor,
    has_behaviour: bool,
    has_kl: bool,
}

const LOSS: usize = 0;
const ENTROPY: usize = 1;
const KL: usize = 2;
const LOW: usize = 3;
const HIGH: usize = 4;
const DIFFERENCE: usize = 5;

impl Sums {
    fn new(parameters: &Parameters, batch: &Batch) -> Self {
        let zero = || Tensor::zeros([1], (Kind::Float, parameters.device()));
        let tokens = (0..batch.sequences.tokens.len()).filter(|&token| batch.trained(token)).count();
        Self {
            tokens: tokens as f64,
            grad_norm: 0.0,
            totals: (0..6).map(|_| zero()).collect(),
            difference_max: zero(),
            has_behaviour: false,
            has_kl: false,
        }
    }

    fn add_total(&mut self, index: usize, value: &Tensor) {
        let _ = self.totals[index].g_add_(&value.detach());
    }

    fn add(&mut self, loss: &Tensor, logprob_n: &Tensor, entropy_n: &Tensor, part: &Prepared) {
        tch::no_grad(|| {
            self.add_total(LOSS, loss);
            self.add_total(ENTROPY, &entropy_n.dot(&part.mask_n));
            // Only the first epoch's weights are those that sampled.
            if let (Some(behaviour), None) = (&part.behaviour_n, &part.old_n) {
                let difference = (logprob_n - behaviour).abs() * &part.mask_n;
                self.add_total(DIFFERENCE, &difference.sum(Kind::Float));
                self.difference_max = self.difference_max.maximum(&difference.max());
                self.has_behaviour = true;
            }
        });
    }

    fn add_grpo(&mut self, ratio_n: &Tensor, kl_n: Option<&Tensor>, part: &Prepared, grpo: &super::objective::Grpo) {
        tch::no_grad(|| {
            let (low, high) = grpo.clipped(ratio_n, &part.advantage_n);
            self.add_total(LOW, &low.dot(&part.mask_n));
            self.add_total(HIGH, &high.dot(&part.mask_n));
            if let Some(kl) = kl_n {
                self.add_total(KL, &kl.dot(&part.mask_n));
                self.has_kl = true;
            }
        });
    }

    fn value(&self, index: usize) -> f64 {
        self.totals[index].double_value(&[0])
    }

    fn check_loss(&self) -> Result<()> {
        if self.value(LOSS).is_finite() {
            return Ok(());
        }
        Err(EngineError::NonFinite { what: "the loss".into() })
    }

    /// Means over trained tokens and epochs, by TRL's names.
    fn metrics(&self, settings: &UpdateSettings) -> Metrics {
        let epochs = settings.objective.epochs() as f64;
        let per_token = |index: usize| self.value(index) / (epochs * self.tokens.max(1.0));
        let mut metrics = Metrics::from([
            ("loss".to_string(), self.value(LOSS) / epochs),
            ("entropy".to_string(), per_token(ENTROPY)),
            ("grad_norm".to_string(), self.grad_norm / epochs),
            ("learning_rate".to_string(), settings.optimizer.adamw.lr),
            ("num_tokens".to_string(), self.tokens),
        ]);
        if let Objective::Grpo(_) = settings.objective {
            metrics.insert("clip_ratio/low_mean".into(), per_token(LOW));
            metrics.insert("clip_ratio/high_mean".into(), per_token(HIGH));
            metrics.insert("clip_ratio/region_mean".into(), per_token(LOW) + per_token(HIGH));
        }
        if self.has_kl {
            metrics.insert("kl".into(), per_token(KL));
        }
        if self.has_behaviour {
            let mean = self.value(DIFFERENCE) / self.tokens.max(1.0);
            metrics.insert("sampling/sampling_logp_difference/mean".into(), mean);
            metrics.insert("sampling/sampling_logp_difference/max".into(), self.difference_max.double_value(&[]));
        }
        metrics
    }
}
