//! The weight of every token in the loss: the mask over the normaliser.

use crate::batch::Batch;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Normalisation {
    /// Mean over the tokens of a rollout, then over rollouts.
    SequenceMean {},
    /// Sum over the tokens of a rollout, mean over rollouts.
    SequenceSum {},
    /// Mean over all tokens of the batch.
    TokenMean {},
    /// Mean over the tokens of `local_rollouts` rollouts, then over such blocks.
    LocalTokenMean {},
    /// Sum over tokens, divided by rollouts × this number of tokens.
    Constant { length: usize },
}

/// What an optimizer step must know of the batch that it is a part of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WholeBatch {
    /// Trained tokens.
    pub tokens: f64,
    /// Optimizer steps that one pass over the batch is cut into.
    pub steps: f64,
}

/// Trained tokens of every rollout of a step, and the block it is averaged in.
struct Rollouts {
    trained: BTreeMap<u32, f64>,
    block: BTreeMap<u32, usize>,
    blocks: Vec<f64>,
}

impl Normalisation {
    /// A rollout without a trained token still counts among the rollouts, as in TRL. Independent of the cutting into
    /// microbatches. `local` rollouts make a block.
    pub fn token_weights(&self, step: &Batch, whole: WholeBatch, local: usize) -> Vec<f32> {
        let rollouts = Rollouts::count(step, local);
        let count = rollouts.trained.len() as f64;
        spread(step, |rollout| match *self {
            Self::SequenceMean {} => count * rollouts.trained[&rollout].max(1.0),
            Self::SequenceSum {} => count,
            // TRL's `num_items_in_batch`, scaled to one optimizer step.
            Self::TokenMean {} => whole.tokens.max(1.0) / whole.steps,
            Self::LocalTokenMean {} => rollouts.local_mean(rollout),
            Self::Constant { length } => count * length as f64,
        })
    }
}

/// The weights of the entropy bonus, which is a mean over tokens whatever the loss is divided by.
pub fn entropy_weights(step: &Batch, local: usize) -> Vec<f32> {
    let rollouts = Rollouts::count(step, local);
    spread(step, |rollout| rollouts.local_mean(rollout))
}

/// The block of rollouts that each token is averaged in.
pub fn blocks(step: &Batch, local: usize) -> Vec<usize> {
    let rollouts = Rollouts::count(step, local);
    let of_sequence = |(index, rollout)| std::iter::repeat_n(rollouts.block[rollout], step.sequences.get(index).len());
    step.rollout.iter().enumerate().flat_map(of_sequence).collect()
}

impl Rollouts {
    fn count(step: &Batch, local: usize) -> Self {
        let mut trained: BTreeMap<u32, f64> = BTreeMap::new();
        for (index, rollout) in step.rollout.iter().enumerate() {
            *trained.entry(*rollout).or_default() += step.trained_in(index) as f64;
        }
        let size = if local == 0 { trained.len().max(1) } else { local };
        let block: BTreeMap<u32, usize> =
            trained.keys().enumerate().map(|(at, &rollout)| (rollout, at / size)).collect();
        let mut blocks = vec![0.0; trained.len().div_ceil(size)];
        trained.iter().for_each(|(rollout, tokens)| blocks[block[rollout]] += tokens);
        Self { trained, block, blocks }
    }

    fn local_mean(&self, rollout: u32) -> f64 {
        self.blocks.len() as f64 * self.blocks[self.block[&rollout]].max(1.0)
    }
}

fn spread(step: &Batch, normaliser: impl Fn(u32) -> f64) -> Vec<f32> {
    let mut weights = Vec::with_capacity(step.sequences.tokens.len());
    for (index, &rollout) in step.rollout.iter().enumerate() {
        let weight = (1.0 / normaliser(rollout)) as f32;
        weights.extend(step.sequences.range(index).map(|token| if step.trained(token) { weight } else { 0.0 }));
    }
    weights
}
