//! Safe functions on tch tensors for the parts of libtorch that tch does not expose.

use std::ffi::{c_char, c_void, CStr};
use tch::Tensor;

mod ffi {
    use super::{c_char, c_void};
    extern "C" {
        #[allow(clippy::too_many_arguments)]
        pub fn exit_rl_fused_adamw(
            param: *mut c_void,
            grad: *mut c_void,
            exp_avg: *mut c_void,
            exp_avg_sq: *mut c_void,
            step: *mut c_void,
            lr: f64,
            beta1: f64,
            beta2: f64,
            weight_decay: f64,
            eps: f64,
        ) -> *mut c_char;
        pub fn exit_rl_set_grad(param: *mut c_void, grad: *mut c_void) -> *mut c_char;
        pub fn free(pointer: *mut c_void);
    }
}

/// The hyperparameters of AdamW, as in PyTorch's `torch.optim.AdamW`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamW {
    pub lr: f64,
    pub beta1: f64,
    pub beta2: f64,
    pub weight_decay: f64,
    pub eps: f64,
}

/// Takes one fused AdamW step in place on flat tensors of one dtype; `step` is an fp32 scalar that counts this step, 1 for
/// the first.
///
/// @error libtorch's message.
pub fn fused_adamw(
    param: &Tensor,
    grad: &Tensor,
    exp_avg: &Tensor,
    exp_avg_sq: &Tensor,
    step: &Tensor,
    adamw: AdamW,
) -> Result<(), String> {
    let AdamW { lr, beta1, beta2, weight_decay, eps } = adamw;
    checked(unsafe {
        ffi::exit_rl_fused_adamw(
            pointer(param),
            pointer(grad),
            pointer(exp_avg),
            pointer(exp_avg_sq),
            pointer(step),
            lr,
            beta1,
            beta2,
            weight_decay,
            eps,
        )
    })
}

/// Makes `grad` the gradient of the leaf `param`; backward passes then accumulate into it in place.
pub fn set_grad(param: &Tensor, grad: &Tensor) -> Result<(), String> {
    checked(unsafe { ffi::exit_rl_set_grad(pointer(param), pointer(grad)) })
}

fn pointer(tensor: &Tensor) -> *mut c_void {
    tensor.as_ptr() as *mut c_void
}

/// Takes ownership of the message of a shim call and frees it; null means success.
fn checked(message: *mut c_char) -> Result<(), String> {
    if message.is_null() {
        return Ok(());
    }
    let text = unsafe { CStr::from_ptr(message) }.to_string_lossy().into_owned();
    unsafe { ffi::free(message.cast()) };
    Err(text)
}
