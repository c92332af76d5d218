//! Backward passes from a given gradient through a graph of autograd.

use tch::Tensor;

/// Propagates `gradient` through the graph of `output`, which has none below the first trained layer.
pub fn backward_from(output: &Tensor, gradient: &Tensor) {
    if !output.requires_grad() {
        return;
    }
    (output * gradient).sum(output.kind()).backward();
}
