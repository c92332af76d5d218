//! Log-probabilities and their gradient on our own kernels.

use super::batch::Batch;
use super::network::{Network, NetworkSettings, Scores, Slopes};
use super::optimizer::Optimizer;
use crate::cpu::head::{HeadSettings, HeadSlopes};
use crate::cpu::trainer::{CpuTrainer, Pool};
use crate::error::Result;
use crate::model::parameters::Parameters;
use std::ops::Range;
use tch::{Device, Tensor};

pub struct KernelNetwork<'a> {
    parameters: &'a Parameters,
    trainer: CpuTrainer,
    /// Keeps no activations between scores and gradient.
    again: bool,
    /// Laid out like the parameters; made when there is one.
    grad: Vec<f32>,
}

impl<'a> KernelNetwork<'a> {
    pub fn new(parameters: &'a Parameters, longest: usize, pool: Pool, settings: NetworkSettings) -> Result<Self> {
        let NetworkSettings { temperature, logits_bytes, gradient_checkpointing: again } = settings;
        let trainer = CpuTrainer::new(parameters, longest, pool, HeadSettings { temperature, logits_bytes })?;
        Ok(Self { parameters, trainer, again, grad: Vec::new() })
    }
}

impl Network for KernelNetwork<'_> {
    fn device(&self) -> Device {
        Device::Cpu
    }

    fn score(&mut self, batch: &Batch, sequences: Range<usize>) -> Result<Scores> {
        let (logprobs, entropies) = self.trainer.score(batch, sequences);
        Ok(Scores { logprob_n: Tensor::from_slice(&logprobs), entropy_n: Tensor::from_slice(&entropies) })
    }

    fn learn(
        &mut self,
        batch: &Batch,
        sequences: Range<usize>,
        objective: &mut dyn FnMut(&Scores) -> Result<Slopes>,
    ) -> Result<()> {
        self.grad.resize(self.parameters.layout.size, 0.0);
        let units = if self.again { Vec::new() } else { self.trainer.forward(batch, sequences.clone()) };
        let scores = if self.again {
            self.score(batch, sequences.clone())?
        } else {
            let gather = |of: fn(&crate::cpu::unit::Unit) -> &Vec<f32>| {
                Tensor::from_slice(&units.iter().flat_map(of).copied().collect::<Vec<f32>>())
            };
            Scores { logprob_n: gather(|unit| &unit.logprobs), entropy_n: gather(|unit| &unit.entropies) }
        };
        let slopes = objective(&scores)?;
        let logprobs = Vec::<f32>::try_from(&slopes.logprob_n)?;
        let entropies = slopes.entropy_n.as_ref().map(Vec::<f32>::try_from).transpose()?;
        let slopes = HeadSlopes { logprobs: &logprobs, entropies: entropies.as_deref() };
        if self.again {
            self.trainer.backward_again(batch, sequences, slopes, &mut self.grad);
        } else {
            self.trainer.backward(&units, slopes, &mut self.grad);
        }
        Ok(())
    }

    fn hand_over(&self, optimizer: &mut Optimizer) -> Result<()> {
        match &self.parameters.adapter {
            _ if self.grad.is_empty() => {}
            Some(adapter) => optimizer.set_grad(&adapter.project(&self.parameters.layout, &self.grad)?),
            None => optimizer.set_grad(&self.grad),
        }
        Ok(())
    }
}
