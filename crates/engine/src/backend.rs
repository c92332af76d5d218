//! What computes with a policy's weights: generation, log-probabilities and their gradient, hidden states. One
//! implementation on our own kernels and one on libtorch; whoever generates or trains knows this interface alone.

pub mod kernels;
pub mod torch;

use crate::batch::Batch;
use crate::error::Result;
use crate::kernels::trainer::KernelTrainer;
use crate::model::parameters::Parameters;
use crate::philox::Place;
use crate::sampler::{Sampled, Sampling};
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;
use tch::Tensor;

pub type GroupId = u64;
pub type SlotId = usize;

/// Logits in memory at a time unless something else is asked for.
pub const LOGITS_BYTES: usize = 256 << 20;

/// One running completion's next token.
pub struct StepRow {
    pub slot: SlotId,
    pub group: GroupId,
    pub token: u32,
    pub place: Place,
    pub sampling: Arc<Sampling>,
    /// Filled by the step.
    pub sampled: Sampled,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PassSettings {
    pub temperature: f64,
    /// Computes a layer's (own kernels: a prompt's) activations again in the backward pass instead of keeping them.
    pub gradient_checkpointing: bool,
    /// Logits that may lie in memory at a time; more are computed in parts, and again for the gradient.
    pub logits_bytes: usize,
}

/// Of n tokens in the order of the batch, fp32.
pub struct Scores {
    pub logprob_n: Tensor,
    pub entropy_n: Tensor,
}

/// d(loss) by log-probability, and by entropy where the loss reads it.
pub struct Slopes {
    pub logprob_n: Tensor,
    pub entropy_n: Option<Tensor>,
}

pub trait Backend {
    /// Takes over changed weights for generation.
    fn refresh(&mut self, parameters: &Parameters) -> Result<()>;
    /// Computes keys and values of prompts without their last token, once for all completions of a group.
    fn prefill(&mut self, parameters: &Parameters, prompts: &[(GroupId, &[u32])]) -> Result<()>;
    /// Gives a slot room for `capacity` tokens after the group's prompt.
    fn start(&mut self, slot: SlotId, group: GroupId, capacity: usize) -> Result<()>;
    /// Feeds every row's token and samples the next.
    fn step(&mut self, parameters: &Parameters, rows: &mut [StepRow]) -> Result<()>;
    fn finish(&mut self, slot: SlotId);
    fn release(&mut self, group: GroupId);

    /// The weights as they are now, ready for passes over batches with at most `longest` tokens in a sequence with its
    /// prompt.
    fn prepare<'p>(
        &self,
        parameters: &'p Parameters,
        longest: usize,
        settings: PassSettings,
    ) -> Result<PreparedWeights<'p>>;
    /// Log-probabilities and entropies of the sequences' tokens; no gradient can follow.
    fn logprobs(&self, weights: &PreparedWeights, batch: &Batch, sequences: Range<usize>) -> Result<Scores>;
    /// The same, with all that their gradient needs.
    fn forward<'a>(
        &self,
        weights: &'a mut PreparedWeights,
        batch: &'a Batch,
        sequences: Range<usize>,
    ) -> Result<Forward<'a>>;
    /// The final hidden states that the tokens of every sequence were drawn from, `[tokens, D]`, fp32 and flat.
    fn hidden_states(&self, parameters: &Parameters, batch: &Batch, microbatch_tokens: usize) -> Result<Vec<f32>>;
}

/// A policy's weights as a backend computes with them in training. They cannot change while it lives.
pub struct PreparedWeights<'p> {
    parameters: &'p Parameters,
    settings: PassSettings,
    /// Packed copies and what was added to their gradient; libtorch reads the parameters themselves.
    packed: Option<Packed>,
}

struct Packed {
    trainer: KernelTrainer,
    /// Laid out like the parameters; made when there is one.
    grad: Vec<f32>,
}

impl PreparedWeights<'_> {
    /// The gradient that was added up, of what is trained. None where there is none, and where autograd has added it into
    /// the optimizer's own tensor.
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

/// Adds the gradient that follows from the slopes.
type Backward<'a> = Box<dyn FnOnce(&Slopes) -> Result<()> + 'a>;

/// A forward pass that waits for the slopes of its numbers.
pub struct Forward<'a> {
    pub scores: Scores,
    backward: Backward<'a>,
}

impl Forward<'_> {
    /// Adds the gradient of the weights that follows from the slopes; the scores stay.
    pub fn backward(self, slopes: &Slopes) -> Result<Scores> {
        (self.backward)(slopes)?;
        Ok(self.scores)
    }
}
