//! PEFT's `adapter_model.safetensors`, whose tensors decide which modules are adapted, as in PEFT.

use super::adapter::Adapter;
use super::matrices::{self, matrix_views, matrix_weights, AdaptedModule, Factors, Places};
use super::peft::{PeftConfig, BASE_FINGERPRINT, WEIGHTS};
use super::reference::AdapterReference;
use super::saved::{self, SavedWeight};
use super::settings::LoraSettings;
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
    folder: PathBuf,
    file: TensorFile,
}

impl PeftFolder {
    /// # Errors
    /// Those of `PeftConfig::read`, and `ModelFile` for pickles and for a file without tensors.
    pub fn open(folder: &Path, notices: &mut Notices) -> Result<Self> {
        let config = PeftConfig::read(folder, notices)?;
        refuse_pickle(folder)?;
        let file = TensorFile::open(folder, WEIGHTS)?;
        if file.tensors.is_empty() {
            return Err(EngineError::model_file(file.path(), "it holds no tensor"));
        }
        Ok(Self { config, folder: folder.into(), file })
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

    /// The places of the folder's tensors in the model.
    ///
    /// # Errors
    /// `ModelFile` for a tensor that belongs to no module of the model, `WeightMissing` and `WeightShape` for one of a
    /// module, `ModelUnsupported` for a saved module that cannot be trained here.
    pub fn places(&self, layout: &Layout) -> Result<Places> {
        self.config.check_saved(layout)?;
        let adapted: BTreeSet<&str> = self.file.tensors.keys().filter_map(|name| module_of_tensor(name)).collect();
        let places = matrices::places(layout, &self.config.settings, |path| adapted.contains(path));
        matrices::check_patterns(&places, &self.config.settings)
            .map_err(|(key, reason)| self.config.bad(&format!("{key}: {reason}")))?;
        matrices::check_saved(&places).map_err(|reason| self.config.bad(&format!("modules_to_save: {reason}")))?;
        let modules = places.modules.iter().flat_map(matrix_weights).map(|(weight, _)| weight);
        let expected: Vec<_> = modules.chain(places.saved.iter().flat_map(SavedWeight::file_weights)).collect();
        expected.iter().try_for_each(|weight| self.check(weight))?;
        let unknown = |name: &&String| !expected.iter().any(|weight| weight.name == **name);
        match self.file.tensors.keys().find(unknown) {
            Some(unknown) => Err(EngineError::model_file(self.file.path(), unknown_tensor(unknown, layout))),
            None => Ok(places),
        }
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

    /// The tensors of the places, fp32, in a flat tensor on the host.
    fn flat(&self, places: &Places) -> Result<Tensor> {
        let flat = Tensor::f_zeros([places.size as i64], (Kind::Float, Device::Cpu))?;
        let part = |offset: usize, size: usize| flat.f_narrow(0, offset as i64, size as i64);
        for (weight, offset) in places.modules.iter().flat_map(matrix_weights) {
            self.file.copy_into(&weight.name, &part(offset, weight.elements())?)?;
        }
        for saved in &places.saved {
            self.read_saved(saved, &part(saved.offset, saved.numbers() as usize)?)?;
        }
        Ok(flat)
    }

    /// Reads a saved weight. Embeddings and a head that is tied to them are stored twice, with the same numbers.
    fn read_saved(&self, saved: &SavedWeight, target: &Tensor) -> Result<()> {
        let names: Vec<_> = saved.file_weights().into_iter().map(|weight| weight.name).collect();
        self.file.copy_into(&names[0], target)?;
        for other in &names[1..] {
            let copy = target.zeros_like();
            self.file.copy_into(other, &copy)?;
            if !copy.equal(target) {
                let reason = format!("`{}` and `{other}` differ, and the base ties them", names[0]);
                return Err(EngineError::model_file(self.file.path(), reason));
            }
        }
        Ok(())
    }

    /// A, B and m of one module.
    pub fn factors(&self, module: &AdaptedModule) -> Result<Factors> {
        let mut places = Places::default();
        let a = places.reserve(module.rank * module.inputs);
        let b = places.reserve(module.outputs * module.rank);
        let m = module.m.map(|_| places.reserve(module.outputs));
        places.modules = vec![AdaptedModule { a, b, m, ..module.clone() }];
        let flat = self.flat(&places)?;
        Ok(matrix_views(&places.modules, &flat).remove(0))
    }

    /// A saved weight, in its own shape.
    pub fn saved(&self, saved: &SavedWeight) -> Result<Tensor> {
        let weight = Tensor::f_zeros(saved.shape.as_slice(), (Kind::Float, Device::Cpu))?;
        self.read_saved(saved, &weight.view([-1]))?;
        Ok(weight)
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

/// The path of the module that a factor of PEFT's file belongs to.
fn module_of_tensor(name: &str) -> Option<&str> {
    let path = name.strip_prefix("base_model.model.")?;
    [".lora_A.weight", ".lora_B.weight", ".lora_magnitude_vector"].iter().find_map(|end| path.strip_suffix(end))
}

fn unknown_tensor(name: &str, layout: &Layout) -> String {
    let tied = if saved::is_tied(layout) && name.contains("lm_head") {
        "; the head of this model is tied to its embeddings: an adapter of the head alone is not computed"
    } else {
        ""
    };
    match module_of_tensor(name) {
        Some(module) => format!("the model has no linear module `{module}`{tied}"),
        None => format!(
            "tensor `{name}` is not a `lora_A`, `lora_B` or `lora_magnitude_vector` of a linear module, nor named by `modules_to_save`{tied}"
        ),
    }
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
        let places = folder.places(layout)?;
        let flat = folder.flat(&places)?.f_to_device(device)?;
        let reference = AdapterReference::of(&flat);
        let settings = LoraSettings { seed, ..folder.config.settings };
        Ok(Self::from_flat(settings, places, flat, reference))
    }
}
