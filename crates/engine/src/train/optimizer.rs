//! AdamW on the flat weights.

use crate::error::{EngineError, Result};
use crate::model::parameters::Parameters;
use crate::snapshot::{HostTensor, Training};
use exit_rl_shim::{fused_adamw, AdamW};
use safetensors::{Dtype, SafeTensors};
use std::path::Path;
use std::sync::Arc;
use tch::{Kind, Tensor};

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OptimizerSettings {
    pub adamw: AdamW,
    /// The global gradient norm is clipped to this; 0 does not clip.
    pub max_grad_norm: f64,
}

pub struct Optimizer {
    /// Gradient of the parameters' views, flat, accumulated by the backward pass.
    pub grad: Tensor,
    exp_avg: Tensor,
    exp_avg_sq: Tensor,
    steps: i64,
}

impl Optimizer {
    pub fn new(parameters: &mut Parameters) -> Result<Self> {
        let grad = parameters.require_grad()?;
        let zeros = || parameters.master.detach().zeros_like();
        Ok(Self { grad, exp_avg: zeros(), exp_avg_sq: zeros(), steps: 0 })
    }

    pub fn zero_grad(&mut self) {
        let _ = tch::no_grad(|| self.grad.zero_());
    }

    /// Replaces the gradient by one computed elsewhere, laid out like the parameters.
    pub fn set_grad(&mut self, grad: &[f32]) {
        tch::no_grad(|| self.grad.copy_(&Tensor::from_slice(grad)));
    }

    /// Clips, checks and applies the gradient; returns its norm before clipping. A gradient that is not finite changes nothing.
    pub fn step(&mut self, parameters: &mut Parameters, settings: &OptimizerSettings) -> Result<f64> {
        let grad = self.grad.to_kind(Kind::Float);
        let norm = grad.norm().double_value(&[]);
        if !norm.is_finite() {
            return Err(EngineError::NonFinite { what: format!("the gradient of {}", first_bad(parameters, &grad)) });
        }
        if settings.max_grad_norm > 0.0 {
            // PyTorch's clip_grad_norm_: the small number keeps a zero norm from dividing.
            let scale = (settings.max_grad_norm / (norm + 1e-6)).min(1.0);
            let _ = grad.shallow_clone().g_mul_scalar_(scale);
        }
        self.steps += 1;
        tch::no_grad(|| self.apply(parameters, &grad, settings.adamw))?;
        parameters.refresh();
        Ok(norm)
    }

    /// Weight decay covers the matrices, which come first; norms and biases follow.
    fn apply(&self, parameters: &Parameters, grad: &Tensor, adamw: AdamW) -> Result<()> {
        let step = Tensor::from(self.steps as f32).to_device(parameters.device());
        let (split, size) = (parameters.layout.decayed as i64, parameters.layout.size as i64);
        for (start, length, weight_decay) in [(0, split, adamw.weight_decay), (split, size - split, 0.0)] {
            let part = |tensor: &Tensor| tensor.narrow(0, start, length);
            fused_adamw(
                &part(&parameters.master),
                &part(grad),
                &part(&self.exp_avg),
                &part(&self.exp_avg_sq),
                &step,
                AdamW { weight_decay, ..adamw },
            )
            .map_err(EngineError::torch)?;
        }
        Ok(())
    }

    /// Copies moments, step count, the weights and, when there is one, the reference policy's weights.
    pub fn snapshot(
        &self,
        master: Arc<HostTensor>,
        reference: Option<&Parameters>,
        threads: usize,
    ) -> Result<Training> {
        let copy = |tensor: &Tensor| HostTensor::copy(tensor, threads).map(Arc::new);
        // In bf16 the folder holds rounded weights: training goes on from the unrounded ones.
        let mut tensors = vec![("master".to_string(), master)];
        tensors.push(("exp_avg".into(), copy(&self.exp_avg)?));
        tensors.push(("exp_avg_sq".into(), copy(&self.exp_avg_sq)?));
        if let Some(reference) = reference {
            tensors.push(("reference".into(), copy(&reference.master)?));
        }
        Ok(Training { tensors, metadata: [("steps".to_string(), self.steps.to_string())].into() })
    }

    pub fn load(&mut self, file: &Path, parameters: &mut Parameters, reference: Option<&mut Parameters>) -> Result<()> {
        let bytes = std::fs::read(file).map_err(|error| EngineError::io(file, error))?;
        let broken = |reason: String| EngineError::io(file, reason);
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|error| broken(error.to_string()))?;
        let tensors = SafeTensors::deserialize(&bytes).map_err(|error| broken(error.to_string()))?;
        let steps = header.metadata().as_ref().and_then(|data| data.get("steps")?.parse().ok());
        let restore = |name: &str, target: &Tensor| -> Result<()> {
            let view = tensors.tensor(name).map_err(|error| broken(format!("`{name}`: {error}")))?;
            let values =
                view.data().chunks_exact(4).map(|word| f32::from_le_bytes(word.try_into().expect("four bytes")));
            let values: Vec<f32> = values.collect();
            if values.len() != target.numel() || view.dtype() != Dtype::F32 {
                return Err(broken(format!("`{name}` has {} numbers, the model has {}", values.len(), target.numel())));
            }
            tch::no_grad(|| target.shallow_clone().copy_(&Tensor::from_slice(&values)));
            Ok(())
        };
        restore("exp_avg", &self.exp_avg)?;
        restore("exp_avg_sq", &self.exp_avg_sq)?;
        restore("master", &parameters.master)?;
        parameters.refresh();
        if let Some(reference) = reference {
            restore("reference", &reference.master)?;
            reference.refresh();
        }
        self.steps = steps.ok_or_else(|| broken("the number of steps is missing".into()))?;
        Ok(())
    }
}

/// The name of the first weight whose gradient is not finite.
fn first_bad(parameters: &Parameters, grad: &Tensor) -> String {
    let bad = grad.isfinite().logical_not().nonzero();
    let index = if bad.numel() == 0 { 0 } else { bad.get(0).int64_value(&[0]) as usize };
    parameters.name_at(index).to_string()
}
