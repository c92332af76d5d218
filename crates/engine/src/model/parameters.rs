//! The weights: one flat fp32 master tensor, the views that the forward pass reads, and their gradient.

use super::config::DecoderConfig;
use super::layout::{DecoderLeaves, Layout};
use super::lora::adapter::Adapter;
use super::model_files::{open_model, open_weights};
use super::rotary::RotaryTable;
use super::weight_files::WeightFiles;
use crate::error::{EngineError, Result};
use crate::io::notices::Notices;
use crate::placement::refuse_beyond_memory;
use std::cell::RefCell;
use std::path::Path;
use tch::{Device, Kind, Tensor};

/// The weights of a policy.
pub struct Parameters {
    pub config: DecoderConfig,
    pub layout: Layout,
    pub leaves: DecoderLeaves,
    /// The master weights that the optimizer updates, fp32 `[layout.size]`. Without training they are the compute weights.
    pub master: Tensor,
    /// The weights that the forward pass reads: `master` itself in fp32, otherwise its rounded copy.
    compute: Tensor,
    /// Views of `compute`, one per leaf.
    pub views: Vec<Tensor>,
    /// The adapter that is trained in place of the weights and merged into the views.
    pub adapter: Option<Adapter>,
    /// cos and sin `[positions, d/2]`, extended for longer sequences.
    rotary: RefCell<Option<(Tensor, Tensor)>>,
}

impl Parameters {
    /// Loads a model folder. Without `trainable` a bf16 policy keeps no fp32 master weights.
    ///
    /// # Errors
    /// Those of `open_model` and `WeightFiles`, and `OutOfMemory` before the weights are allocated.
    pub fn load(folder: &Path, device: Device, kind: Kind, trainable: bool, notices: &mut Notices) -> Result<Self> {
        let master_kind = if trainable { Kind::Float } else { kind };
        let (config, files) = open_model(folder, notices)?;
        Self::read(config, &files, device, kind, master_kind, notices)
    }

    /// Loads a model folder without its head, for hidden states. Errors as `load`.
    pub fn load_headless(folder: &Path, device: Device, kind: Kind, notices: &mut Notices) -> Result<Self> {
        let config = DecoderConfig { tied_head: true, ..DecoderConfig::read(folder, notices)? };
        Self::read(config, &open_weights(folder, notices)?, device, kind, kind, notices)
    }

    fn read(
        config: DecoderConfig,
        files: &WeightFiles,
        device: Device,
        kind: Kind,
        master_kind: Kind,
        notices: &mut Notices,
    ) -> Result<Self> {
        // Before the layout, whose size follows the config: a config may state any size.
        files.check_size(&config)?;
        let (layout, leaves) = Layout::new(&config);
        files.check(&layout, notices)?;
        if device == Device::Cpu {
            refuse_beyond_memory(layout.size as u64 * master_kind.elt_size_in_bytes() as u64)?;
        }
        let master = Tensor::f_zeros([layout.size as i64], (master_kind, device))?;
        files.copy_into(&layout, &master)?;
        Ok(Self::from_master(config, layout, leaves, master, kind))
    }

    fn from_master(config: DecoderConfig, layout: Layout, leaves: DecoderLeaves, master: Tensor, kind: Kind) -> Self {
        let compute = if kind == master.kind() { master.shallow_clone() } else { master.to_kind(kind) };
        let views = leaf_views(&layout, &compute);
        Self { config, layout, leaves, master, compute, views, adapter: None, rotary: RefCell::default() }
    }

    /// A frozen copy: the reference policy.
    pub fn frozen_copy(&self) -> Self {
        let master = self.master.detach().copy();
        Self::from_master(self.config.clone(), self.layout.clone(), self.leaves.clone(), master, self.kind())
    }

    pub fn kind(&self) -> Kind {
        self.compute.kind()
    }

    pub fn device(&self) -> Device {
        self.master.device()
    }

    /// The flat tensor that the optimizer updates: the adapter, or all weights.
    pub fn trained(&self) -> &Tensor {
        self.adapter.as_ref().map_or(&self.master, |adapter| &adapter.flat)
    }

    /// The number of trained parameters, without padding.
    pub fn trained_elements(&self) -> usize {
        let all = || self.layout.weights.iter().map(|weight| weight.elements()).sum();
        self.adapter.as_ref().map_or_else(all, Adapter::elements)
    }

    /// Weight decay covers `..decayed` of the trained tensor.
    pub fn decayed(&self) -> usize {
        self.adapter.as_ref().map_or(self.layout.decayed, |adapter| adapter.decayed)
    }

    /// The weight of a leaf as the forward pass reads it; in a training pass it carries the gradient of a trained one.
    pub fn weight(&self, leaf: usize) -> Tensor {
        let trained = self.adapter.as_ref().and_then(|adapter| adapter.saved_weight(leaf, self.kind()));
        trained.unwrap_or_else(|| self.views[leaf].shallow_clone())
    }

    /// The flat tensor that the forward pass reads.
    pub fn computed(&self) -> &Tensor {
        &self.compute
    }

    /// Rounds the master weights into the views, or merges the adapter into them, after an optimizer step.
    pub fn refresh(&mut self) {
        if let Some(adapter) = &self.adapter {
            return adapter.merge(&self.views);
        }
        if self.kind() != self.master.kind() {
            tch::no_grad(|| self.compute.copy_(&self.master));
        }
    }

    /// Rotary tables of at least `positions` rows, in the precision and on the device of the weights.
    pub fn rotary_tensors(&self, positions: usize) -> (Tensor, Tensor) {
        let mut cached = self.rotary.borrow_mut();
        let available = cached.as_ref().map_or(0, |(cos, _)| cos.size()[0] as usize);
        if available < positions {
            let table = RotaryTable::new(&self.config.rope, self.config.head_dim, positions.next_power_of_two());
            let tensor = |values: &[f32]| {
                let rows = Tensor::from_slice(values).view([table.positions as i64, table.half as i64]);
                rows.to_device(self.device()).to_kind(self.kind())
            };
            *cached = Some((tensor(&table.cos), tensor(&table.sin)));
        }
        let (cos, sin) = cached.as_ref().expect("the tables were just computed");
        (cos.shallow_clone(), sin.shallow_clone())
    }

    /// Makes the trained tensors leaves of autograd. Returns the flat tensor of which their gradients are views.
    pub fn require_grad(&mut self) -> Result<Tensor> {
        if let Some(adapter) = &mut self.adapter {
            return adapter.require_grad();
        }
        let grad = self.compute.zeros_like();
        for (view, grad_view) in self.views.iter_mut().zip(leaf_views(&self.layout, &grad)) {
            *view = view.set_requires_grad(true);
            exit_rl_shim::set_grad(view, &grad_view).map_err(EngineError::torch)?;
        }
        Ok(grad)
    }

    /// The fp32 weights in place, `[layout.size]`: the kernels read them without a copy.
    ///
    /// # Errors
    /// `backend` where they are not fp32 on the CPU.
    pub fn on_host(&self) -> Result<&[f32]> {
        if self.kind() != Kind::Float || self.device() != Device::Cpu {
            return Err(EngineError::invalid("backend", "the kernels compute fp32 on the CPU only"));
        }
        // SAFETY: the flat tensor is contiguous fp32 on the host; only `&mut self` or the optimizer's step, which borrows
        // the parameters mutably, changes it.
        Ok(unsafe { std::slice::from_raw_parts(self.compute.data_ptr().cast::<f32>(), self.layout.size) })
    }

    /// The name of the weight at flat index `index` of the trained tensor.
    pub fn name_at(&self, index: usize) -> String {
        if let Some(adapter) = &self.adapter {
            return adapter.name_at(index);
        }
        let weight = self
            .layout
            .weights
            .iter()
            .find(|weight| (weight.offset..weight.offset + weight.elements()).contains(&index));
        weight.map_or("padding", |weight| weight.name.as_str()).to_string()
    }
}

fn leaf_views(layout: &Layout, flat: &Tensor) -> Vec<Tensor> {
    let view = |shape: &Vec<i64>, offset: usize| {
        flat.narrow(0, offset as i64, shape.iter().product()).view(shape.as_slice()).detach()
    };
    layout.leaves.iter().map(|leaf| view(&leaf.shape, leaf.offset)).collect()
}
