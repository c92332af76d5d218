//! The matrices of an adapter, and how they merge into the weights.

use super::matrices::{matrix_views, matrix_weights, new_places, require_grad, row_norms};
use super::matrices::{AdaptedModule, Factors, Places};
use super::reference::{AdapterReference, Term};
use super::saved::SavedWeight;
use super::settings::LoraSettings;
use crate::error::Result;
use crate::model::layout::Layout;
use crate::philox::Place;
use std::cell::Cell;
use std::collections::BTreeMap;
use tch::{Device, Kind, Tensor};

/// A LoRA adapter and its base weights.
pub struct Adapter {
    pub settings: LoraSettings,
    pub modules: Vec<AdaptedModule>,
    /// Weights that are trained in full beside the modules.
    pub saved: Vec<SavedWeight>,
    /// Weight decay covers `..decayed` of `flat`.
    pub decayed: usize,
    /// The tensors of every module and the saved weights, fp32: what the optimizer updates.
    pub flat: Tensor,
    /// The factors of every module: views of `flat`, leaves of autograd once training starts.
    pub(super) factors: Vec<Factors>,
    /// The saved weights, by leaf: views of `flat`, leaves of autograd once training starts.
    pub(super) saved_views: BTreeMap<usize, Tensor>,
    pub reference: AdapterReference,
    /// W₀ of every leaf that the adapter changes, in the precision of the forward pass.
    pub(super) base: BTreeMap<usize, Tensor>,
    /// ‖V‖ by rows of every module with DoRA, fp32 `[outputs]`, as last merged.
    pub(super) norms: Vec<Option<Tensor>>,
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
    /// A new adapter of the model whose leaves are `views`: A as PEFT's kaiming_uniform(a = √5), which is U(−1/√in, 1/√in),
    /// B = 0, so that s·B·A = 0, magnitudes ‖W₀‖, and saved weights as in the base.
    ///
    /// # Errors
    /// `lora.<key>` for invalid settings or targets.
    pub fn new(settings: LoraSettings, layout: &Layout, views: &[Tensor]) -> Result<Self> {
        settings.check()?;
        let places = new_places(layout, &settings)?;
        let mut flat = vec![0f32; places.size];
        for (index, module) in places.modules.iter().enumerate() {
            let bound = 1.0 / (module.inputs as f64).sqrt();
            for (at, slot) in flat[module.a..module.a + module.rank * module.inputs].iter_mut().enumerate() {
                let place =
                    Place { seed: settings.seed, request: index as u64, completion: INITIAL, position: at as u32 };
                *slot = ((2.0 * place.uniform() - 1.0) * bound) as f32;
            }
        }
        let device = views.first().map_or(Device::Cpu, Tensor::device);
        let flat = Tensor::from_slice(&flat).f_to_device(device)?;
        let adapter = Self::from_flat(settings, places, flat, AdapterReference::default());
        adapter.start_from(views);
        Ok(adapter)
    }

    pub(super) fn from_flat(settings: LoraSettings, places: Places, flat: Tensor, reference: AdapterReference) -> Self {
        let Places { modules, saved, decayed, .. } = places;
        let factors = matrix_views(&modules, &flat);
        let saved_views = saved.iter().map(|saved| (saved.leaf, saved.in_flat(&flat))).collect();
        let norms = modules
            .iter()
            .map(|module| module.m.map(|_| Tensor::zeros([module.outputs as i64], (Kind::Float, flat.device()))))
            .collect();
        let mut of_leaf: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (index, module) in modules.iter().enumerate() {
            of_leaf.entry(module.leaf).or_default().push(index);
        }
        let (pass, step, base) = (Cell::default(), Cell::default(), BTreeMap::new());
        #[rustfmt::skip]
        return Self { settings, modules, saved, decayed, flat, factors, saved_views, reference, base, norms, of_leaf, pass, step };
    }

    fn start_from(&self, views: &[Tensor]) {
        tch::no_grad(|| {
            for (module, factors) in self.modules.iter().zip(&self.factors) {
                if let Some(m) = &factors.m {
                    m.shallow_clone().copy_(&row_norms(&module.rows(&views[module.leaf]).to_kind(Kind::Float)));
                }
            }
            for (&leaf, saved) in &self.saved_views {
                saved.shallow_clone().copy_(&views[leaf]);
            }
        });
    }

    /// The number of trained parameters.
    pub fn elements(&self) -> usize {
        let modules = self.modules.iter().flat_map(matrix_weights).map(|(weight, _)| weight.elements());
        modules.sum::<usize>() + self.saved.iter().map(|saved| saved.numbers() as usize).sum::<usize>()
    }

    /// Keeps W₀ of the leaves that the adapter changes.
    pub(super) fn keep_base(&mut self, views: &[Tensor]) {
        let leaves = self.of_leaf.keys().chain(self.saved_views.keys());
        self.base = leaves.map(|&leaf| (leaf, views[leaf].detach().copy())).collect();
    }

    /// The leaves that the adapter changes.
    pub(super) fn leaves(&self) -> impl Iterator<Item = usize> + '_ {
        self.base.keys().copied()
    }

    fn base_rows(&self, module: &AdaptedModule) -> Tensor {
        module.rows(&self.base[&module.leaf]).to_kind(Kind::Float)
    }

    /// Puts the adapted weights into the views.
    pub(in crate::model) fn merge(&self, views: &[Tensor]) {
        tch::no_grad(|| {
            for ((module, factors), norm) in self.modules.iter().zip(&self.factors).zip(&self.norms) {
                // Not in place: in fp32 the base is W₀ itself.
                let mut merged = factors.direction(&self.base_rows(module), module.scale);
                if let (Some(m), Some(norm)) = (&factors.m, norm) {
                    norm.shallow_clone().copy_(&row_norms(&merged));
                    merged *= (m / norm).unsqueeze(1);
                }
                module.rows(&views[module.leaf]).copy_(&merged);
            }
            for (&leaf, saved) in &self.saved_views {
                views[leaf].detach().copy_(saved);
            }
        });
    }

    /// Puts the reference policy into the views: W₀ + Σ share·(W − W₀) over its terms, where W − W₀ = s·B·A without DoRA.
    pub(super) fn merge_reference(&self, views: &[Tensor]) {
        let terms = &self.reference.terms;
        let factors: Vec<_> = terms.iter().map(|term| matrix_views(&self.modules, &term.flat)).collect();
        tch::no_grad(|| {
            for (index, module) in self.modules.iter().enumerate() {
                let base = self.base_rows(module);
                let term = |sum: Tensor, (term, factors): (&Term, &Vec<Factors>)| {
                    sum + factors[index].difference(&base, module.scale, term.share)
                };
                let sum = terms.iter().zip(&factors).fold(base.shallow_clone(), term);
                module.rows(&views[module.leaf]).copy_(&sum);
            }
            for saved in &self.saved {
                let base = self.base[&saved.leaf].to_kind(Kind::Float);
                let term = |sum: Tensor, term: &Term| sum + (saved.in_flat(&term.flat) - &base) * term.share;
                views[saved.leaf].detach().copy_(&terms.iter().fold(base.shallow_clone(), term));
            }
        });
    }

    /// Makes the trained tensors leaves of autograd. Returns the flat tensor of which their gradients are views.
    pub(in crate::model) fn require_grad(&mut self) -> Result<Tensor> {
        let grad = self.flat.zeros_like();
        let grads = matrix_views(&self.modules, &grad);
        for (factors, grads) in self.factors.iter_mut().zip(&grads) {
            factors.require_grad(grads)?;
        }
        for saved in &self.saved {
            if let Some(view) = self.saved_views.get_mut(&saved.leaf) {
                require_grad(view, &saved.in_flat(&grad))?;
            }
        }
        Ok(grad)
    }

    /// Gradients of the trained tensors, flat, from those of the merged weights. With V = W₀ + s·B·A and ‖V‖ constant, as
    /// in DoRA: dV = dW (dW · m/‖V‖ with DoRA), dB = s·dV·Aᵀ, dA = s·Bᵀ·dV, dm = Σ dW · V/‖V‖ by rows.
    pub fn project(&self, layout: &Layout, d_weights: &[f32]) -> Result<Vec<f32>> {
        let grad = self.flat.detach().zeros_like();
        let d_leaf = |leaf: usize, start: usize, shape: &[i64]| {
            let start = layout.leaves[leaf].offset + start;
            let length = shape.iter().product::<i64>() as usize;
            Tensor::from_slice(&d_weights[start..start + length]).view(shape)
        };
        tch::no_grad(|| {
            let grads = matrix_views(&self.modules, &grad);
            for (((module, factors), norm), mut grads) in
                self.modules.iter().zip(&self.factors).zip(&self.norms).zip(grads)
            {
                let shape = [module.outputs as i64, module.inputs as i64];
                let mut d_v = d_leaf(module.leaf, module.row * module.inputs, &shape);
                if let (Some(m), Some(norm), Some(grad_m)) = (&factors.m, norm, &mut grads.m) {
                    let v = factors.direction(&self.base_rows(module), module.scale);
                    grad_m.copy_(&((&d_v * v).sum_dim_intlist(-1i64, false, Kind::Float) / norm));
                    d_v *= (m / norm).unsqueeze(1);
                }
                grads.b.copy_(&(d_v.mm(&factors.a.tr()) * module.scale));
                grads.a.copy_(&(factors.b.tr().mm(&d_v) * module.scale));
            }
            for saved in &self.saved {
                saved.in_flat(&grad).copy_(&d_leaf(saved.leaf, 0, &saved.shape));
            }
        });
        Ok(Vec::<f32>::try_from(&grad)?)
    }

    /// Restores the reference of a resumed run; `read` fills its terms.
    pub fn restore_reference(&mut self, shares: &[f64], read: impl FnOnce(&Tensor) -> Result<()>) -> Result<()> {
        self.reference = AdapterReference::restore(shares, &self.flat, read)?;
        Ok(())
    }

    /// The name of the trained tensor that holds flat index `index`.
    pub(in crate::model) fn name_at(&self, index: usize) -> String {
        let (modules, saved) = (self.modules.iter().flat_map(matrix_weights), &self.saved);
        let places = modules.map(|(weight, offset)| (offset, weight.name));
        let places = places.chain(saved.iter().map(|saved| (saved.offset, saved.name.clone())));
        let before = places.filter(|(offset, _)| *offset <= index);
        let name = before.max_by_key(|(offset, _)| *offset).map_or("padding".into(), |(_, name)| name);
        name.trim_start_matches("base_model.model.").trim_end_matches(".weight").to_string()
    }
}

/// Completion index of the random numbers for the initial A; no sampled token has it.
const INITIAL: u32 = u32::MAX;
