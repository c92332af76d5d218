//! PEFT's `adapter_model.safetensors`, whose tensors decide which modules are adapted, as in PEFT.

use super::adapter::Adapter;
use super::matrices::{self, matrix_views, matrix_weights, AdaptedModule};
use super::peft::{PeftConfig, BASE_FINGERPRINT, WEIGHTS};
use super::reference::AdapterReference;
use crate::error::{EngineError, Result};
use crate::io::notices::Notices;
use crate::io::tensor_file::TensorFile;
use crate::model::layout::{Layout, NamedWeight};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};

/// A PEFT folder: its validated config and the open file of its tensors.
pub struct PeftFolder {
    pub config: PeftConfig,
    /// Paths of the adapted modules.
    pub module_names: BTreeSet<String>,
    folder: PathBuf,
    file: TensorFile,
}

impl PeftFolder {
    /// # Errors
    /// Those of `PeftConfig::read`, and `ModelFile` for pickles and for tensors that are neither A nor B.
    pub fn open(folder: &Path, notices: &mut Notices) -> Result<Self> {
        let config = PeftConfig::read(folder, notices)?;
        refuse_pickle(folder)?;
        let file = TensorFile::open(folder, WEIGHTS)?;
        let module_names = module_names(&file)?;
        Ok(Self { config, module_names, folder: folder.into(), file })
    }

    /// Refuses another base than the one whose fingerprint the adapter holds; an adapter from PEFT holds none.
    pub fn check_base(&self, fingerprint: &str) -> Result<()> {
        match self.file.metadata.get(BASE_FINGERPRINT) {
            Some(base) if base != fingerprint => {
                let reason = format!(
                    "the adapter belongs to another base model: it was trained on {base}, this base is {fingerprint}"
                );
                Err(EngineError::model_file(self.file.path(), reason))
            }
            _ => Ok(()),
        }
    }

    /// The adapted modules of the model and the length of their flat tensor.
    ///
    /// # Errors
    /// `ModelFile` for a module that the model lacks, `WeightMissing` and `WeightShape` for A and B.
    pub fn modules(&self, layout: &Layout) -> Result<(Vec<AdaptedModule>, usize)> {
        let (modules, size) =
            matrices::adapted_modules(layout, self.config.rank, |path| self.module_names.contains(path));
        if let Some(unknown) = self.module_names.iter().find(|path| !modules.iter().any(|module| module.path == **path))
        {
            let reason = format!("the model has no linear module `{unknown}`");
            return Err(EngineError::model_file(self.file.path(), reason));
        }
        modules
            .iter()
            .flat_map(|module| matrix_weights(module, self.config.rank))
            .try_for_each(|(weight, _)| self.check(&weight))?;
        Ok((modules, size))
    }

    fn check(&self, weight: &NamedWeight) -> Result<()> {
        let Some(stored) = self.file.tensors.get(&weight.name) else {
            let folder = self.folder.display().to_string();
            return Err(EngineError::WeightMissing { weight: weight.name.clone(), folder });
        };
        let found: Vec<i64> = stored.shape.iter().map(|&size| size as i64).collect();
        if found == weight.shape {
            return Ok(());
        }
        Err(EngineError::WeightShape { weight: weight.name.clone(), expected: weight.shape.clone(), found })
    }

    /// A and B of the modules, fp32, in a flat tensor on the host.
    fn flat(&self, modules: &[AdaptedModule], size: usize) -> Result<Tensor> {
        let flat = Tensor::f_zeros([size as i64], (Kind::Float, Device::Cpu))?;
        for (weight, offset) in modules.iter().flat_map(|module| matrix_weights(module, self.config.rank)) {
            self.file.copy_into(&weight.name, &flat.f_narrow(0, offset as i64, weight.elements() as i64)?)?;
        }
        Ok(flat)
    }

    /// A and B of one module.
    pub fn matrices(&self, module: &AdaptedModule) -> Result<(Tensor, Tensor)> {
        let rank = self.config.rank;
        let single = AdaptedModule { a: 0, b: rank * module.inputs, ..module.clone() };
        let flat = self.flat(std::slice::from_ref(&single), single.b + module.outputs * rank)?;
        Ok(matrix_views(&[single], rank, &flat).remove(0))
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

/// Paths of the modules that the tensors belong to; every tensor must be A or B of one.
fn module_names(file: &TensorFile) -> Result<BTreeSet<String>> {
    let bad = |reason: String| EngineError::model_file(file.path(), reason);
    let module = |name: &String| {
        let unknown = || bad(format!("tensor `{name}` is not a `lora_A` or `lora_B` of a linear module"));
        module_of_tensor(name).map(String::from).ok_or_else(unknown)
    };
    let names: BTreeSet<String> = file.tensors.keys().map(module).collect::<Result<_>>()?;
    if names.is_empty() {
        return Err(bad("it holds no tensor".into()));
    }
    Ok(names)
}

/// The path of the module that a tensor of PEFT's file belongs to.
fn module_of_tensor(name: &str) -> Option<&str> {
    let path = name.strip_prefix("base_model.model.")?;
    path.strip_suffix(".lora_A.weight").or_else(|| path.strip_suffix(".lora_B.weight"))
}

impl Adapter {
    /// Reads a PEFT folder. The adapter as read is its reference policy.
    ///
    /// # Errors
    /// Those of `PeftFolder`, and `ModelFile` for another base.
    pub fn read(
        folder: &Path,
        layout: &Layout,
        fingerprint: &str,
        seed: u64,
        device: Device,
        notices: &mut Notices,
    ) -> Result<Self> {
        let folder = PeftFolder::open(folder, notices)?;
        folder.check_base(fingerprint)?;
        let (modules, size) = folder.modules(layout)?;
        let flat = folder.flat(&modules, size)?.f_to_device(device)?;
        let reference = AdapterReference::of(&flat);
        Ok(Self::from_flat(folder.config.settings(seed), modules, flat, reference))
    }
}
