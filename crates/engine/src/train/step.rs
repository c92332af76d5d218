//! The optimizer steps of an update and their microbatches. n tokens, flat.

use super::objective::Objective;
use super::settings::UpdateSettings;
use super::tokens::{Segments, Tokens};
use super::weights::{blocks, entropy_weights, WholeBatch};
use crate::batch::Batch;
use std::ops::Range;
use std::rc::Rc;
use tch::{Device, Tensor};

/// The sequences of one optimizer step.
pub struct Step {
    pub microbatches: Vec<Microbatch>,
    pub tokens: StepTokens,
}

/// All tokens of a step, in the order of the batch.
pub struct StepTokens {
    pub mask_n: Tensor,
    /// Number of trained tokens, at least 1: a divisor.
    pub trained: f64,
    /// The block of rollouts that each token belongs to.
    pub block: Vec<usize>,
}

/// Sequences that are computed in one pass.
pub struct Microbatch {
    pub batch: Rc<Batch>,
    pub sequences: Range<usize>,
    pub purpose: Purpose,
    pub tokens: Tokens,
    /// The position of each of its tokens among those of the step.
    pub place_n: Tensor,
}

/// The result that a microbatch is computed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Gradient,
    /// Its sequences contribute no gradient.
    MetricsOnly,
}

/// Makes one step for every distinct number in `batch.step`; a single one when `batch.step` is empty.
pub fn plan_steps(batch: &Batch, settings: &UpdateSettings, device: Device) -> Vec<Step> {
    let mut steps: Vec<u32> = batch.step.clone();
    steps.sort_unstable();
    steps.dedup();
    let count = steps.len().max(1);
    let whole = WholeBatch { tokens: batch.trained_tokens() as f64, steps: count as f64 };
    if count == 1 {
        return vec![Step::new(batch, settings, whole, device)];
    }
    let members = |step: u32| (0..batch.step.len()).filter(|&index| batch.step[index] == step).collect::<Vec<_>>();
    steps.iter().map(|&step| Step::new(&batch.select(&members(step)), settings, whole, device)).collect()
}

impl Step {
    fn new(batch: &Batch, settings: &UpdateSettings, whole: WholeBatch, device: Device) -> Self {
        let objective = &settings.objective;
        let weights = Weights {
            loss: objective.normalisation.token_weights(batch, whole, objective.local_rollouts),
            entropy: objective.entropy.has_bonus().then(|| entropy_weights(batch, objective.local_rollouts)),
        };
        let purposes = split(batch, objective).into_iter().filter(|(_, members)| !members.is_empty());
        let microbatches = purposes.flat_map(|(purpose, members)| {
            let selected = Rc::new(batch.select(&members));
            let weights = weights.select(batch, &members);
            let ranges = selected.microbatches(settings.microbatch_tokens).into_iter();
            let places = members.iter().flat_map(|&at| batch.sequences.range(at)).map(|place| place as i64);
            let place_n = Tensor::from_slice(&places.collect::<Vec<i64>>()).to_device(device);
            let microbatch = |sequences: Range<usize>| Microbatch {
                place_n: narrow(&place_n, selected.tokens(sequences.clone())),
                tokens: upload_tokens(&selected, sequences.clone(), &weights, device),
                batch: selected.clone(),
                sequences,
                purpose,
            };
            ranges.map(microbatch).collect::<Vec<_>>()
        });
        let mask_n = Tensor::from_slice(&loss_mask(batch, 0..batch.sequences.tokens.len())).to_device(device);
        let trained = (batch.trained_tokens() as f64).max(1.0);
        Self {
            microbatches: microbatches.collect(),
            tokens: StepTokens { mask_n, trained, block: blocks(batch, objective.local_rollouts) },
        }
    }
}

/// Groups the sequences by purpose and drops those without a trained token.
fn split(batch: &Batch, objective: &Objective) -> [(Purpose, Vec<usize>); 2] {
    let counted = (0..batch.sequences.lists()).filter(|&index| batch.trained_in(index) > 0);
    let (gradient, metrics_only) = counted.partition(|&index| objective.has_gradient(batch.advantage[index]));
    [(Purpose::Gradient, gradient), (Purpose::MetricsOnly, metrics_only)]
}

/// Per token of a step.
struct Weights {
    loss: Vec<f32>,
    entropy: Option<Vec<f32>>,
}

impl Weights {
    fn select(&self, batch: &Batch, members: &[usize]) -> Self {
        let pick =
            |values: &Vec<f32>| members.iter().flat_map(|&at| &values[batch.sequences.range(at)]).copied().collect();
        Self { loss: pick(&self.loss), entropy: self.entropy.as_ref().map(pick) }
    }
}

fn narrow(values_n: &Tensor, rows: Range<usize>) -> Tensor {
    values_n.narrow(0, rows.start as i64, rows.len() as i64)
}

fn loss_mask(batch: &Batch, tokens: Range<usize>) -> Vec<f32> {
    tokens.map(|token| f32::from(u8::from(batch.trained(token)))).collect()
}

fn upload_tokens(batch: &Batch, sequences: Range<usize>, weights: &Weights, device: Device) -> Tokens {
    let upload = |values: &[f32]| Tensor::from_slice(values).to_device(device);
    let tokens = batch.tokens(sequences.clone());
    let lengths: Vec<usize> = sequences.clone().map(|index| batch.sequences.get(index).len()).collect();
    let segments = Segments::new(&lengths, device);
    Tokens {
        mask_n: upload(&loss_mask(batch, tokens.clone())),
        weight_n: upload(&weights.loss[tokens.clone()]),
        entropy_weight_n: weights.entropy.as_ref().map(|entropy| upload(&entropy[tokens.clone()])),
        entropy_mask_n: None,
        advantage_n: segments.spread(&upload(&batch.advantage[sequences])),
        behaviour_logprob_n: (!batch.behaviour_logprobs.is_empty()).then(|| upload(&batch.behaviour_logprobs[tokens])),
        old_logprob_n: None,
        reference_logprob_n: None,
        segments,
    }
}
