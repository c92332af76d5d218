//! Log-probabilities and their gradient on the CPU kernels.
//!
//! The forward pass is the one that decodes: training sees the very numbers that sampling saw. A unit is one prompt
//! with completions of it; units are independent, so threads share them out, each with a gradient of its own, which are
//! added in order.

use super::backward::backward_unit;
use super::decoder::CpuDecoder;
use super::gradient;
use super::head::{self, HeadSettings, HeadSlopes};
use super::linear::PackedLinear;
use super::segment::Workspace;
use super::unit::{run_passes, units, Unit};
use crate::error::Result;
use crate::model::layout::{DecoderLeaves, Layout};
use crate::model::parameters::Parameters;
use crate::train::batch::Batch;
use crate::with_instructions;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;

/// Threads to share units among; None computes on the calling thread.
pub type Pool = Option<Arc<rayon::ThreadPool>>;

pub struct CpuTrainer {
    pub(super) decoder: CpuDecoder,
    layout: Layout,
    pub(super) leaves: DecoderLeaves,
    pub(super) layers: Vec<Transposed>,
    pub(super) head: PackedLinear,
    pub(super) settings: HeadSettings,
    pool: Pool,
}

/// Transposed weights, for gradients of inputs.
pub(super) struct Transposed {
    pub qkv: PackedLinear,
    pub output: PackedLinear,
    pub gate_up: PackedLinear,
    pub down: PackedLinear,
}

impl CpuTrainer {
    pub fn new(parameters: &Parameters, longest: usize, pool: Pool, settings: HeadSettings) -> Result<Self> {
        let mut decoder = CpuDecoder::new(parameters)?;
        decoder.reserve_positions(longest);
        let flat = parameters.on_host()?;
        let transposed = |leaf: usize| {
            let leaf = &parameters.layout.leaves[leaf];
            let (outputs, inputs) = (leaf.shape[0] as usize, leaf.shape[1] as usize);
            let weight = &flat[leaf.offset..leaf.offset + outputs * inputs];
            PackedLinear::pack_transposed(weight, outputs, inputs, decoder.instructions)
        };
        let layers = parameters.leaves.layers.iter().map(|layer| Transposed {
            qkv: transposed(layer.qkv),
            output: transposed(layer.output),
            gate_up: transposed(layer.gate_up),
            down: transposed(layer.down),
        });
        Ok(Self {
            layers: layers.collect(),
            head: transposed(parameters.leaves.head),
            layout: parameters.layout.clone(),
            leaves: parameters.leaves.clone(),
            decoder,
            settings,
            pool,
        })
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
        let keep = rows * self.decoder.config.vocab_size * 4 <= self.settings.logits_bytes;
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

    /// Rows of logits that one thread may hold.
    pub(super) fn logit_rows(&self) -> usize {
        let threads = self.pool.as_ref().map_or(1, |pool| pool.current_num_threads());
        (self.settings.logits_bytes / threads / (4 * self.decoder.config.vocab_size)).max(1)
    }

    fn score_unit(&self, batch: &Batch, sequences: Range<usize>) -> (Vec<f32>, Vec<f32>) {
        let mut workspace = Workspace::default();
        let (_, _, targets) = run_passes(&self.decoder, batch, sequences, false, &mut workspace);
        let scored = self.score_rows(&workspace, &targets, false);
        (scored.logprobs, scored.entropies)
    }

    fn forward_unit(&self, batch: &Batch, sequences: Range<usize>, keep: bool) -> Unit {
        let mut workspace = Workspace::default();
        let (prompt, completions, targets) = run_passes(&self.decoder, batch, sequences, true, &mut workspace);
        let head::Scored { logprobs, entropies, probabilities } = self.score_rows(&workspace, &targets, keep);
        Unit { prompt, completions, probabilities, targets, logprobs, entropies }
    }

    fn score_rows(&self, workspace: &Workspace, targets: &[u32], keep: bool) -> head::Scored {
        head::score(&self.decoder, &workspace.normed, targets, self.settings.temperature, self.logit_rows(), keep)
    }

    fn backward_unit(&self, unit: &Unit, slopes: HeadSlopes, grad: &mut [f32]) {
        let trainer = self;
        with_instructions!(self.decoder.instructions, fn backward_unit<I>(trainer: &CpuTrainer, unit: &Unit, slopes: HeadSlopes, grad: &mut [f32]));
    }

    pub(super) fn grad_of<'a>(&self, leaf: usize, grad: &'a mut [f32]) -> &'a mut [f32] {
        let leaf = &self.layout.leaves[leaf];
        let size = leaf.shape.iter().product::<i64>() as usize;
        &mut grad[leaf.offset..leaf.offset + size]
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
