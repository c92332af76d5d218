//! Opens a base and its adapter from folders and settings.

use super::adapter::Adapter;
use super::matrices::{new_places, AdaptedModule};
use super::peft;
use super::saved::SavedWeight;
use super::settings::LoraSettings;
use crate::error::{EngineError, Result};
use crate::io::companions::Companions;
use crate::io::notices::Notices;
use crate::model::layout::Layout;
use crate::model::parameters::Parameters;
use std::path::{Path, PathBuf};

/// The folder of the base weights, and that of an adapter.
pub struct Source {
    pub base: PathBuf,
    pub adapter: Option<PathBuf>,
}

/// Resolves folders: an adapter folder as the model means its base with this adapter.
///
/// # Errors
/// `adapter` where the model folder is an adapter and another adapter is given.
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
    /// The adapter of the folder, or a new one with the settings. With both, they must agree.
    ///
    /// # Errors
    /// `lora.<key>` for the first setting that differs from the folder's, and those of reading.
    pub fn open(
        &self,
        parameters: &Parameters,
        lora: Option<&LoraSettings>,
        fingerprint: &str,
        notices: &mut Notices,
    ) -> Result<Option<Adapter>> {
        let (layout, views, device) = (&parameters.layout, &parameters.views, parameters.device());
        let seed = lora.map_or(0, |lora| lora.seed);
        let Some(folder) = &self.adapter else {
            return lora.map(|lora| Adapter::new(lora.clone(), layout, views)).transpose();
        };
        let mut adapter = Adapter::read(folder, layout, fingerprint, seed, device, notices)?;
        if let Some(lora) = lora {
            adapter.check_settings(lora, layout, folder)?;
            adapter.settings.dropout = lora.dropout;
        }
        Ok(Some(adapter))
    }
}

impl Adapter {
    /// Refuses an adapter from a folder whose settings differ.
    fn check_settings(&self, wanted: &LoraSettings, layout: &Layout, folder: &Path) -> Result<()> {
        wanted.check()?;
        let expected = new_places(layout, wanted)?;
        let each = |value: fn(&AdaptedModule) -> String| {
            let list = |modules: &[AdaptedModule]| modules.iter().map(value).collect::<Vec<_>>().join(", ");
            (list(&self.modules), list(&expected.modules))
        };
        let names = |saved: &[SavedWeight]| saved.iter().map(|saved| saved.name.clone()).collect::<Vec<_>>().join(", ");
        let settings = &self.settings;
        let rows = [
            ("rank", (settings.rank.to_string(), wanted.rank.to_string())),
            ("alpha", (settings.alpha.to_string(), wanted.alpha.to_string())),
            ("rankStabilised", (settings.rslora.to_string(), wanted.rslora.to_string())),
            ("dora", (settings.dora.to_string(), wanted.dora.to_string())),
            ("targetModules", each(|module| module.path.clone())),
            ("modulesToSave", (names(&self.saved), names(&expected.saved))),
            ("rankPattern", each(|module| module.rank.to_string())),
            ("alphaPattern", each(|module| module.scale.to_string())),
        ];
        match rows.into_iter().find(|(_, (here, wanted))| here != wanted) {
            None => Ok(()),
            Some((key, (here, _))) => {
                let reason = format!("the adapter in `{}` has {here}; set the same value", folder.display());
                Err(EngineError::invalid(&format!("lora.{key}"), reason))
            }
        }
    }
}

/// Companion files of an adapter folder: the adapter's config replaces `config.json`, which without weights would look
/// like a broken model.
pub fn companions(adapter: &Adapter, layout: &Layout, base: &Path, of_model: Companions) -> Companions {
    // A relative path to the base would break when the folder moves.
    let base = std::fs::canonicalize(base).unwrap_or_else(|_| base.to_path_buf());
    let config = (peft::CONFIG.into(), adapter.config_json(layout, &base));
    std::iter::once(config).chain(of_model.into_iter().filter(|(name, _)| *name != "config.json")).collect()
}
