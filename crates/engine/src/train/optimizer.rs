//! AdamW on the trained parameters, one flat tensor.

use crate::error::{EngineError, Result};
use crate::host_copy::{Copier, HostTensor};
use crate::io::tensor_file::{StoredTensor, TensorFile};
use crate::model::lora::adapter::Adapter;
use crate::model::lora::reference::read_shares;
use crate::model::parameters::Parameters;
use crate::snapshot::Training;
use exit_rl_shim::{fused_adamw, AdamW};
use safetensors::Dtype;
use std::collections::HashMap;
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
    /// The flat gradient, into which backward passes accumulate.
    pub grad: Tensor,
    exp_avg: Tensor,
    exp_avg_sq: Tensor,
    steps: i64,
}

/// The metadata key for the shares of an adapter's reference in a training file.
const SHARES: &str = "reference_shares";
/// Parameters per slice when precisions differ, so that their fp32 copies stay small.
const SLICE: i64 = 1 << 22;

impl Optimizer {
    /// Stores the moments in `state`, fp32 or bf16; the arithmetic is fp32.
    pub fn new(parameters: &mut Parameters, state: Kind) -> Result<Self> {
        let grad = parameters.require_grad()?;
        let size = [parameters.trained().numel() as i64];
        let zeros = || Tensor::f_zeros(size, (state, parameters.device()));
        Ok(Self { exp_avg: zeros()?, exp_avg_sq: zeros()?, grad, steps: 0 })
    }

    /// Number of steps taken.
    pub fn steps(&self) -> u64 {
        self.steps as u64
    }

    pub fn zero_grad(&mut self) {
        let _ = tch::no_grad(|| self.grad.zero_());
    }

    /// Replaces the gradient with that of the kernels, laid out like the parameters.
    pub fn set_grad(&mut self, grad: &[f32]) {
        tch::no_grad(|| self.grad.copy_(&Tensor::from_slice(grad)));
    }

    /// Clips and applies the gradient; returns its norm before clipping.
    ///
    /// @error `NON_FINITE` names the first weight whose gradient is not finite; nothing is changed.
    pub fn step(&mut self, parameters: &mut Parameters, settings: &OptimizerSettings) -> Result<f64> {
        let norm = self.gradient_norm();
        if !norm.is_finite() {
            let what = format!("the gradient of {}", first_bad(parameters, &self.grad));
            return Err(EngineError::NonFinite { what });
        }
        let scale = match settings.max_grad_norm {
            // As PyTorch's clip_grad_norm_: the small number avoids a division by zero.
            limit if limit > 0.0 => (limit / (norm + 1e-6)).min(1.0),
            _ => 1.0,
        };
        self.steps += 1;
        tch::no_grad(|| self.apply(parameters, scale, settings.adamw))?;
        parameters.refresh();
        Ok(norm)
    }

    fn gradient_norm(&self) -> f64 {
        if self.grad.kind() == Kind::Float {
            return self.grad.norm().double_value(&[]);
        }
        let norms = slices(0, self.grad.numel() as i64)
            .map(|(start, length)| self.grad.narrow(0, start, length).to_kind(Kind::Float).norm().double_value(&[]));
        norms.map(|norm| norm * norm).sum::<f64>().sqrt()
    }

    /// Weight decay applies to the matrices, which come first, and not to norms and biases.
    fn apply(&self, parameters: &Parameters, scale: f64, adamw: AdamW) -> Result<()> {
        let step = Tensor::from(self.steps as f32).to_device(parameters.device());
        let (split, size) = (parameters.decayed() as i64, parameters.trained().numel() as i64);
        let plain = self.grad.kind() == Kind::Float && self.exp_avg.kind() == Kind::Float;
        for (start, length, weight_decay) in
            [(0, split, adamw.weight_decay), (split, size - split, 0.0)].into_iter().filter(|part| part.1 > 0)
        {
            let adamw = AdamW { weight_decay, ..adamw };
            let pieces: Vec<_> = if plain { vec![(start, length)] } else { slices(start, length).collect() };
            for (start, length) in pieces {
                let part = |tensor: &Tensor| tensor.narrow(0, start, length);
                let moments = (part(&self.exp_avg), part(&self.exp_avg_sq));
                adamw_slice(&part(parameters.trained()), &part(&self.grad), moments, scale, &step, adamw)?;
            }
        }
        Ok(())
    }

    /// Copies the moments, the step count, the weights and, when there is one, the reference policy.
    pub fn snapshot(
        &self,
        master: Arc<HostTensor>,
        reference: Option<&Parameters>,
        adapter: Option<&Adapter>,
        copier: &Copier,
    ) -> Result<Training> {
        let copy = |tensor: &Tensor| copier.copy(tensor).map(Arc::new);
        // In bf16 the model folder holds rounded weights; training continues from the unrounded ones.
        let mut tensors = vec![("master".to_string(), master)];
        tensors.push(("exp_avg".into(), copy(&self.exp_avg)?));
        tensors.push(("exp_avg_sq".into(), copy(&self.exp_avg_sq)?));
        if let Some(reference) = reference {
            tensors.push(("reference".into(), copy(&reference.master)?));
        }
        let mut metadata = HashMap::from([("steps".to_string(), self.steps.to_string())]);
        if let Some(adapter) = adapter {
            tensors.push(("reference".into(), copy(&adapter.reference.flat())?));
            metadata.insert(SHARES.into(), adapter.reference.shares());
        }
        Ok(Training { tensors, metadata })
    }

    /// Restores step count, moments, weights and reference policy from a training file.
    ///
    /// @error `IO` names a tensor that is missing or of another shape or precision.
    pub fn load(&mut self, file: &Path, parameters: &mut Parameters, reference: Option<&mut Parameters>) -> Result<()> {
        let (folder, name) = (file.parent().unwrap_or(Path::new("")), file.file_name().unwrap_or_default());
        let stored = TensorFile::open(folder, &name.to_string_lossy())?;
        let restore = |name: &str, target: &Tensor| -> Result<()> {
            let wanted = if target.kind() == Kind::Float { Dtype::F32 } else { Dtype::BF16 };
            match stored.tensors.get(name) {
                Some(tensor) if tensor.dtype != wanted => {
                    let saved = tensor.dtype;
                    let reason =
                        format!("`{name}` was saved as {saved:?}, and `optimizer.stateDtype` makes it {wanted:?}");
                    Err(EngineError::io(file, reason))
                }
                _ => stored.copy_into(name, target),
            }
        };
        let steps = stored.metadata.get("steps").and_then(|steps| steps.parse().ok()).filter(|&steps| steps >= 0);
        self.steps = steps.ok_or_else(|| EngineError::io(file, "the number of steps is missing"))?;
        restore("exp_avg", &self.exp_avg)?;
        restore("exp_avg_sq", &self.exp_avg_sq)?;
        restore("master", parameters.trained())?;
        if let Some(adapter) = &mut parameters.adapter {
            let shares = stored.metadata.get(SHARES).map_or("", String::as_str);
            let held = stored.tensors.get("reference").map_or(0, StoredTensor::elements);
            let shares = read_shares(shares, held, adapter.flat.numel());
            let shares = shares.map_err(|reason| EngineError::io(file, format!("`{SHARES}`: {reason}")))?;
            adapter.restore_reference(&shares, |terms| restore("reference", terms))?;
        }
        parameters.refresh();
        if let Some(reference) = reference {
            restore("reference", &reference.master)?;
            reference.refresh();
        }
        Ok(())
    }
}

/// (start, length) of slices of at most `SLICE` parameters.
fn slices(start: i64, length: i64) -> impl Iterator<Item = (i64, i64)> {
    (start..start + length).step_by(SLICE as usize).map(move |at| (at, SLICE.min(start + length - at)))
}

/// One step on a slice, with the gradient multiplied by `scale`. The fused kernel takes one precision: gradient and moments
/// in another are widened to fp32, and the moments rounded back.
fn adamw_slice(
    param: &Tensor,
    grad: &Tensor,
    (exp_avg, exp_avg_sq): (Tensor, Tensor),
    scale: f64,
    step: &Tensor,
    adamw: AdamW,
) -> Result<()> {
    let mut wide_grad = grad.to_kind(Kind::Float);
    if scale != 1.0 {
        let _ = wide_grad.g_mul_scalar_(scale);
    }
    let (first, second) = (exp_avg.to_kind(Kind::Float), exp_avg_sq.to_kind(Kind::Float));
    fused_adamw(param, &wide_grad, &first, &second, step, adamw).map_err(EngineError::torch)?;
    if exp_avg.kind() != Kind::Float {
        exp_avg.shallow_clone().copy_(&first);
        exp_avg_sq.shallow_clone().copy_(&second);
    }
    Ok(())
}

/// The name of the first weight whose gradient is not finite.
fn first_bad(parameters: &Parameters, grad: &Tensor) -> String {
    let bad = grad.isfinite().logical_not().nonzero();
    let index = if bad.numel() == 0 { 0 } else { bad.get(0).int64_value(&[0]) as usize };
    parameters.name_at(index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// Made by scripts/goldens/state_dtype.py.
    fn golden() -> Value {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../test/golden/state-dtype.json");
        serde_json::from_slice(&std::fs::read(file).expect("the fixture is there")).expect("the fixture is JSON")
    }

    fn numbers(value: &Value) -> Vec<f32> {
        let list = value.as_array().expect("a list");
        list.iter().map(|number| number.as_f64().expect("a number") as f32).collect()
    }

    #[test]
    fn moments_in_bf16_are_those_of_pytorch_whole_or_in_slices() {
        let golden = golden();
        let number = |key: &str| golden[key].as_f64().expect("a number");
        let adamw = AdamW {
            lr: number("lr"),
            beta1: number("beta1"),
            beta2: number("beta2"),
            weight_decay: number("weight_decay"),
            eps: number("eps"),
        };
        let start = numbers(&golden["start"]);
        for piece in [start.len(), 64, 7] {
            let param = Tensor::from_slice(&start);
            let moment = || Tensor::zeros([start.len() as i64], (Kind::BFloat16, tch::Device::Cpu));
            let (first, second) = (moment(), moment());
            for (index, grad) in golden["grads"].as_array().expect("a list").iter().enumerate() {
                let (grad, step) = (Tensor::from_slice(&numbers(grad)), Tensor::from(index as f32 + 1.0));
                for at in (0..start.len()).step_by(piece) {
                    let length = piece.min(start.len() - at) as i64;
                    let part = |tensor: &Tensor| tensor.narrow(0, at as i64, length);
                    let grad = part(&grad).copy();
                    adamw_slice(&part(&param), &grad, (part(&first), part(&second)), number("scale"), &step, adamw)
                        .expect("one step");
                }
            }
            for (found, key) in [(&param, "param"), (&first, "exp_avg"), (&second, "exp_avg_sq")] {
                let found = Vec::<f32>::try_from(&found.to_kind(Kind::Float)).expect("numbers");
                assert_eq!(found, numbers(&golden[key]), "{key}, in pieces of {piece}");
            }
        }
    }
}
