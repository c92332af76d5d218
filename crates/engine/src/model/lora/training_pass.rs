//! The training pass: merged values in the forward pass, the gradient of A and B in the backward pass.
//! N rows · in, out features of a module.

use super::adapter::{Adapter, PassId};
use crate::model::parameters::Parameters;
use crate::philox::Place;
use std::sync::{Mutex, PoisonError};
use tch::{Kind, Tensor};

/// Guards libtorch's only generator: nothing else may draw between its seed and a mask.
static GENERATOR: Mutex<()> = Mutex::new(());

/// Bit of the position in the random numbers of masks; no sampled token has it.
const MASKS: u32 = 1 << 31;

impl Adapter {
    /// x Wᵀ + b of a leaf in a training pass, `[N, out]`; None where the merged weights alone give the result.
    pub(crate) fn linear(&self, x_ni: &Tensor, leaf: usize, merged: &Tensor, bias: Option<&Tensor>) -> Option<Tensor> {
        let pass = self.pass.get()?;
        let modules = self.of_leaf.get(&leaf)?;
        if self.settings.dropout > 0.0 {
            let y = x_ni.linear(&self.base[&leaf], bias);
            return Some(
                y + self.by_rows(modules, merged, |index| self.dropped(&self.drop_out(x_ni, pass, index), index)),
            );
        }
        // Adding z − z keeps the merged value exactly and carries the gradients of the factors; that of x is dy·W.
        let x = x_ni.detach();
        let z = self.by_rows(modules, merged, |index| self.carried(&x, index));
        Some(x_ni.linear(merged, bias) + (&z - z.detach()))
    }

    /// A weight that is trained in full, in the precision of the forward pass; None outside a training pass and for others.
    pub(crate) fn saved_weight(&self, leaf: usize, kind: Kind) -> Option<Tensor> {
        self.pass.get()?;
        self.saved_views.get(&leaf).map(|view| view.to_kind(kind))
    }

    /// Values of a leaf's modules side by side, `[N, out]`, zero for rows without a module.
    fn by_rows(&self, modules: &[usize], leaf: &Tensor, value: impl Fn(usize) -> Tensor) -> Tensor {
        let (mut parts, mut row) = (Vec::new(), 0);
        let zeros =
            |like: &Tensor, rows: usize| Tensor::zeros([like.size()[0], rows as i64], (like.kind(), like.device()));
        for &index in modules {
            let (module, part) = (&self.modules[index], value(index));
            if module.row > row {
                parts.push(zeros(&part, module.row - row));
            }
            row = module.row + module.outputs;
            parts.push(part);
        }
        let rows = leaf.size()[0] as usize;
        if row < rows {
            parts.push(zeros(&parts[0], rows - row));
        }
        if parts.len() == 1 {
            parts.remove(0)
        } else {
            Tensor::cat(&parts, -1)
        }
    }

    /// s·B·(A x) of a module, `[N, out]`.
    fn lora(&self, x: &Tensor, index: usize) -> Tensor {
        let (module, factors, kind) = (&self.modules[index], &self.factors[index], x.kind());
        let (a, b) = (factors.a.to_kind(kind), factors.b.to_kind(kind));
        x.matmul(&a.tr()).matmul(&b.tr()) * module.scale
    }

    /// x·W₀ᵀ of a module, `[N, out]`.
    fn frozen(&self, x: &Tensor, index: usize) -> Tensor {
        let module = &self.modules[index];
        x.matmul(&module.rows(&self.base[&module.leaf]).tr())
    }

    /// (m, ‖V‖) of a module with DoRA, in the precision of the forward pass. DoRA takes ‖V‖ for a constant.
    fn magnitudes(&self, index: usize, kind: Kind) -> Option<(Tensor, Tensor)> {
        let (m, norm) = (self.factors[index].m.as_ref()?, self.norms[index].as_ref()?);
        Some((m.to_kind(kind), norm.to_kind(kind)))
    }

    /// A value whose gradients of A, B and m are those of the adapted module, `[N, out]`; x has none.
    fn carried(&self, x: &Tensor, index: usize) -> Tensor {
        let lora = self.lora(x, index);
        match self.magnitudes(index, x.kind()) {
            None => lora,
            Some((m, norm)) => {
                let direction = tch::no_grad(|| (self.frozen(x, index) + &lora) / &norm);
                lora * (m.detach() / norm) + m * direction
            }
        }
    }

    /// The part beside x·W₀ᵀ of an adapted module with dropout, `[N, out]`: s·B·A·x', or with DoRA (g − 1)·W₀·x' + g·s·B·A·x',
    /// where g = m/‖V‖, and x' is x with dropout.
    fn dropped(&self, x: &Tensor, index: usize) -> Tensor {
        let lora = self.lora(x, index);
        match self.magnitudes(index, x.kind()) {
            None => lora,
            Some((m, norm)) => {
                let gain = m / norm;
                self.frozen(x, index) * (&gain - 1.0) + lora * gain
            }
        }
    }

    /// Dropout: x · mask / (1 − p), each number kept with probability 1 − p. The mask is a function of seed, pass and module:
    /// a recomputed pass, under gradient checkpointing or after a resume, drops the same numbers.
    fn drop_out(&self, x: &Tensor, pass: PassId, module: usize) -> Tensor {
        let keep = 1.0 - self.settings.dropout;
        let place = Place {
            seed: self.settings.seed,
            request: pass.step,
            completion: pass.microbatch,
            position: MASKS | module as u32,
        };
        // A panic elsewhere leaves no state: every mask seeds the generator first.
        let _guard = GENERATOR.lock().unwrap_or_else(PoisonError::into_inner);
        tch::manual_seed(place.seed());
        let mask = x.detach().empty_like().bernoulli_float_(keep);
        x * mask / keep
    }
}

/// While it exists, linear modules carry the gradient of the adapter.
pub struct TrainingPass<'a>(Option<&'a Adapter>);

impl Drop for TrainingPass<'_> {
    fn drop(&mut self) {
        if let Some(adapter) = self.0 {
            adapter.pass.set(None);
        }
    }
}

impl Parameters {
    /// Starts an optimizer step, counted from 0; the training passes after it belong to it.
    pub fn begin_step(&self, step: u64) {
        if let Some(adapter) = &self.adapter {
            adapter.step.set(PassId { step, microbatch: 0 });
        }
    }

    /// Starts a training pass; its recomputation under gradient checkpointing belongs to it.
    pub fn training_pass(&self) -> TrainingPass<'_> {
        if let Some(adapter) = &self.adapter {
            let pass = adapter.step.get();
            adapter.pass.set(Some(pass));
            adapter.step.set(PassId { microbatch: pass.microbatch + 1, ..pass });
        }
        TrainingPass(self.adapter.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::layout::{Layout, Leaf, NamedWeight};
    use crate::model::lora::settings::LoraSettings;
    use tch::Device;

    /// One leaf `[6, 4]` of which `q_proj` has the rows ..4 and `k_proj` the others; only `q_proj` is adapted.
    fn adapter(dropout: f64) -> (Adapter, Tensor) {
        let weight = |name: &str, rows: i64, offset| NamedWeight {
            name: format!("model.layers.0.self_attn.{name}.weight"),
            shape: vec![rows, 4],
            offset,
        };
        let layout = Layout {
            leaves: vec![Leaf { shape: vec![6, 4], offset: 0 }],
            weights: vec![weight("q_proj", 4, 0), weight("k_proj", 2, 16)],
            size: 32,
            decayed: 32,
        };
        let targets = Some(vec!["q_proj".to_string()]);
        let settings = LoraSettings { rank: 2, alpha: 3.0, dropout, targets, seed: 11, ..LoraSettings::default() };
        let weights = Tensor::arange(24, (Kind::Float, Device::Cpu)).view([6, 4]) / 8.0 - 1.0;
        let views = vec![weights.copy()];
        let mut adapter = Adapter::new(settings, &layout, &views).unwrap();
        let numbers: Vec<f32> = (0..adapter.flat.numel()).map(|at| ((at * 37 % 19) as f32 - 9.0) / 16.0).collect();
        adapter.flat.copy_(&Tensor::from_slice(&numbers));
        adapter.keep_base(&views);
        adapter.merge(&views);
        let _ = adapter.require_grad().unwrap();
        let merged = views.into_iter().next().unwrap();
        (adapter, merged)
    }

    fn rows() -> Tensor {
        Tensor::from_slice(&[0.5f32, -1.0, 2.0, 0.25, 1.5, 1.0, -0.5, -2.0]).view([2, 4])
    }

    fn pass(adapter: &Adapter, step: u64, microbatch: u32, x: &Tensor, merged: &Tensor) -> Tensor {
        adapter.pass.set(Some(PassId { step, microbatch }));
        adapter.linear(x, 0, merged, None).unwrap()
    }

    fn largest(x: &Tensor) -> f64 {
        x.abs().max().double_value(&[])
    }

    #[test]
    fn without_dropout_the_value_is_the_merged_one_bit_for_bit() {
        let (adapter, merged) = adapter(0.0);
        let x = rows().set_requires_grad(true);
        let y = pass(&adapter, 0, 0, &x, &merged);
        assert_eq!(y.detach(), x.detach().linear::<Tensor>(&merged, None));
        y.square().sum(Kind::Float).backward();
        let expected = (y.detach() * 2.0).mm(&merged);
        assert!(largest(&(x.grad() - expected)) < 1e-5, "the gradient of x is dy·W");
        adapter.pass.set(None);
        assert!(adapter.linear(&x, 0, &merged, None).is_none(), "outside a pass nothing is added");
    }

    #[test]
    fn a_mask_is_a_function_of_its_pass() {
        let (adapter, merged) = adapter(0.5);
        let x = Tensor::ones([8, 4], (Kind::Float, Device::Cpu));
        let first = pass(&adapter, 3, 1, &x, &merged);
        assert_eq!(first, pass(&adapter, 3, 1, &x, &merged));
        assert_ne!(first, pass(&adapter, 3, 2, &x, &merged));
        assert_ne!(first, pass(&adapter, 4, 1, &x, &merged));
    }

    #[test]
    fn dropout_keeps_the_expectation() {
        let (adapter, merged) = adapter(0.25);
        let (x, passes) = (rows(), 4000);
        let zeros = Tensor::zeros([2, 6], (Kind::Float, Device::Cpu));
        let sum = (0..passes).fold(zeros, |sum, step| sum + pass(&adapter, step, 0, &x, &merged).detach());
        let expected = x.linear::<Tensor>(&merged, None);
        let gap = largest(&(sum / passes as f64 - expected));
        // The standard deviation of one pass is about 1, that of the mean of 4000 is 0.016: five of these.
        assert!(gap < 0.08, "{gap}");
    }

    /// y is linear in A, in B and in x, so differences are exact for every step; the mask is fixed.
    #[test]
    fn gradients_with_a_fixed_mask_are_finite_differences() {
        let (adapter, merged) = adapter(0.5);
        let weight = Tensor::from_slice(&[1.0f32, -2.0, 0.5, 3.0, 1.0, 1.0]);
        let loss = |x: &Tensor| (pass(&adapter, 1, 1, x, &merged) * &weight).sum(Kind::Float);
        let x = rows().set_requires_grad(true);
        loss(&x).backward();
        let factors = &adapter.factors[0];
        for tensor in [&factors.a, &factors.b, &x] {
            let flat = tensor.detach().view([-1]);
            for index in 0..flat.numel() as i64 {
                let at = |change: f64| {
                    tch::no_grad(|| {
                        let mut slot = flat.narrow(0, index, 1);
                        let kept = slot.copy();
                        slot.copy_(&(&kept + change));
                        let value = loss(&x).double_value(&[]);
                        slot.copy_(&kept);
                        value
                    })
                };
                let difference = (at(1.0) - at(-1.0)) / 2.0;
                let gradient = tensor.grad().view([-1]).double_value(&[index]);
                assert!((difference - gradient).abs() < 1e-4, "{index}: {difference} and {gradient}");
            }
        }
    }
}
