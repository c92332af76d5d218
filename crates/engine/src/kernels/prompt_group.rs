//! A prompt group: a prompt and some of its completions, the work of one thread.

use super::activations::Activations;
use super::decoder::KernelDecoder;
use super::kv_cache::KvCache;
use super::segment::{Output, Segment, Workspace};
use crate::batch::Batch;
use std::ops::Range;

/// The forward pass of a prompt group, with everything that its gradient needs. n completion tokens · V vocabulary.
pub struct PromptGroup {
    pub(super) prompt: Pass,
    pub(super) completions: Pass,
    /// Softmax of every completion row at the temperature, `[n, V]`; None where the backward pass recomputes it.
    pub(super) probabilities: Option<Vec<f32>>,
    pub(super) targets: Vec<u32>,
    pub logprobs: Vec<f32>,
    pub entropies: Vec<f32>,
}

/// Segments computed together, with their caches and activations.
pub struct Pass {
    pub tokens: Vec<Vec<u32>>,
    pub caches: Vec<KvCache>,
    /// Empty without a gradient.
    pub activations: Activations,
}

/// Consecutive sequences with the same prompt.
pub fn prompt_groups(batch: &Batch, sequences: Range<usize>) -> Vec<Range<usize>> {
    let mut groups: Vec<Range<usize>> = Vec::new();
    for index in sequences {
        match groups.last_mut() {
            Some(group) if batch.prompt[group.start] == batch.prompt[index] => group.end = index + 1,
            _ => groups.push(index..index + 1),
        }
    }
    groups
}

/// Runs the prompt and then its completions. Returns both passes and the target tokens; `workspace` holds the final
/// hidden states of every completion row afterwards.
pub fn run_passes(
    decoder: &KernelDecoder,
    batch: &Batch,
    sequences: Range<usize>,
    keep_activations: bool,
    workspace: &mut Workspace,
) -> (Pass, Pass, Vec<u32>) {
    let ids = |tokens: &[i32]| -> Vec<u32> { tokens.iter().map(|&token| token as u32).collect() };
    let prompt = ids(batch.prompts.get(batch.prompt[sequences.start] as usize));
    let (last, before) = prompt.split_last().expect("a checked prompt has a token");
    let answers: Vec<Vec<u32>> = sequences.map(|index| ids(batch.sequences.get(index))).collect();
    let mut first = Pass::new(decoder, if before.is_empty() { vec![] } else { vec![before.to_vec()] });
    first.run(decoder, None, workspace, Output::KeysAndValues, keep_activations);
    let inputs = answers.iter().map(|answer| {
        let (_, inputs) = answer.split_last().expect("a checked sequence has a token");
        std::iter::once(last).chain(inputs).copied().collect()
    });
    let mut second = Pass::new(decoder, inputs.collect());
    second.run(decoder, first.caches.first(), workspace, Output::States, keep_activations);
    (first, second, answers.concat())
}

impl Pass {
    fn new(decoder: &KernelDecoder, tokens: Vec<Vec<u32>>) -> Self {
        let caches = tokens.iter().map(|tokens| KvCache::new(&decoder.config, tokens.len())).collect();
        Self { tokens, caches, activations: Activations::default() }
    }

    fn run(
        &mut self,
        decoder: &KernelDecoder,
        prefix: Option<&KvCache>,
        workspace: &mut Workspace,
        output: Output,
        keep_activations: bool,
    ) {
        if self.tokens.is_empty() {
            return;
        }
        let pairs = self.tokens.iter().zip(&mut self.caches);
        let mut segments: Vec<Segment> = pairs.map(|(tokens, cache)| Segment { tokens, prefix, cache }).collect();
        decoder.forward_with_activations(
            &mut segments,
            workspace,
            output,
            keep_activations.then_some(&mut self.activations),
        );
    }

    /// Tokens computed.
    pub fn rows(&self) -> usize {
        self.tokens.iter().map(Vec::len).sum()
    }
}
