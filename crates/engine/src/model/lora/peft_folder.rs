//! PEFT's `adapter_model.safetensors`: which modules are adapted is what this file says, as in PEFT.

use super::adapter::Adapter;
use super::peft::{PeftConfig, BASE_FINGERPRINT, WEIGHTS};
use super::pieces::{self, factor_parts, factor_views, Piece};
use super::reference::AdapterReference;
use crate::error::{EngineError, Result};
use crate::io::tensor_file::TensorFile;
use crate::model::layout::{Layout, Part};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};

/// A PEFT folder whose config was understood and whose file of tensors is open.
pub struct PeftFolder {
    pub config: PeftConfig,
    /// Paths of the adapted modules.
    pub modules: BTreeSet<String>,
    folder: PathBuf,
    file: TensorFile,
}

impl PeftFolder {
    pub fn open(folder: &Path) -> Result<Self> {
        let config = PeftConfig::read(folder)?;
        refuse_pickle(folder)?;
        let file = TensorFile::open(folder, WEIGHTS)?;
        let modules = adapted_modules(&file)?;
        Ok(Self { config, modules, folder: folder.into(), file })
    }

    /// Adapters of ours say which base they belong to; those of others do not.
    pub fn check_base(&self, fingerprint: &str) -> Result<()> {
        match self.file.metadata.get(BASE_FINGERPRINT) {
            Some(base) if base != fingerprint => {
                let reason =
                    format!("the adapter belongs to another base model: its weights are {base}, these {fingerprint}");
                Err(EngineError::model_file(self.file.path(), reason))
            }
            _ => Ok(()),
        }
    }

    /// The adapted modules in the model, each with A and B of its shapes.
    pub fn pieces(&self, layout: &Layout) -> Result<(Vec<Piece>, usize)> {
        let (pieces, size) = pieces::pieces(layout, self.config.rank, |module| self.modules.contains(module));
        if let Some(stranger) = self.modules.iter().find(|module| !pieces.iter().any(|piece| piece.module == **module))
        {
            let reason = format!("the model has no linear module `{stranger}`");
            return Err(EngineError::model_file(self.file.path(), reason));
        }
        pieces
            .iter()
            .flat_map(|piece| factor_parts(piece, self.config.rank))
            .try_for_each(|(part, _)| self.check(&part))?;
        Ok((pieces, size))
    }

    fn check(&self, part: &Part) -> Result<()> {
        let Some(stored) = self.file.tensors.get(&part.name) else {
            let folder = self.folder.display().to_string();
            return Err(EngineError::WeightMissing { weight: part.name.clone(), folder });
        };
        let found: Vec<i64> = stored.shape.iter().map(|&size| size as i64).collect();
        if found == part.shape {
            return Ok(());
        }
        Err(EngineError::WeightShape { weight: part.name.clone(), expected: part.shape.clone(), found })
    }

    /// A and B of the pieces, fp32, in a flat tensor on the host.
    fn flat(&self, pieces: &[Piece], size: usize) -> Result<Tensor> {
        let flat = Tensor::f_zeros([size as i64], (Kind::Float, Device::Cpu))?;
        for (part, offset) in pieces.iter().flat_map(|piece| factor_parts(piece, self.config.rank)) {
            self.file.copy_into(&part.name, &flat.f_narrow(0, offset as i64, part.elements() as i64)?)?;
        }
        Ok(flat)
    }

    /// A and B of one piece.
    pub fn factors(&self, piece: &Piece) -> Result<(Tensor, Tensor)> {
        let rank = self.config.rank;
        let alone = Piece { a: 0, b: rank * piece.inputs, ..piece.clone() };
        let flat = self.flat(std::slice::from_ref(&alone), alone.b + piece.outputs * rank)?;
        Ok(factor_views(&[alone], rank, &flat).remove(0))
    }
}

fn refuse_pickle(folder: &Path) -> Result<()> {
    let pickle = folder.join("adapter_model.bin");
    if pickle.exists() && !folder.join(WEIGHTS).exists() {
        let reason = "pickled adapters are not read; save it with PEFT's `safe_serialization=True`";
        return Err(EngineError::model_file(&pickle, reason));
    }
    Ok(())
}

/// Every tensor must be A or B of a linear module; returns the modules.
fn adapted_modules(file: &TensorFile) -> Result<BTreeSet<String>> {
    let bad = |reason: String| EngineError::model_file(file.path(), reason);
    let module = |name: &String| {
        let stranger = || bad(format!("tensor `{name}` is no `lora_A` or `lora_B` of a linear module"));
        module_of_tensor(name).map(String::from).ok_or_else(stranger)
    };
    let modules: BTreeSet<String> = file.tensors.keys().map(module).collect::<Result<_>>()?;
    if modules.is_empty() {
        return Err(bad("it holds no tensor".into()));
    }
    Ok(modules)
}

/// The module and factor (A or B) of a tensor in PEFT's file.
fn module_of_tensor(name: &str) -> Option<&str> {
    let path = name.strip_prefix("base_model.model.")?;
    path.strip_suffix(".lora_A.weight").or_else(|| path.strip_suffix(".lora_B.weight"))
}

impl Adapter {
    /// Reads a PEFT folder. Its reference policy is the adapter as it was read.
    pub fn read(folder: &Path, layout: &Layout, fingerprint: &str, seed: u64, device: Device) -> Result<Self> {
        let folder = PeftFolder::open(folder)?;
        folder.check_base(fingerprint)?;
        let (pieces, size) = folder.pieces(layout)?;
        let flat = folder.flat(&pieces, size)?.f_to_device(device)?;
        let reference = AdapterReference::of(&flat);
        Ok(Self::around(folder.config.settings(seed), pieces, flat, reference))
    }
}
