//! Final states of a microbatch and their backward pass. Autograd keeps all activations or, with gradient checkpointing,
//! only each layer's input. n tokens · D width.

use super::autograd::backward_from;
use super::padded_batch::PaddedBatch;
use crate::model::decoder::Decoder;
use tch::Tensor;

pub struct States {
    /// The final state of every completion token, `[n, D]`.
    pub output_nd: Tensor,
    /// The input of each layer and the output of the last; None where autograd keeps the graph.
    inputs: Option<Vec<Tensor>>,
}

impl States {
    pub fn compute(decoder: &Decoder, micro: &PaddedBatch, checkpointing: bool) -> Self {
        if !checkpointing {
            return Self { output_nd: micro.select(&decoder.completion_states(&micro.layout)), inputs: None };
        }
        tch::no_grad(|| {
            let shared = decoder.shared(&micro.layout);
            let mut inputs = vec![decoder.embed(&micro.layout.ids_n)];
            for layer in 0..decoder.layers() {
                inputs.push(decoder.batch_layer(layer, inputs[layer].shallow_clone(), &shared, &micro.layout));
            }
            Self { output_nd: finish(decoder, micro, &inputs[decoder.layers()]), inputs: Some(inputs) }
        })
    }

    pub fn has_graph(&self) -> bool {
        self.inputs.is_none()
    }

    /// Accumulates the gradient of the weights from that of the output.
    pub fn backward(self, decoder: &Decoder, micro: &PaddedBatch, d_output_nd: Tensor) {
        let Some(mut inputs) = self.inputs else { return backward_from(&self.output_nd, &d_output_nd) };
        drop(self.output_nd);
        let shared = decoder.shared(&micro.layout);
        // Each call pops the last input, so that a layer's activations live for one call alone.
        let mut recompute = |d_out: Tensor, run: &dyn Fn(Tensor) -> Tensor| {
            let input = inputs.pop().expect("one input per layer was kept").set_requires_grad(true);
            backward_from(&run(input.shallow_clone()), &d_out);
            input.grad()
        };
        let mut d_x = recompute(d_output_nd, &|x| finish(decoder, micro, &x));
        for layer in (0..decoder.layers()).rev() {
            d_x = recompute(d_x, &|x| decoder.batch_layer(layer, x, &shared, &micro.layout));
        }
        backward_from(&decoder.embed(&micro.layout.ids_n), &d_x);
    }
}

fn finish(decoder: &Decoder, micro: &PaddedBatch, x_nd: &Tensor) -> Tensor {
    micro.select(&decoder.completion_norm(x_nd, &micro.layout))
}
