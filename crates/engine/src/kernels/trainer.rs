//! Log-probabilities and their gradient on the CPU kernels.
//!
//! The forward pass is the one that decodes: training computes the same numbers as sampling, bit for bit. Prompt groups
//! are independent, so the threads divide them; each thread accumulates a gradient, and these are added in a fixed order.

use super::decoder_backward::backward_group;
use super::gradients;
use super::lm_head::{self, HeadGrads};
use super::prompt_group::{prompt_groups, run_passes, PromptGroup};
use super::segment::Workspace;
use super::training_weights::{HeadSettings, TrainingWeights};
use crate::batch::Batch;
use crate::error::Result;
use crate::model::parameters::Parameters;
use crate::placement::Pool;
use crate::with_instructions;
use rayon::prelude::*;
use std::ops::Range;

/// A policy packed for log-probabilities and their gradient.
pub struct KernelTrainer {
    weights: TrainingWeights,
    pool: Pool,
}

impl KernelTrainer {
    /// `longest`: tokens of the longest sequence with its prompt.
    ///
    /// # Errors
    /// `backend` where the parameters are not fp32 on the CPU.
    pub fn new(parameters: &Parameters, longest: usize, pool: Pool, settings: HeadSettings) -> Result<Self> {
        let threads = pool.as_ref().map_or(1, |pool| pool.current_num_threads());
        Ok(Self { weights: TrainingWeights::pack(parameters, longest, threads, settings)?, pool })
    }

    /// Log-probabilities and entropies of all tokens in the order of the sequences, without activations.
    pub fn logprobs(&self, batch: &Batch, sequences: Range<usize>) -> (Vec<f32>, Vec<f32>) {
        let one = |group: &Range<usize>| self.group_logprobs(batch, group.clone());
        let outputs = self.map(&prompt_groups(batch, sequences), one);
        let (logprobs, entropies): (Vec<_>, Vec<_>) = outputs.into_iter().unzip();
        (logprobs.concat(), entropies.concat())
    }

    /// Runs the sequences group by group and keeps their activations, and the probabilities where they fit into
    /// `logits_bytes`.
    pub fn forward(&self, batch: &Batch, sequences: Range<usize>) -> Vec<PromptGroup> {
        let rows = batch.tokens(sequences.clone()).len();
        let keep = rows * self.weights.decoder.config.vocab_size * 4 <= self.weights.settings.logits_bytes;
        self.map(&prompt_groups(batch, sequences), |group| self.forward_group(batch, group.clone(), keep))
    }

    /// Accumulates the gradient in `grad`, laid out like the parameters. `grads` are those of all tokens.
    pub fn backward(&self, groups: &[PromptGroup], grads: HeadGrads, grad: &mut [f32]) {
        let work = split_grads(groups.iter().map(|group| (group, group.logprobs.len())), grads);
        self.add(&work, grad, |(group, grads), grad| self.backward_group(group, *grads, grad));
    }

    /// As `backward`, after `logprobs` (gradient checkpointing): recomputes one group at a time per thread.
    pub fn backward_checkpointed(&self, batch: &Batch, sequences: Range<usize>, grads: HeadGrads, grad: &mut [f32]) {
        let groups = prompt_groups(batch, sequences);
        let work = split_grads(groups.into_iter().map(|group| (group.clone(), batch.tokens(group).len())), grads);
        self.add(&work, grad, |(group, grads), grad| {
            self.backward_group(&self.forward_group(batch, group.clone(), false), *grads, grad);
        });
    }

    fn map<Item: Sync, Output: Send>(
        &self,
        items: &[Item],
        one: impl Fn(&Item) -> Output + Sync + Send,
    ) -> Vec<Output> {
        match &self.pool {
            Some(pool) => pool.install(|| items.par_iter().map(one).collect()),
            None => items.iter().map(one).collect(),
        }
    }

    /// Runs `one`, which accumulates, on every item.
    fn add<Item: Sync>(&self, work: &[Item], grad: &mut [f32], one: impl Fn(&Item, &mut [f32]) + Sync) {
        let Some(pool) = &self.pool else {
            return work.iter().for_each(|item| one(item, grad));
        };
        // The division depends on the number of threads alone, so a run repeats bit for bit.
        let share = work.len().div_ceil(pool.current_num_threads()).max(1);
        let partial = |items: &[Item]| {
            let mut sum = vec![0f32; grad.len()];
            items.iter().for_each(|item| one(item, &mut sum));
            sum
        };
        let partials: Vec<Vec<f32>> = pool.install(|| work.par_chunks(share).map(partial).collect());
        for partial in partials {
            gradients::add_scaled(grad, 1.0, &partial);
        }
    }

    fn group_logprobs(&self, batch: &Batch, sequences: Range<usize>) -> (Vec<f32>, Vec<f32>) {
        let mut workspace = Workspace::default();
        let (_, _, targets) = run_passes(&self.weights.decoder, batch, sequences, false, &mut workspace);
        let output = self.forward_head(&workspace, &targets, false);
        (output.logprobs, output.entropies)
    }

    fn forward_group(&self, batch: &Batch, sequences: Range<usize>, keep: bool) -> PromptGroup {
        let mut workspace = Workspace::default();
        let (prompt, completions, targets) = run_passes(&self.weights.decoder, batch, sequences, true, &mut workspace);
        let lm_head::HeadOutput { logprobs, entropies, probabilities } = self.forward_head(&workspace, &targets, keep);
        PromptGroup { prompt, completions, probabilities, targets, logprobs, entropies }
    }

    fn forward_head(&self, workspace: &Workspace, targets: &[u32], keep: bool) -> lm_head::HeadOutput {
        lm_head::forward(
            &self.weights.decoder,
            &workspace.normed,
            targets,
            self.weights.settings.temperature,
            self.weights.logit_rows(),
            keep,
        )
    }

    fn backward_group(&self, group: &PromptGroup, grads: HeadGrads, grad: &mut [f32]) {
        let weights = &self.weights;
        with_instructions!(self.weights.decoder.instructions, fn backward_group<I>(weights: &TrainingWeights, group: &PromptGroup, grads: HeadGrads, grad: &mut [f32]));
    }
}

/// Pairs every item with the gradients of its tokens.
fn split_grads<'a, Item>(
    items: impl Iterator<Item = (Item, usize)>,
    grads: HeadGrads<'a>,
) -> Vec<(Item, HeadGrads<'a>)> {
    let mut rest = grads;
    let pair = |(item, tokens)| {
        let (grads, others) = rest.split_at(tokens);
        rest = others;
        (item, grads)
    };
    items.map(pair).collect()
}
