//! The interface of an engine that computes with a policy's weights: generation, log-probabilities and their gradient,
//! hidden states. `kernels` implements it on our kernels and `torch` on libtorch; generation and training use the trait
//! alone. n tokens · D width.

pub mod kernels;
pub mod torch;

use crate::batch::Batch;
use crate::error::Result;
use crate::kernels::trainer::KernelTrainer;
use crate::model::parameters::Parameters;
use crate::philox::Place;
use crate::sampler::edits::Edits;
use crate::sampler::{Sampled, Sampling};
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;
use tch::Tensor;

pub type GroupId = u64;
pub type SlotId = usize;

/// The next token of one running completion.
pub struct DecodeRow {
    pub slot: SlotId,
    pub group: GroupId,
    pub token: u32,
    pub place: Place,
    pub sampling: Arc<Sampling>,
    /// Changes of the logits before the draw.
    pub edits: Option<Box<Edits>>,
    /// Filled by `Backend::decode`.
    pub sampled: Sampled,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PassSettings {
    pub temperature: f64,
    /// Recomputes the activations of a layer (kernels: of a prompt) in the backward pass instead of keeping them.
    pub gradient_checkpointing: bool,
    /// Bytes of logits in memory at a time; more are computed in chunks, and recomputed for the gradient.
    pub logits_bytes: usize,
}

/// Log-probability, in nats, and entropy of n tokens in the order of the batch, fp32.
pub struct TokenStats {
    pub logprob_n: Tensor,
    pub entropy_n: Tensor,
}

/// The gradient of the objective with respect to each token's log-probability, and to its entropy where the loss reads it.
pub struct TokenGrads {
    pub logprob_n: Tensor,
    pub entropy_n: Option<Tensor>,
}

pub trait Backend {
    /// Loads changed weights for generation.
    fn refresh(&mut self, parameters: &Parameters) -> Result<()>;
    /// Computes keys and values of prompts without their last token, once for all completions of a group.
    fn prefill(&mut self, parameters: &Parameters, prompts: &[(GroupId, &[u32])]) -> Result<()>;
    /// Reserves a slot for a completion of `capacity` tokens after the group's prompt.
    fn open_slot(&mut self, slot: SlotId, group: GroupId, capacity: usize) -> Result<()>;
    /// Feeds every row's token and samples the next.
    fn decode(&mut self, parameters: &Parameters, rows: &mut [DecodeRow]) -> Result<()>;
    fn free_slot(&mut self, slot: SlotId);
    /// Frees the keys and values of a group's prompt.
    fn free_prompt(&mut self, group: GroupId);

    /// Prepares the current weights for passes over batches whose sequences have at most `longest` tokens, prompt
    /// included.
    fn prepare<'p>(
        &self,
        parameters: &'p Parameters,
        longest: usize,
        settings: PassSettings,
    ) -> Result<PreparedWeights<'p>>;
    /// Computes log-probabilities and entropies of the sequences' tokens, without what a gradient needs.
    fn logprobs(&self, weights: &PreparedWeights, batch: &Batch, sequences: Range<usize>) -> Result<TokenStats>;
    /// Computes the same and keeps what the gradient needs.
    fn forward<'a>(
        &self,
        weights: &'a mut PreparedWeights,
        batch: &'a Batch,
        sequences: Range<usize>,
    ) -> Result<Forward<'a>>;
    /// Computes the final hidden states that the tokens of every sequence were drawn from, `[n, D]`, fp32 and flat.
    fn hidden_states(&self, parameters: &Parameters, batch: &Batch, microbatch_tokens: usize) -> Result<Vec<f32>>;
}

/// A policy's weights in the form that a backend's training passes read. They cannot change while this value lives.
pub struct PreparedWeights<'p> {
    parameters: &'p Parameters,
    settings: PassSettings,
    /// Packed copies and their gradient (kernels); libtorch reads the parameters themselves.
    packed: Option<Packed>,
}

struct Packed {
    trainer: KernelTrainer,
    /// Laid out like the parameters; empty before the first backward pass.
    grad: Vec<f32>,
}

impl PreparedWeights<'_> {
    /// The accumulated gradient of the trained parameters. None before a backward pass, and on libtorch, where autograd
    /// accumulates into the optimizer's tensor.
    pub fn gradient(&self) -> Result<Option<Cow<'_, [f32]>>> {
        let Some(grad) = self.packed.as_ref().map(|packed| &packed.grad).filter(|grad| !grad.is_empty()) else {
            return Ok(None);
        };
        match &self.parameters.adapter {
            Some(adapter) => adapter.project(&self.parameters.layout, grad).map(|grad| Some(grad.into())),
            None => Ok(Some(grad.into())),
        }
    }
}

/// Accumulates the gradient of the weights.
type Backward<'a> = Box<dyn FnOnce(&TokenGrads) -> Result<()> + 'a>;

/// A forward pass that waits for the gradient of its outputs.
pub struct Forward<'a> {
    pub stats: TokenStats,
    backward: Backward<'a>,
}

impl Forward<'_> {
    /// Accumulates the gradient of the weights and returns the outputs of the forward pass.
    pub fn backward(self, grads: &TokenGrads) -> Result<TokenStats> {
        (self.backward)(grads)?;
        Ok(self.stats)
    }
}
