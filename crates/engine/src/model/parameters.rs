//! The weights: one flat fp32 master tensor, the views the forward pass reads, and their gradient.

use super::config::DecoderConfig;
use super::file::missing_or_unreadable;
use super::layout::{DecoderLeaves, Layout, Part};
use super::rotary::RotaryTable;
use crate::error::{EngineError, Result};
use half::{bf16, f16};
use memmap2::Mmap;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};

pub struct Parameters {
    pub config: DecoderConfig,
    pub layout: Layout,
    pub leaves: DecoderLeaves,
    /// What the optimizer updates: fp32, `[layout.size]`.
    pub master: Tensor,
    /// What the forward pass reads: `master` itself in fp32, else its rounded copy.
    compute: Tensor,
    /// Views of `compute`, one per leaf.
    pub views: Vec<Tensor>,
    /// cos and sin `[positions, d/2]`, grown as longer sequences come.
    rotary: RefCell<Option<(Tensor, Tensor)>>,
}

impl Parameters {
    pub fn load(folder: &Path, device: Device, kind: Kind) -> Result<Self> {
        let config = DecoderConfig::read(folder)?;
        let (layout, leaves) = Layout::new(&config);
        let mut flat = vec![0f32; layout.size];
        read_weights(folder, &layout, &mut flat)?;
        let master = Tensor::from_slice(&flat).f_to_device(device)?;
        Ok(Self::around(config, layout, leaves, master, kind))
    }

    fn around(config: DecoderConfig, layout: Layout, leaves: DecoderLeaves, master: Tensor, kind: Kind) -> Self {
        let compute = if kind == Kind::Float { master.shallow_clone() } else { master.to_kind(kind) };
        let views = leaf_views(&layout, &compute);
        Self { config, layout, leaves, master, compute, views, rotary: RefCell::default() }
    }

    /// A frozen copy: the reference policy.
    pub fn frozen_copy(&self) -> Self {
        let master = self.master.detach().copy();
        Self::around(self.config.clone(), self.layout.clone(), self.leaves.clone(), master, self.kind())
    }

    pub fn kind(&self) -> Kind {
        self.compute.kind()
    }

    pub fn device(&self) -> Device {
        self.master.device()
    }

    /// Rounds the master weights into the views, after the master changed.
    pub fn refresh(&mut self) {
        if self.kind() != Kind::Float {
            tch::no_grad(|| self.compute.copy_(&self.master));
        }
    }

    /// Rotary tables of at least `positions` rows, in the precision and on the device of the weights.
    pub fn rotary_tensors(&self, positions: usize) -> (Tensor, Tensor) {
        let mut cached = self.rotary.borrow_mut();
        let known = cached.as_ref().map_or(0, |(cos, _)| cos.size()[0] as usize);
        if known < positions {
            let table = RotaryTable::new(&self.config, positions.next_power_of_two());
            let tensor = |values: &[f32]| {
                let rows = Tensor::from_slice(values).view([table.positions as i64, table.half as i64]);
                rows.to_device(self.device()).to_kind(self.kind())
            };
            *cached = Some((tensor(&table.cos), tensor(&table.sin)));
        }
        let (cos, sin) = cached.as_ref().expect("the tables were just made");
        (cos.shallow_clone(), sin.shallow_clone())
    }

    /// Makes the views leaves of autograd whose gradients are views of one flat tensor, which is returned.
    pub fn require_grad(&mut self) -> Result<Tensor> {
        let grad = self.compute.zeros_like();
        for (view, grad_view) in self.views.iter_mut().zip(leaf_views(&self.layout, &grad)) {
            *view = view.set_requires_grad(true);
            exit_rl_shim::set_grad(view, &grad_view).map_err(EngineError::torch)?;
        }
        Ok(grad)
    }

    /// The weights as numbers on the host, `[layout.size]`.
    pub fn to_host(&self) -> Result<Vec<f32>> {
        let flat = self.compute.f_to_device(Device::Cpu)?.to_kind(Kind::Float);
        Ok(Vec::<f32>::try_from(&flat)?)
    }

    /// The name of the weight that holds flat index `index`.
    pub fn name_at(&self, index: usize) -> &str {
        let part = self.layout.parts.iter().find(|part| (part.offset..part.offset + part.elements()).contains(&index));
        part.map_or("padding", |part| part.name.as_str())
    }
}

fn leaf_views(layout: &Layout, flat: &Tensor) -> Vec<Tensor> {
    let view = |shape: &Vec<i64>, offset: usize| {
        flat.narrow(0, offset as i64, shape.iter().product()).view(shape.as_slice()).detach()
    };
    layout.leaves.iter().map(|leaf| view(&leaf.shape, leaf.offset)).collect()
}

/// Fills `flat` from `model.safetensors`, or from the shards that `model.safetensors.index.json` names.
fn read_weights(folder: &Path, layout: &Layout, flat: &mut [f32]) -> Result<()> {
    let mut missing: BTreeSet<&str> = layout.parts.iter().map(|part| part.name.as_str()).collect();
    for file in shard_files(folder)? {
        let mapped = map(folder, &file)?;
        let tensors = SafeTensors::deserialize(&mapped).map_err(|error| EngineError::model_file(&file, error))?;
        for part in &layout.parts {
            if let Ok(view) = tensors.tensor(&part.name) {
                copy_weight(part, &view, &mut flat[part.offset..part.offset + part.elements()], &file)?;
                missing.remove(part.name.as_str());
            }
        }
    }
    match missing.first() {
        None => Ok(()),
        Some(weight) => {
            Err(EngineError::WeightMissing { weight: weight.to_string(), folder: folder.display().to_string() })
        }
    }
}

fn shard_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let single = folder.join("model.safetensors");
    let index = folder.join("model.safetensors.index.json");
    if single.exists() || !index.exists() {
        return Ok(vec![single]);
    }
    let text = std::fs::read_to_string(&index).map_err(|error| EngineError::model_file(&index, error))?;
    let json: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| EngineError::model_file(&index, error))?;
    let map = json.get("weight_map").and_then(serde_json::Value::as_object);
    let names: BTreeSet<&str> = map.into_iter().flatten().filter_map(|(_, file)| file.as_str()).collect();
    if names.is_empty() {
        return Err(EngineError::model_file(&index, "`weight_map` names no files"));
    }
    if let Some(outside) = names.iter().find(|name| name.contains(['/', '\\'])) {
        return Err(EngineError::model_file(&index, format!("`{outside}` leads out of the folder")));
    }
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}

fn map(folder: &Path, file: &Path) -> Result<Mmap> {
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let handle = File::open(file).map_err(|error| missing_or_unreadable(folder, &name, error))?;
    let is_file = handle.metadata().map(|data| data.is_file()).unwrap_or(false);
    if !is_file {
        return Err(EngineError::model_file(file, "it is not a regular file"));
    }
    // The folder is read once, at load; a file that shrinks meanwhile is the user's own doing.
    unsafe { Mmap::map(&handle) }.map_err(|error| EngineError::model_file(file, error))
}

fn copy_weight(part: &Part, view: &TensorView, target: &mut [f32], file: &Path) -> Result<()> {
    let found: Vec<i64> = view.shape().iter().map(|&size| size as i64).collect();
    if found != part.shape {
        return Err(EngineError::WeightShape { weight: part.name.clone(), expected: part.shape.clone(), found });
    }
    let data = view.data();
    match view.dtype() {
        Dtype::F32 => decode::<4>(data, target, f32::from_le_bytes),
        Dtype::BF16 => decode::<2>(data, target, |bytes| bf16::from_le_bytes(bytes).to_f32()),
        Dtype::F16 => decode::<2>(data, target, |bytes| f16::from_le_bytes(bytes).to_f32()),
        other => {
            let reason = format!("weight `{}` has dtype {other:?}; F32, BF16 and F16 are read", part.name);
            return Err(EngineError::model_file(file, reason));
        }
    }
    if target.iter().any(|value| !value.is_finite()) {
        return Err(EngineError::WeightNotFinite { weight: part.name.clone(), file: file.display().to_string() });
    }
    Ok(())
}

fn decode<const N: usize>(data: &[u8], target: &mut [f32], value: impl Fn([u8; N]) -> f32) {
    for (slot, bytes) in target.iter_mut().zip(data.chunks_exact(N)) {
        *slot = value(bytes.try_into().expect("chunks_exact yields N bytes"));
    }
}
