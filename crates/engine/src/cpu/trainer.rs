//! Log-probabilities and their gradient on the CPU kernels.
//!
//! The forward pass is the one that decodes: training sees the very numbers that sampling saw. A unit is one prompt
//! with completions of it; units are independent, so threads share them out, each with a gradient of its own, which are
//! added in order. n completion tokens · V vocabulary · D width.

use super::backward::backward_unit;
use super::cache::KvCache;
use super::decoder::{CpuDecoder, Segment, Workspace};
use super::gradient;
use super::isa::Instructions;
use super::linear::PackedLinear;
use super::math::{exp, max, LANES};
use super::tape::Tape;
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
    pool: Pool,
}

/// Transposed weights, for gradients of inputs.
pub(super) struct Transposed {
    pub qkv: PackedLinear,
    pub output: PackedLinear,
    pub gate_up: PackedLinear,
    pub down: PackedLinear,
}

/// A prompt and completions of it, computed.
pub struct Unit {
    pub(super) prompt: Pass,
    pub(super) completions: Pass,
    /// Softmax of every completion row at the temperature, `[n, V]`.
    pub(super) probabilities: Vec<f32>,
    pub(super) targets: Vec<u32>,
    pub logprobs: Vec<f32>,
    pub entropies: Vec<f32>,
}

/// Segments computed together, their caches and the tape.
#[derive(Default)]
pub(super) struct Pass {
    pub tokens: Vec<Vec<u32>>,
    pub caches: Vec<KvCache>,
    pub tape: Tape,
}

impl CpuTrainer {
    pub fn new(parameters: &Parameters, longest: usize, pool: Pool) -> Result<Self> {
        let mut decoder = CpuDecoder::new(parameters)?;
        decoder.reserve_positions(longest);
        let flat = parameters.to_host()?;
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
            pool,
        })
    }

    /// Computes sequences, unit by unit; log-probabilities and entropies lie in the order of the sequences.
    pub fn forward(&self, batch: &Batch, sequences: Range<usize>, temperature: f64) -> Vec<Unit> {
        let units = units(batch, sequences);
        let one = |unit: &Range<usize>| self.forward_unit(batch, unit.clone(), temperature);
        match &self.pool {
            Some(pool) => pool.install(|| units.par_iter().map(one).collect()),
            None => units.iter().map(one).collect(),
        }
    }

    /// Adds the gradient to `grad`, laid out like the parameters, given d(loss)/d(log-probability) of every token.
    pub fn backward(&self, units: &[Unit], d_logprobs: &[f32], temperature: f64, grad: &mut [f32]) {
        let mut rest = d_logprobs;
        let work: Vec<(&Unit, &[f32])> = units
            .iter()
            .map(|unit| {
                let (own, others) = rest.split_at(unit.logprobs.len());
                rest = others;
                (unit, own)
            })
            .collect();
        let Some(pool) = &self.pool else {
            return work.iter().for_each(|(unit, d)| self.backward_unit(unit, d, temperature, grad));
        };
        // The shares depend on the number of threads alone: a run repeats bit for bit.
        let share = work.len().div_ceil(pool.current_num_threads()).max(1);
        let partial = |units: &[(&Unit, &[f32])]| {
            let mut own = vec![0f32; grad.len()];
            units.iter().for_each(|(unit, d)| self.backward_unit(unit, d, temperature, &mut own));
            own
        };
        let partials: Vec<Vec<f32>> = pool.install(|| work.par_chunks(share).map(partial).collect());
        for partial in partials {
            gradient::add_scaled(grad, 1.0, &partial);
        }
    }

    fn forward_unit(&self, batch: &Batch, sequences: Range<usize>, temperature: f64) -> Unit {
        let ids = |tokens: &[i32]| -> Vec<u32> { tokens.iter().map(|&token| token as u32).collect() };
        let prompt = ids(batch.prompts.get(batch.prompt[sequences.start] as usize));
        let (last, before) = prompt.split_last().expect("a checked prompt has a token");
        let answers: Vec<Vec<u32>> = sequences.map(|index| ids(batch.sequences.get(index))).collect();
        let mut workspace = Workspace::default();
        let mut first = Pass::new(&self.decoder, if before.is_empty() { vec![] } else { vec![before.to_vec()] });
        first.run(&self.decoder, None, &mut workspace, false);
        let inputs = answers.iter().map(|answer| {
            let (_, inputs) = answer.split_last().expect("a checked sequence has a token");
            std::iter::once(last).chain(inputs).copied().collect()
        });
        let mut second = Pass::new(&self.decoder, inputs.collect());
        second.run(&self.decoder, first.caches.first(), &mut workspace, true);
        let mut unit = Unit {
            prompt: first,
            completions: second,
            probabilities: std::mem::take(&mut workspace.logits),
            targets: answers.concat(),
            logprobs: Vec::new(),
            entropies: Vec::new(),
        };
        unit.normalise(self.decoder.config.vocab_size, temperature as f32, self.decoder.instructions);
        unit
    }

    fn backward_unit(&self, unit: &Unit, d_logprobs: &[f32], temperature: f64, grad: &mut [f32]) {
        let trainer = self;
        let temperature = temperature as f32;
        with_instructions!(self.decoder.instructions, fn backward_unit<I>(trainer: &CpuTrainer, unit: &Unit, d_logprobs: &[f32], temperature: f32, grad: &mut [f32]));
    }

    pub(super) fn grad_of<'a>(&self, leaf: usize, grad: &'a mut [f32]) -> &'a mut [f32] {
        let leaf = &self.layout.leaves[leaf];
        let size = leaf.shape.iter().product::<i64>() as usize;
        &mut grad[leaf.offset..leaf.offset + size]
    }
}

/// Neighbours with the same prompt.
fn units(batch: &Batch, sequences: Range<usize>) -> Vec<Range<usize>> {
    let mut units: Vec<Range<usize>> = Vec::new();
    for index in sequences {
        match units.last_mut() {
            Some(unit) if batch.prompt[unit.start] == batch.prompt[index] => unit.end = index + 1,
            _ => units.push(index..index + 1),
        }
    }
    units
}

impl Pass {
    fn new(decoder: &CpuDecoder, tokens: Vec<Vec<u32>>) -> Self {
        let caches = tokens.iter().map(|tokens| KvCache::new(&decoder.config, tokens.len())).collect();
        Self { tokens, caches, tape: Tape::default() }
    }

    fn run(&mut self, decoder: &CpuDecoder, prefix: Option<&KvCache>, workspace: &mut Workspace, logits: bool) {
        if self.tokens.is_empty() {
            return;
        }
        let pairs = self.tokens.iter().zip(&mut self.caches);
        let mut segments: Vec<Segment> = pairs.map(|(tokens, own)| Segment { tokens, prefix, own }).collect();
        decoder.forward_taped(&mut segments, workspace, logits, Some(&mut self.tape));
    }

    pub fn rows(&self) -> usize {
        self.tokens.iter().map(Vec::len).sum()
    }
}

impl Unit {
    /// Logits to probabilities, log-probabilities of the targets and entropies.
    fn normalise(&mut self, vocabulary: usize, temperature: f32, instructions: Instructions) {
        let scale = 1.0 / temperature;
        for (row, &target) in self.probabilities.chunks_exact_mut(vocabulary).zip(&self.targets) {
            let (logprob, entropy) = with_instructions!(instructions, fn normalise_row(row: &mut [f32], target: u32, scale: f32) -> (f32, f32));
            self.logprobs.push(logprob);
            self.entropies.push(entropy);
        }
    }
}

/// row ← softmax(scale · row); (log-probability of the target, entropy Σ −p log p).
#[inline(always)]
fn normalise_row(row: &mut [f32], target: u32, scale: f32) -> (f32, f32) {
    let largest = max(row);
    let (mut totals, mut weighted) = ([0f64; LANES], [0f64; LANES]);
    for chunk in row.chunks_mut(LANES) {
        for ((value, total), weighted) in chunk.iter_mut().zip(&mut totals).zip(&mut weighted) {
            let shifted = (*value - largest) * scale;
            *value = exp(shifted);
            *total += f64::from(*value);
            *weighted += f64::from(*value * shifted);
        }
    }
    let (total, weighted) = (totals.iter().sum::<f64>(), weighted.iter().sum::<f64>());
    let logprob = f64::from(row[target as usize]).ln() - total.ln();
    let inverse = (1.0 / total) as f32;
    row.iter_mut().for_each(|value| *value *= inverse);
    (logprob as f32, (total.ln() - weighted / total) as f32)
}
