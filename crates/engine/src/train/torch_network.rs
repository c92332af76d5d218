//! Log-probabilities and their gradient on libtorch.

use super::batch::Batch;
use super::head::Head;
use super::network::{Network, NetworkSettings, Scores, Slopes};
use super::optimizer::Optimizer;
use super::states::States;
use crate::error::Result;
use crate::model::decoder::Decoder;
use crate::model::parameters::Parameters;
use std::ops::Range;
use tch::{Device, Tensor};

pub struct TorchNetwork<'a> {
    parameters: &'a Parameters,
    settings: NetworkSettings,
}

impl<'a> TorchNetwork<'a> {
    pub fn new(parameters: &'a Parameters, settings: NetworkSettings) -> Self {
        Self { parameters, settings }
    }
}

impl Network for TorchNetwork<'_> {
    fn device(&self) -> Device {
        self.parameters.device()
    }

    fn score(&mut self, batch: &Batch, sequences: Range<usize>) -> Result<Scores> {
        let micro = batch.microbatch(sequences, self.parameters.device(), self.parameters.kind());
        let decoder = Decoder::new(self.parameters);
        let head = Head::new(&decoder, &micro.targets, self.settings);
        Ok(tch::no_grad(|| head.score(&micro.select(&decoder.completion_states(&micro.layout)))))
    }

    fn learn(
        &mut self,
        batch: &Batch,
        sequences: Range<usize>,
        objective: &mut dyn FnMut(&Scores) -> Result<Slopes>,
    ) -> Result<()> {
        let micro = batch.microbatch(sequences, self.parameters.device(), self.parameters.kind());
        let _pass = self.parameters.training_pass();
        let decoder = Decoder::new(self.parameters);
        let head = Head::new(&decoder, &micro.targets, self.settings);
        let states = States::compute(&decoder, &micro, self.settings.gradient_checkpointing);
        if states.has_graph() && head.fits() {
            return head.learn(&states.output_nd, objective);
        }
        let scores = tch::no_grad(|| head.score(&states.output_nd));
        let slopes = objective(&scores)?;
        let d_states = head.backward(&states.output_nd.detach(), &slopes);
        states.backward(&decoder, &micro, d_states);
        Ok(())
    }

    fn hand_over(&self, _: &mut Optimizer) -> Result<()> {
        // Autograd adds into the optimizer's own tensor.
        Ok(())
    }
}

/// Sends a gradient into the graph of `output`; there is none below the first layer that is trained.
pub fn backward_from(output: &Tensor, gradient: &Tensor) {
    if !output.requires_grad() {
        return;
    }
    (output * gradient).sum(output.kind()).backward();
}
