//! The one interface between the objective and what computes log-probabilities: own kernels or libtorch.

use super::batch::Batch;
use super::kernel_network::KernelNetwork;
use super::optimizer::Optimizer;
use super::torch_network::TorchNetwork;
use crate::cpu::trainer::Pool;
use crate::error::Result;
use crate::model::parameters::Parameters;
use std::ops::Range;
use tch::{Device, Tensor};

/// Logits in memory at a time unless something else is asked for.
pub const LOGITS_BYTES: usize = 256 << 20;

/// What computes log-probabilities and their gradient.
#[derive(Clone)]
pub enum Compute {
    /// libtorch and its autograd: every device and precision.
    Torch,
    /// Our own kernels: fp32 on the CPU.
    Kernels(Pool),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NetworkSettings {
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

pub trait Network {
    /// Where its scores lie.
    fn device(&self) -> Device;

    fn score(&mut self, batch: &Batch, sequences: Range<usize>) -> Result<Scores>;

    /// Scores the sequences, asks `objective` for the slopes, and adds the gradient that follows from them.
    fn learn(
        &mut self,
        batch: &Batch,
        sequences: Range<usize>,
        objective: &mut dyn FnMut(&Scores) -> Result<Slopes>,
    ) -> Result<()>;

    /// Gives what was added up to the optimizer.
    fn hand_over(&self, optimizer: &mut Optimizer) -> Result<()>;
}

/// The network at the weights as they are; `longest` tokens in a sequence with its prompt.
pub fn network<'a>(
    compute: &Compute,
    parameters: &'a Parameters,
    longest: usize,
    settings: NetworkSettings,
) -> Result<Box<dyn Network + 'a>> {
    Ok(match compute {
        Compute::Torch => Box::new(TorchNetwork::new(parameters, settings)),
        Compute::Kernels(pool) => Box::new(KernelNetwork::new(parameters, longest, pool.clone(), settings)?),
    })
}
