#include "shim.h"

#include <ATen/ops/_fused_adamw.h>
#include <ATen/core/Tensor.h>
#include <cstring>
#include <exception>

namespace {

at::Tensor &as_tensor(tensor t) { return *static_cast<at::Tensor *>(t); }

// No exception may cross the C border: Rust cannot catch it.
template <typename Body> char *guarded(Body body) {
  try {
    body();
    return nullptr;
  } catch (const std::exception &error) {
    return strdup(error.what());
  } catch (...) {
    return strdup("a C++ exception that is not a std::exception");
  }
}

} // namespace

char *exit_rl_fused_adamw(tensor param, tensor grad, tensor exp_avg, tensor exp_avg_sq, tensor step,
                          double lr, double beta1, double beta2, double weight_decay, double eps) {
  return guarded([&] {
    at::_fused_adamw_({as_tensor(param)}, {as_tensor(grad)}, {as_tensor(exp_avg)}, {as_tensor(exp_avg_sq)},
                      {}, {as_tensor(step)}, lr, beta1, beta2, weight_decay, eps,
                      /*amsgrad=*/false, /*maximize=*/false, /*grad_scale=*/{}, /*found_inf=*/{});
  });
}

char *exit_rl_set_grad(tensor param, tensor grad) {
  return guarded([&] { as_tensor(param).mutable_grad() = as_tensor(grad); });
}
