// Functions of libtorch 2.11 that tch 0.24 does not expose. A `tensor` is an `at::Tensor*`, as in torch-sys.
// Every function returns nullptr, or a message allocated with malloc that the caller frees.
#pragma once

extern "C" {
typedef void *tensor;

// One AdamW step (decoupled weight decay) on flat tensors of one dtype, in place, by ATen's fused kernel.
// `step` is a float32 scalar tensor that already counts this step.
char *exit_rl_fused_adamw(tensor param, tensor grad, tensor exp_avg, tensor exp_avg_sq, tensor step,
                          double lr, double beta1, double beta2, double weight_decay, double eps);

// Makes `grad` the gradient of the leaf `param`: autograd then accumulates into it in place.
char *exit_rl_set_grad(tensor param, tensor grad);
}
