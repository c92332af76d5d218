//! From folders and settings to a base and its adapter.

use super::adapter::Adapter;
use super::peft;
use super::settings::LoraSettings;
use crate::error::{EngineError, Result};
use crate::io::companions::Companions;
use crate::model::layout::Layout;
use crate::model::parameters::Parameters;
use std::path::{Path, PathBuf};
use tch::Device;

/// Where the weights lie, and an adapter of them.
pub struct Source {
    pub base: PathBuf,
    pub adapter: Option<PathBuf>,
}

/// An adapter's own folder stands for its base and itself.
pub fn source(folder: &Path, adapter: Option<&Path>) -> Result<Source> {
    match (peft::base_of(folder)?, adapter) {
        (None, adapter) => Ok(Source { base: folder.into(), adapter: adapter.map(Path::to_path_buf) }),
        (Some(base), None) => Ok(Source { base, adapter: Some(folder.into()) }),
        (Some(_), Some(_)) => {
            let reason = format!("`{}` is an adapter itself; name the folder of its base model", folder.display());
            Err(EngineError::invalid("adapter", reason))
        }
    }
}

impl Source {
    /// The adapter of the folder, or a new one as the settings say; with both, the folder must hold what they ask for.
    pub fn open(
        &self,
        parameters: &Parameters,
        lora: Option<&LoraSettings>,
        fingerprint: &str,
    ) -> Result<Option<Adapter>> {
        let (layout, device) = (&parameters.layout, parameters.device());
        let seed = lora.map_or(0, |lora| lora.seed);
        let Some(folder) = &self.adapter else {
            return lora.map(|lora| Adapter::new(lora.clone(), layout, device)).transpose();
        };
        let mut adapter = Adapter::read(folder, layout, fingerprint, seed, device)?;
        if let Some(lora) = lora {
            adapter.agree(lora, layout, folder)?;
            adapter.settings.dropout = lora.dropout;
        }
        Ok(Some(adapter))
    }
}

impl Adapter {
    /// Refuses an adapter from a folder that is not what the settings ask for.
    fn agree(&self, wanted: &LoraSettings, layout: &Layout, folder: &Path) -> Result<()> {
        let found = &self.settings;
        let expected = Self::new(wanted.clone(), layout, Device::Cpu)?;
        let modules = |adapter: &Self| adapter.pieces.iter().map(|piece| piece.module.clone()).collect::<Vec<_>>();
        let (key, here) = if found.rank != wanted.rank {
            ("rank", found.rank.to_string())
        } else if found.alpha != wanted.alpha {
            ("alpha", found.alpha.to_string())
        } else if found.rslora != wanted.rslora {
            ("rankStabilised", found.rslora.to_string())
        } else if modules(self) != modules(&expected) {
            ("targetModules", modules(self).join(", "))
        } else {
            return Ok(());
        };
        let reason = format!("the adapter in `{}` has {here}; ask for the same", folder.display());
        Err(EngineError::invalid(&format!("lora.{key}"), reason))
    }
}

/// An adapter's folder has its own config in place of the model's, which without weights would look like a broken model.
pub fn companions(adapter: &Adapter, layout: &Layout, base: &Path, of_model: Companions) -> Companions {
    // In a folder that moves, a relative path to the base would lead nowhere.
    let base = std::fs::canonicalize(base).unwrap_or_else(|_| base.to_path_buf());
    let own = (peft::CONFIG.into(), adapter.config_json(layout, &base));
    std::iter::once(own).chain(of_model.into_iter().filter(|(name, _)| *name != "config.json")).collect()
}
