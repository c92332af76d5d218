//! What an update reports, by TRL's names: of one optimizer step, kept on the device until its end, and the mean over
//! steps.

use super::objective::{Evaluated, Level, Loss, Objective, Terms};
use super::step::{Part, StepTokens};
use crate::backend::Scores;
use crate::error::{EngineError, Result};
use std::collections::BTreeMap;
use tch::{Device, Kind, Tensor};

pub type Metrics = BTreeMap<String, f64>;

/// The numbers of one optimizer step's tokens, in the order of the batch: what is summed does not depend on the cutting
/// into microbatches.
pub struct StepSums<'a> {
    objective: &'a Objective,
    step: &'a StepTokens,
    /// Sequences with a trained token.
    sequences: f64,
    tables: BTreeMap<&'static str, Tensor>,
    /// Whether a token was clipped, as the share of its sequence.
    low_s: Vec<Tensor>,
    high_s: Vec<Tensor>,
    /// φ of VESPO, of each sequence.
    gamma_s: Vec<Tensor>,
    /// Whether each kind of number was finite throughout.
    finite: BTreeMap<&'static str, Tensor>,
}

impl<'a> StepSums<'a> {
    pub fn new(objective: &'a Objective, step: &'a StepTokens) -> Self {
        Self {
            objective,
            step,
            sequences: 0.0,
            tables: BTreeMap::new(),
            low_s: Vec::new(),
            high_s: Vec::new(),
            gamma_s: Vec::new(),
            finite: BTreeMap::new(),
        }
    }

    pub fn add(&mut self, part: &Part, scores: &Scores, found: &Evaluated) {
        self.sequences += part.sequences.len() as f64;
        self.put("loss", part, &(&found.loss_n * &part.tokens.weight_n));
        self.put("entropy", part, &scores.entropy_n);
        if let Some(kept_n) = &part.tokens.kept_n {
            self.put("kept", part, kept_n);
        }
        if let Some(weight_n) = &part.tokens.entropy_weight_n {
            self.put("bonus", part, &(&scores.entropy_n * weight_n));
        }
        self.watch("the log-probabilities", &scores.logprob_n);
        self.watch("the entropies", &scores.entropy_n);
        if let Some(reference_n) = &part.tokens.reference_n {
            self.watch("the log-probabilities of the reference policy", reference_n);
        }
        self.watch("the importance ratio", &found.terms.ratio_n);
        self.add_terms(part, &found.terms);
        self.watch("the loss", &found.loss);
    }

    fn add_terms(&mut self, part: &Part, terms: &Terms) {
        let tokens = &part.tokens;
        if let Some(kl_n) = &terms.kl_n {
            self.put("kl", part, kl_n);
        }
        if let Some(gamma_n) = &terms.gamma_n {
            self.gamma_s.push(tokens.sequence_mean(gamma_n));
        }
        let Some((low_n, high_n)) = self.objective.loss.clipped(&terms.ratio_n, &tokens.advantage_n) else { return };
        self.put("low", part, &low_n);
        self.put("high", part, &high_n);
        self.low_s.push(tokens.sequence_mean(&low_n));
        self.high_s.push(tokens.sequence_mean(&high_n));
    }

    fn put(&mut self, name: &'static str, part: &Part, values_n: &Tensor) {
        let size = self.step.mask_n.size();
        let table = self.tables.entry(name).or_insert_with(|| Tensor::zeros(size, (Kind::Float, values_n.device())));
        let _ = table.index_copy_(0, &part.place_n, &values_n.to_kind(Kind::Float));
    }

    fn watch(&mut self, name: &'static str, values: &Tensor) {
        let finite = values.isfinite().all();
        let known = self.finite.remove(name).map_or_else(|| finite.shallow_clone(), |known| known.logical_and(&finite));
        self.finite.insert(name, known);
    }

    /// @error names what is not finite, before anything is changed.
    pub fn check(&self) -> Result<()> {
        // The cause before its effects.
        let order = ["the log-probabilities of the reference policy", "the log-probabilities", "the entropies"];
        let order = order.into_iter().chain(["the importance ratio", "the loss"]);
        let is_bad = |name: &&str| self.finite.get(name).is_some_and(|finite| finite.int64_value(&[]) == 0);
        match order.into_iter().find(is_bad) {
            Some(what) => Err(EngineError::NonFinite { what: what.into() }),
            None => Ok(()),
        }
    }

    fn sum(&self, name: &str) -> f64 {
        self.tables.get(name).map_or(0.0, |table| table.sum(Kind::Float).double_value(&[]))
    }

    /// Mean over trained tokens.
    fn mean(&self, name: &str) -> f64 {
        self.tables.get(name).map_or(0.0, |table| table.dot(&self.step.mask_n).double_value(&[]) / self.step.trained)
    }

    /// Mean entropy of the tokens that the policy's part is of.
    pub fn trained_entropy(&self) -> f64 {
        let Some(kept) = self.tables.get("kept") else { return self.mean("entropy") };
        let kept = kept * &self.step.mask_n;
        let sum = self.tables.get("entropy").map_or(0.0, |table| table.dot(&kept).double_value(&[]));
        sum / kept.sum(Kind::Float).double_value(&[]).max(1.0)
    }

    pub fn metrics(&self, grad_norm: f64) -> Metrics {
        let policy_loss = self.sum("loss");
        let objective = self.objective;
        let loss = policy_loss - objective.entropy.coefficient * self.sum("bonus");
        let mut metrics = Metrics::from([
            ("loss".to_string(), loss),
            ("entropy".to_string(), self.mean("entropy")),
            ("grad_norm".to_string(), grad_norm),
        ]);
        if objective.kl.beta != 0.0 {
            metrics.insert("kl".into(), self.mean("kl"));
        }
        if objective.entropy.has_bonus() {
            metrics.insert("policy_loss".into(), policy_loss);
            metrics.insert("entropy_coef".into(), objective.entropy.coefficient);
        }
        self.add_clip_ratios(&mut metrics);
        metrics
    }

    fn add_clip_ratios(&self, metrics: &mut Metrics) {
        let joined = |parts: &[Tensor]| (!parts.is_empty()).then(|| Tensor::cat(parts, 0));
        let (low_s, high_s) = (joined(&self.low_s), joined(&self.high_s));
        let number = |values: &Option<Tensor>, of: fn(&Tensor) -> Tensor| {
            values.as_ref().map_or(0.0, |values| of(values).double_value(&[]))
        };
        let over_sequences =
            |values: &Option<Tensor>| number(values, |values| values.sum(Kind::Float)) / self.sequences.max(1.0);
        let (low, high) = match self.objective.importance_ratio {
            Level::Token => (self.mean("low"), self.mean("high")),
            Level::Sequence => (over_sequences(&low_s), over_sequences(&high_s)),
        };
        match self.objective.loss {
            Loss::Clip(_) => metrics.extend([
                ("clip_ratio/low_mean".to_string(), low),
                ("clip_ratio/low_min".to_string(), number(&low_s, Tensor::min)),
                ("clip_ratio/high_mean".to_string(), high),
                ("clip_ratio/high_max".to_string(), number(&high_s, Tensor::max)),
                ("clip_ratio/region_mean".to_string(), low + high),
            ]),
            Loss::Cispo { .. } | Loss::CispoRange { .. } => metrics.extend([("cispo_clip_ratio".to_string(), high)]),
            Loss::Vespo(_) => {
                let gamma_s = joined(&self.gamma_s);
                metrics.extend([("vespo/phi_seq_mean".to_string(), over_sequences(&gamma_s))]);
            }
            Loss::Sapo { .. } | Loss::Supervised {} => {}
        }
    }
}

/// The distance of the sampler's log-probabilities from the trainer's, and the weights that correct it.
pub struct Sampling {
    tokens: f64,
    difference: Tensor,
    difference_max: Tensor,
    /// Correcting weights of trained tokens, or of sequences.
    weights: Vec<Tensor>,
}

impl Sampling {
    pub fn new(tokens: f64, device: Device) -> Self {
        let zero = || Tensor::zeros([], (Kind::Float, device));
        Self { tokens, difference: zero(), difference_max: zero(), weights: Vec::new() }
    }

    /// `old_n`: the trainer's log-probabilities before the update.
    pub fn add(&mut self, part: &Part, old_n: &Tensor, objective: &Objective, terms: &Terms) {
        let Some(behaviour_n) = &part.tokens.behaviour_n else { return };
        let difference = (old_n - behaviour_n).abs() * &part.tokens.mask_n;
        let _ = self.difference.g_add_(&difference.sum(Kind::Float));
        self.difference_max = self.difference_max.maximum(&difference.max());
        if let (Some((level, _)), Some(weight_n)) = (objective.correction.bounds(), &terms.correction_n) {
            self.weights.push(match level {
                Level::Token => weight_n.masked_select(&part.tokens.mask_n.gt(0.0)),
                Level::Sequence => part.tokens.sequence_mean(weight_n),
            });
        }
    }

    pub fn metrics(&self) -> Metrics {
        let mut metrics = Metrics::from([
            (
                "sampling/sampling_logp_difference/mean".to_string(),
                self.difference.double_value(&[]) / self.tokens.max(1.0),
            ),
            ("sampling/sampling_logp_difference/max".to_string(), self.difference_max.double_value(&[])),
        ]);
        if !self.weights.is_empty() {
            let weights = Tensor::cat(&self.weights, 0);
            let found = [("min", weights.min()), ("mean", weights.mean(Kind::Float)), ("max", weights.max())];
            let named = |(name, value): (&str, Tensor)| {
                (format!("sampling/importance_sampling_ratio/{name}"), value.double_value(&[]))
            };
            metrics.extend(found.map(named));
        }
        metrics
    }
}

/// The mean of every metric over the steps that have it.
pub fn mean_over(steps: &[Metrics]) -> Metrics {
    let mut found: BTreeMap<&String, (f64, f64)> = BTreeMap::new();
    for (name, value) in steps.iter().flatten() {
        let (sum, count) = found.entry(name).or_default();
        *sum += value;
        *count += 1.0;
    }
    found.into_iter().map(|(name, (sum, count))| (name.clone(), sum / count)).collect()
}
