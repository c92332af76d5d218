//! The weight of every token in the loss: the mask over the normaliser.

use super::objective::{Normalisation, Objective};
use crate::batch::Batch;
use std::collections::BTreeMap;

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

impl Objective {
    /// A rollout without a trained token still counts among the rollouts, as in TRL. Independent of the cutting into
    /// microbatches.
    pub fn token_weights(&self, step: &Batch, whole: WholeBatch) -> Vec<f32> {
        let rollouts = Rollouts::count(step, self.local_rollouts());
        let count = rollouts.trained.len() as f64;
        spread(step, |rollout| match self.normalisation() {
            Normalisation::SequenceMean => count * rollouts.trained[&rollout].max(1.0),
            Normalisation::SequenceSum => count,
            // TRL's `num_items_in_batch`, scaled to one optimizer step.
            Normalisation::TokenMean => whole.tokens.max(1.0) / whole.steps,
            Normalisation::LocalTokenMean => rollouts.local_mean(rollout),
            Normalisation::Constant { length } => count * length,
        })
    }

    /// The weights of the entropy bonus, which is a mean over tokens whatever the loss is divided by.
    pub fn entropy_weights(&self, step: &Batch) -> Vec<f32> {
        let rollouts = Rollouts::count(step, self.local_rollouts());
        spread(step, |rollout| rollouts.local_mean(rollout))
    }

    /// The block of rollouts that each token is averaged in.
    pub fn blocks(&self, step: &Batch) -> Vec<usize> {
        let rollouts = Rollouts::count(step, self.local_rollouts());
        let of_sequence =
            |(index, rollout)| std::iter::repeat_n(rollouts.block[rollout], step.sequences.get(index).len());
        step.rollout.iter().enumerate().flat_map(of_sequence).collect()
    }

    fn local_rollouts(&self) -> usize {
        self.grpo().map_or(0, |grpo| grpo.local_rollouts)
    }

    fn normalisation(&self) -> Normalisation {
        self.grpo().map_or(Normalisation::TokenMean, |grpo| grpo.normalisation)
    }
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
