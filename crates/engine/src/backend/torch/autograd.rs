//! Gradients that come from outside into a graph of autograd.

use tch::Tensor;

/// Sends a gradient into the graph of `output`; there is none below the first layer that is trained.
pub fn backward_from(output: &Tensor, gradient: &Tensor) {
    if !output.requires_grad() {
        return;
    }
    (output * gradient).sum(output.kind()).backward();
}
