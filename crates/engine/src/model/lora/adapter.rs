//! The matrices of an adapter, and how they merge into the weights.

use super::matrices::{self, matrix_views, AdaptedModule};
use super::reference::AdapterReference;
use super::settings::LoraSettings;
use crate::error::{EngineError, Result};
use crate::model::layout::Layout;
use crate::philox::Place;
use std::cell::Cell;
use std::collections::BTreeMap;
use tch::{Device, Kind, Tensor};

/// A LoRA adapter and its base weights.
pub struct Adapter {
    pub settings: LoraSettings,
    pub modules: Vec<AdaptedModule>,
    /// A and B of every module, fp32, the tensor that the optimizer updates.
    pub flat: Tensor,
    /// (A, B) of every module: views of `flat`, leaves of autograd once training starts.
    pub(super) matrices: Vec<(Tensor, Tensor)>,
    pub reference: AdapterReference,
    /// W₀ of every leaf with adapted modules, in the precision of the forward pass.
    pub(super) base: BTreeMap<usize, Tensor>,
    /// Indices of the modules of a leaf, in the order of its rows.
    pub(super) of_leaf: BTreeMap<usize, Vec<usize>>,
    /// The training pass in progress; None while sampling and while computing log-probabilities alone.
    pub(super) pass: Cell<Option<PassId>>,
    /// The optimizer step and its next training pass.
    pub(super) step: Cell<PassId>,
}

/// Identifies one training pass of a run, for its dropout masks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PassId {
    pub(super) step: u64,
    pub(super) microbatch: u32,
}

impl Adapter {
    /// A new adapter: A as PEFT's kaiming_uniform(a = √5), which is U(−1/√in, 1/√in), and B = 0, so that s·B·A = 0.
    ///
    /// # Errors
    /// `lora.<key>` for invalid settings or targets.
    pub fn new(settings: LoraSettings, layout: &Layout, device: Device) -> Result<Self> {
        settings.check()?;
        let all: Vec<String> = matrices::LINEAR_MODULES.map(String::from).to_vec();
        let targets = settings.targets.as_ref().unwrap_or(&all);
        matrices::check_targets(layout, targets)?;
        let (modules, size) =
            matrices::adapted_modules(layout, settings.rank, |module| matrices::is_target(module, targets));
        let mut flat = vec![0f32; size];
        for (index, module) in modules.iter().enumerate() {
            let bound = 1.0 / (module.inputs as f64).sqrt();
            for (at, slot) in flat[module.a..module.a + settings.rank * module.inputs].iter_mut().enumerate() {
                let place =
                    Place { seed: settings.seed, request: index as u64, completion: INITIAL, position: at as u32 };
                *slot = ((2.0 * place.uniform() - 1.0) * bound) as f32;
            }
        }
        let flat = Tensor::from_slice(&flat).f_to_device(device)?;
        Ok(Self::from_flat(settings, modules, flat, AdapterReference::default()))
    }

    pub(super) fn from_flat(
        settings: LoraSettings,
        modules: Vec<AdaptedModule>,
        flat: Tensor,
        reference: AdapterReference,
    ) -> Self {
        let matrices = matrix_views(&modules, settings.rank, &flat);
        let mut of_leaf: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (index, module) in modules.iter().enumerate() {
            of_leaf.entry(module.leaf).or_default().push(index);
        }
        let (pass, step) = (Cell::default(), Cell::default());
        Self { settings, modules, flat, matrices, reference, base: BTreeMap::new(), of_leaf, pass, step }
    }

    /// The number of trained parameters.
    pub fn elements(&self) -> usize {
        self.modules.iter().map(|module| (module.inputs + module.outputs) * self.settings.rank).sum()
    }

    /// Keeps W₀ of the leaves that the adapter touches.
    pub(super) fn keep_base(&mut self, views: &[Tensor]) {
        self.base = self.of_leaf.keys().map(|&leaf| (leaf, views[leaf].detach().copy())).collect();
    }

    /// W ← W₀ + s·B·A in the views.
    pub(in crate::model) fn merge(&self, views: &[Tensor]) {
        self.merge_terms(views, &[(1.0, &self.flat)]);
    }

    /// W ← W₀ + Σ share·s·B·A: the reference policy in the views.
    pub(super) fn merge_reference(&self, views: &[Tensor]) {
        let terms: Vec<_> = self.reference.terms.iter().map(|term| (term.share, &term.flat)).collect();
        self.merge_terms(views, &terms);
    }

    fn merge_terms(&self, views: &[Tensor], terms: &[(f64, &Tensor)]) {
        let matrices: Vec<_> =
            terms.iter().map(|(share, flat)| (*share, matrix_views(&self.modules, self.settings.rank, flat))).collect();
        tch::no_grad(|| {
            for (index, module) in self.modules.iter().enumerate() {
                let rows = |leaf: &Tensor| leaf.narrow(0, module.row as i64, module.outputs as i64);
                let base = rows(&self.base[&module.leaf]).to_kind(Kind::Float);
                // Not in place: in fp32 `base` is W₀ itself.
                let sum = matrices.iter().fold(base, |sum, (share, matrices)| {
                    let (a, b) = &matrices[index];
                    sum + b.mm(a) * (share * self.settings.scale())
                });
                rows(&views[module.leaf]).copy_(&sum);
            }
        });
    }

    /// Makes A and B leaves of autograd. Returns the flat tensor of which their gradients are views.
    pub(in crate::model) fn require_grad(&mut self) -> Result<Tensor> {
        let grad = self.flat.zeros_like();
        let grads = matrix_views(&self.modules, self.settings.rank, &grad);
        for ((a, b), (grad_a, grad_b)) in self.matrices.iter_mut().zip(&grads) {
            for (matrix, grad) in [(a, grad_a), (b, grad_b)] {
                *matrix = matrix.set_requires_grad(true);
                exit_rl_shim::set_grad(matrix, grad).map_err(EngineError::torch)?;
            }
        }
        Ok(grad)
    }

    /// Gradients of A and B, flat, from those of the merged weights: dB = s·dW·Aᵀ, dA = s·Bᵀ·dW.
    pub fn project(&self, layout: &Layout, d_weights: &[f32]) -> Result<Vec<f32>> {
        let grad = self.flat.detach().zeros_like();
        let grads = matrix_views(&self.modules, self.settings.rank, &grad);
        let scale = self.settings.scale();
        tch::no_grad(|| {
            for ((module, (a, b)), (mut grad_a, mut grad_b)) in self.modules.iter().zip(&self.matrices).zip(grads) {
                let start = layout.leaves[module.leaf].offset + module.row * module.inputs;
                let d_weight = Tensor::from_slice(&d_weights[start..start + module.outputs * module.inputs])
                    .view([module.outputs as i64, module.inputs as i64]);
                grad_b.copy_(&(d_weight.mm(&a.tr()) * scale));
                grad_a.copy_(&(b.tr().mm(&d_weight) * scale));
            }
        });
        Ok(Vec::<f32>::try_from(&grad)?)
    }

    /// Restores the reference of a resumed run; `read` fills its terms.
    pub fn restore_reference(&mut self, shares: &[f64], read: impl FnOnce(&Tensor) -> Result<()>) -> Result<()> {
        self.reference = AdapterReference::restore(shares, &self.flat, read)?;
        Ok(())
    }

    /// The name of the matrix that holds flat index `index`.
    pub(in crate::model) fn name_at(&self, index: usize) -> String {
        let module = self.modules.iter().rfind(|module| module.a <= index);
        module.map_or("padding".into(), |module| {
            let matrix = if index < module.b { "lora_A" } else { "lora_B" };
            format!("{}.{matrix}", module.path)
        })
    }
}

/// Completion index of the random numbers for the initial A; no sampled token has it.
const INITIAL: u32 = u32::MAX;
