//! The numbers of an adapter, and the matrices that they are merged into.

use super::pieces::{self, factor_views, Piece};
use super::reference::AdapterReference;
use super::settings::LoraSettings;
use crate::error::{EngineError, Result};
use crate::model::layout::Layout;
use crate::philox::Place;
use std::cell::Cell;
use std::collections::BTreeMap;
use tch::{Device, Kind, Tensor};

pub struct Adapter {
    pub settings: LoraSettings,
    pub pieces: Vec<Piece>,
    /// A and B of every piece, fp32: what the optimizer updates.
    pub flat: Tensor,
    /// (A, B) of every piece: views of `flat`, leaves of autograd once training began.
    pub(super) factors: Vec<(Tensor, Tensor)>,
    pub reference: AdapterReference,
    /// W₀ of every leaf that has pieces, in the precision that is computed in.
    pub(super) base: BTreeMap<usize, Tensor>,
    /// Pieces of a leaf, in the order of its rows.
    pub(super) of_leaf: BTreeMap<usize, Vec<usize>>,
    /// The forward pass that is being differentiated; None while sampling and scoring.
    pub(super) pass: Cell<Option<Pass>>,
    /// The optimizer's step, and the passes it began.
    pub(super) step: Cell<Pass>,
}

/// Tells one forward pass of a run from every other, for its dropout masks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pass {
    pub(super) step: u64,
    pub(super) microbatch: u32,
}

impl Adapter {
    /// A new adapter: A as PEFT's kaiming_uniform(a = √5), which is U(−1/√in, 1/√in); B zero, so it changes nothing.
    pub fn new(settings: LoraSettings, layout: &Layout, device: Device) -> Result<Self> {
        settings.check()?;
        let all: Vec<String> = pieces::LINEAR_MODULES.map(String::from).to_vec();
        let targets = settings.targets.as_ref().unwrap_or(&all);
        pieces::check_targets(layout, targets)?;
        let (pieces, size) = pieces::pieces(layout, settings.rank, |module| pieces::is_target(module, targets));
        let mut flat = vec![0f32; size];
        for (index, piece) in pieces.iter().enumerate() {
            let bound = 1.0 / (piece.inputs as f64).sqrt();
            for (at, slot) in flat[piece.a..piece.a + settings.rank * piece.inputs].iter_mut().enumerate() {
                let place =
                    Place { seed: settings.seed, request: index as u64, completion: INITIAL, position: at as u32 };
                *slot = ((2.0 * place.uniform() - 1.0) * bound) as f32;
            }
        }
        let flat = Tensor::from_slice(&flat).f_to_device(device)?;
        Ok(Self::around(settings, pieces, flat, AdapterReference::default()))
    }

    pub(super) fn around(
        settings: LoraSettings,
        pieces: Vec<Piece>,
        flat: Tensor,
        reference: AdapterReference,
    ) -> Self {
        let factors = factor_views(&pieces, settings.rank, &flat);
        let mut of_leaf: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (index, piece) in pieces.iter().enumerate() {
            of_leaf.entry(piece.leaf).or_default().push(index);
        }
        let (pass, step) = (Cell::default(), Cell::default());
        Self { settings, pieces, flat, factors, reference, base: BTreeMap::new(), of_leaf, pass, step }
    }

    /// Numbers that are trained.
    pub fn elements(&self) -> usize {
        self.pieces.iter().map(|piece| (piece.inputs + piece.outputs) * self.settings.rank).sum()
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
        let factors: Vec<_> =
            terms.iter().map(|(share, flat)| (*share, factor_views(&self.pieces, self.settings.rank, flat))).collect();
        tch::no_grad(|| {
            for (index, piece) in self.pieces.iter().enumerate() {
                let rows = |leaf: &Tensor| leaf.narrow(0, piece.row as i64, piece.outputs as i64);
                let base = rows(&self.base[&piece.leaf]).to_kind(Kind::Float);
                // Never in place: in fp32 the sum begins as W₀ itself.
                let sum = factors.iter().fold(base, |sum, (share, factors)| {
                    let (a, b) = &factors[index];
                    sum + b.mm(a) * (share * self.settings.scale())
                });
                rows(&views[piece.leaf]).copy_(&sum);
            }
        });
    }

    /// Makes A and B leaves of autograd whose gradients are views of one flat tensor, which is returned.
    pub(in crate::model) fn require_grad(&mut self) -> Result<Tensor> {
        let grad = self.flat.zeros_like();
        let grads = factor_views(&self.pieces, self.settings.rank, &grad);
        for ((a, b), (grad_a, grad_b)) in self.factors.iter_mut().zip(&grads) {
            for (factor, grad) in [(a, grad_a), (b, grad_b)] {
                *factor = factor.set_requires_grad(true);
                exit_rl_shim::set_grad(factor, grad).map_err(EngineError::torch)?;
            }
        }
        Ok(grad)
    }

    /// Gradients of A and B, flat, from those of the merged weights: dB = s·dW·Aᵀ, dA = s·Bᵀ·dW.
    pub fn project(&self, layout: &Layout, d_weights: &[f32]) -> Result<Vec<f32>> {
        let grad = self.flat.detach().zeros_like();
        let grads = factor_views(&self.pieces, self.settings.rank, &grad);
        let scale = self.settings.scale();
        tch::no_grad(|| {
            for ((piece, (a, b)), (mut grad_a, mut grad_b)) in self.pieces.iter().zip(&self.factors).zip(grads) {
                let start = layout.leaves[piece.leaf].offset + piece.row * piece.inputs;
                let d_weight = Tensor::from_slice(&d_weights[start..start + piece.outputs * piece.inputs])
                    .view([piece.outputs as i64, piece.inputs as i64]);
                grad_b.copy_(&(d_weight.mm(&a.tr()) * scale));
                grad_a.copy_(&(b.tr().mm(&d_weight) * scale));
            }
        });
        Ok(Vec::<f32>::try_from(&grad)?)
    }

    /// Takes over the reference of a run that is resumed; `read` fills its terms.
    pub fn restore_reference(&mut self, shares: &[f64], read: impl FnOnce(&Tensor) -> Result<()>) -> Result<()> {
        self.reference = AdapterReference::restore(shares, &self.flat, read)?;
        Ok(())
    }

    /// The name of the factor that holds flat index `index`.
    pub(in crate::model) fn name_at(&self, index: usize) -> String {
        let piece = self.pieces.iter().rfind(|piece| piece.a <= index);
        piece.map_or("padding".into(), |piece| {
            let factor = if index < piece.b { "lora_A" } else { "lora_B" };
            format!("{}.{factor}", piece.module)
        })
    }
}

/// Random numbers of the initial A lie where no sampled token does.
const INITIAL: u32 = u32::MAX;
