//! Log-probabilities and their gradient on the CPU kernels.
//!
//! The forward pass is the one that decodes: training sees the very numbers that sampling saw. A unit is one prompt
//! with completions of it; units are independent, so threads share them out, each with a gradient of its own, which are
//! added in order.

use super::backward::backward_unit;
use super::gradient;
use super::lm_head::{self, HeadSlopes};
use super::prompt_group::{run_passes, units, Unit};
use super::segment::Workspace;
use super::training_weights::{HeadSettings, TrainingWeights};
use crate::batch::Batch;
use crate::error::Result;
use crate::model::parameters::Parameters;
use crate::placement::Pool;
use crate::with_instructions;
use rayon::prelude::*;
use std::ops::Range;

pub struct KernelTrainer {
    weights: TrainingWeights,
    pool: Pool,
}

impl KernelTrainer {
    pub fn new(parameters: &Parameters, longest: usize, pool: Pool, settings: HeadSettings) -> Result<Self> {
        let threads = pool.as_ref().map_or(1, |pool| pool.current_num_threads());
        Ok(Self { weights: TrainingWeights::pack(parameters, longest, threads, settings)?, pool })
    }

    /// Log-probabilities and entropies in the order of the sequences; nothing is kept.
    pub fn score(&self, batch: &Batch, sequences: Range<usize>) -> (Vec<f32>, Vec<f32>) {
        let one = |unit: &Range<usize>| self.score_unit(batch, unit.clone());
        let scored = self.map(&units(batch, sequences), one);
        let (logprobs, entropies): (Vec<_>, Vec<_>) = scored.into_iter().unzip();
        (logprobs.concat(), entropies.concat())
    }

    /// Computes sequences, unit by unit, and keeps what the gradient needs.
    pub fn forward(&self, batch: &Batch, sequences: Range<usize>) -> Vec<Unit> {
        let rows = batch.tokens(sequences.clone()).len();
        let keep = rows * self.weights.decoder.config.vocab_size * 4 <= self.weights.settings.logits_bytes;
        self.map(&units(batch, sequences), |unit| self.forward_unit(batch, unit.clone(), keep))
    }

    /// Adds the gradient to `grad`, laid out like the parameters.
    pub fn backward(&self, units: &[Unit], slopes: HeadSlopes, grad: &mut [f32]) {
        let work = shares_of(units.iter().map(|unit| (unit, unit.logprobs.len())), slopes);
        self.add(&work, grad, |(unit, slopes), grad| self.backward_unit(unit, *slopes, grad));
    }

    /// The same for units that were only scored: each is computed again, and gone before the next.
    pub fn backward_again(&self, batch: &Batch, sequences: Range<usize>, slopes: HeadSlopes, grad: &mut [f32]) {
        let units = units(batch, sequences);
        let work = shares_of(units.into_iter().map(|unit| (unit.clone(), batch.tokens(unit).len())), slopes);
        self.add(&work, grad, |(unit, slopes), grad| {
            self.backward_unit(&self.forward_unit(batch, unit.clone(), false), *slopes, grad);
        });
    }

    fn map<Item: Sync, Found: Send>(&self, items: &[Item], one: impl Fn(&Item) -> Found + Sync + Send) -> Vec<Found> {
        match &self.pool {
            Some(pool) => pool.install(|| items.par_iter().map(one).collect()),
            None => items.iter().map(one).collect(),
        }
    }

    /// Adds what `one` adds for every item.
    fn add<Item: Sync>(&self, work: &[Item], grad: &mut [f32], one: impl Fn(&Item, &mut [f32]) + Sync) {
        let Some(pool) = &self.pool else {
            return work.iter().for_each(|item| one(item, grad));
        };
        // The shares depend on the number of threads alone: a run repeats bit for bit.
        let share = work.len().div_ceil(pool.current_num_threads()).max(1);
        let partial = |items: &[Item]| {
            let mut own = vec![0f32; grad.len()];
            items.iter().for_each(|item| one(item, &mut own));
            own
        };
        let partials: Vec<Vec<f32>> = pool.install(|| work.par_chunks(share).map(partial).collect());
        for partial in partials {
            gradient::add_scaled(grad, 1.0, &partial);
        }
    }

    fn score_unit(&self, batch: &Batch, sequences: Range<usize>) -> (Vec<f32>, Vec<f32>) {
        let mut workspace = Workspace::default();
        let (_, _, targets) = run_passes(&self.weights.decoder, batch, sequences, false, &mut workspace);
        let scored = self.score_rows(&workspace, &targets, false);
        (scored.logprobs, scored.entropies)
    }

    fn forward_unit(&self, batch: &Batch, sequences: Range<usize>, keep: bool) -> Unit {
        let mut workspace = Workspace::default();
        let (prompt, completions, targets) = run_passes(&self.weights.decoder, batch, sequences, true, &mut workspace);
        let lm_head::Scored { logprobs, entropies, probabilities } = self.score_rows(&workspace, &targets, keep);
        Unit { prompt, completions, probabilities, targets, logprobs, entropies }
    }

    fn score_rows(&self, workspace: &Workspace, targets: &[u32], keep: bool) -> lm_head::Scored {
        lm_head::score(
            &self.weights.decoder,
            &workspace.normed,
            targets,
            self.weights.settings.temperature,
            self.weights.logit_rows(),
            keep,
        )
    }

    fn backward_unit(&self, unit: &Unit, slopes: HeadSlopes, grad: &mut [f32]) {
        let weights = &self.weights;
        with_instructions!(self.weights.decoder.instructions, fn backward_unit<I>(weights: &TrainingWeights, unit: &Unit, slopes: HeadSlopes, grad: &mut [f32]));
    }
}

/// Every item with the slopes of its tokens.
fn shares_of<'a, Item>(
    items: impl Iterator<Item = (Item, usize)>,
    slopes: HeadSlopes<'a>,
) -> Vec<(Item, HeadSlopes<'a>)> {
    let mut rest = slopes;
    let own = |(item, tokens)| {
        let (own, others) = rest.split_at(tokens);
        rest = others;
        (item, own)
    };
    items.map(own).collect()
}
