//! The optimizer steps of an update: which sequences each sees, and which of them it must differentiate.

use super::objective::Objective;
use super::settings::UpdateSettings;
use super::tokens::{Segments, Tokens};
use super::weights::{blocks, entropy_weights, WholeBatch};
use crate::batch::Batch;
use std::ops::Range;
use std::rc::Rc;
use tch::{Device, Tensor};

/// The part of a batch that one optimizer step sees.
pub struct Step {
    pub parts: Vec<Part>,
    pub tokens: StepTokens,
}

/// All tokens of a step, in the order of the batch.
pub struct StepTokens {
    pub mask_n: Tensor,
    /// How many of them are trained; at least 1, to be divided by.
    pub trained: f64,
    /// The block of rollouts that each belongs to.
    pub block: Vec<usize>,
}

/// A microbatch.
pub struct Part {
    pub batch: Rc<Batch>,
    pub sequences: Range<usize>,
    /// Otherwise it can move no weight, and is computed for its metrics alone.
    pub learns: bool,
    pub tokens: Tokens,
    /// Where its tokens stand among those of the step.
    pub place_n: Tensor,
}

/// One step for every number in `batch.step`; a single one when there are none.
pub fn plan(batch: &Batch, settings: &UpdateSettings, device: Device) -> Vec<Step> {
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
        let kinds = split(batch, objective).into_iter().filter(|(_, members)| !members.is_empty());
        let parts = kinds.flat_map(|(learns, members)| {
            let own = Rc::new(batch.select(&members));
            let weights = weights.select(batch, &members);
            let ranges = own.microbatches(settings.microbatch_tokens).into_iter();
            let places = members.iter().flat_map(|&at| batch.sequences.range(at)).map(|place| place as i64);
            let place_n = Tensor::from_slice(&places.collect::<Vec<i64>>()).to_device(device);
            let part = |sequences: Range<usize>| Part {
                place_n: rows_of(&place_n, own.tokens(sequences.clone())),
                tokens: tokens_of(&own, sequences.clone(), &weights, device),
                batch: own.clone(),
                sequences,
                learns,
            };
            ranges.map(part).collect::<Vec<_>>()
        });
        let mask_n = Tensor::from_slice(&mask_of(batch, 0..batch.sequences.tokens.len())).to_device(device);
        let trained = (batch.trained_tokens() as f64).max(1.0);
        Self {
            parts: parts.collect(),
            tokens: StepTokens { mask_n, trained, block: blocks(batch, objective.local_rollouts) },
        }
    }
}

/// (learns, sequences): what moves weights, and what has metrics alone. A sequence without a trained token has neither.
fn split(batch: &Batch, objective: &Objective) -> [(bool, Vec<usize>); 2] {
    let counted = (0..batch.sequences.lists()).filter(|&index| batch.trained_in(index) > 0);
    let (learning, watched) = counted.partition(|&index| objective.learns_from(batch.advantage[index]));
    [(true, learning), (false, watched)]
}

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

fn rows_of(values_n: &Tensor, rows: Range<usize>) -> Tensor {
    values_n.narrow(0, rows.start as i64, rows.len() as i64)
}

fn mask_of(batch: &Batch, tokens: Range<usize>) -> Vec<f32> {
    tokens.map(|token| f32::from(u8::from(batch.trained(token)))).collect()
}

fn tokens_of(batch: &Batch, sequences: Range<usize>, weights: &Weights, device: Device) -> Tokens {
    let upload = |values: &[f32]| Tensor::from_slice(values).to_device(device);
    let tokens = batch.tokens(sequences.clone());
    let lengths: Vec<usize> = sequences.clone().map(|index| batch.sequences.get(index).len()).collect();
    let advantages: Vec<f32> = sequences
        .zip(&lengths)
        .flat_map(|(index, &length)| std::iter::repeat_n(batch.advantage[index], length))
        .collect();
    Tokens {
        segments: Segments::new(&lengths, device),
        mask_n: upload(&mask_of(batch, tokens.clone())),
        weight_n: upload(&weights.loss[tokens.clone()]),
        entropy_weight_n: weights.entropy.as_ref().map(|entropy| upload(&entropy[tokens.clone()])),
        kept_n: None,
        advantage_n: upload(&advantages),
        behaviour_n: (!batch.behaviour.is_empty()).then(|| upload(&batch.behaviour[tokens])),
        old_n: None,
        reference_n: None,
    }
}
