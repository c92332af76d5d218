//! Saves a policy to a folder, and restores its training state.

use super::{optimizer, Policy};
use crate::error::Result;
use crate::host_copy::Copier;
use crate::io::new_file::WrittenFile;
use crate::snapshot::{write_live, Snapshot, Weights};
use std::path::Path;
use std::sync::Arc;

impl Policy {
    /// Writes a Hugging Face folder, or the PEFT folder of an adapter, without copying the weights; training waits.
    pub fn save(&mut self, folder: &Path, shard_bytes: u64) -> Result<Vec<WrittenFile>> {
        if self.parameters.adapter.is_some() {
            return self.state(false, &Copier::lender())?.write(folder, shard_bytes);
        }
        write_live(folder, &self.companions, &self.parameters, shard_bytes)
    }

    /// Writes the files of a snapshot without copying; training waits.
    pub fn save_training(&mut self, folder: &Path, shard_bytes: u64) -> Result<Vec<WrittenFile>> {
        self.state(true, &Copier::lender())?.write(folder, shard_bytes)
    }

    /// Copies the weights and the training state to host memory. The snapshot writes a Hugging Face folder with the
    /// tokenizer files, the current weights and the config, or the PEFT folder of an adapter.
    pub fn snapshot(&mut self) -> Result<Snapshot> {
        let copier = self.copier.clone();
        self.state(true, &copier)
    }

    fn state(&mut self, training: bool, copier: &Copier) -> Result<Snapshot> {
        let master = Arc::new(copier.copy(self.parameters.trained())?);
        let weights = match &self.parameters.adapter {
            Some(adapter) => Weights::of_adapter(adapter, &self.base_fingerprint, master.clone()),
            None => Weights::of_model(&self.parameters, master.clone()),
        };
        let training = if training {
            self.check_trainable()?;
            let optimizer = optimizer(&mut self.optimizer, &mut self.parameters, self.state_dtype)?;
            let adapter = self.parameters.adapter.as_ref();
            Some(optimizer.snapshot(master, self.reference.as_ref(), adapter, copier)?)
        } else {
            None
        };
        Ok(Snapshot { companions: self.companions.clone(), weights, training })
    }

    /// Restores weights, moments, step count and reference policy from a training file.
    pub fn load_training(&mut self, file: &Path) -> Result<()> {
        self.check_trainable()?;
        let optimizer = optimizer(&mut self.optimizer, &mut self.parameters, self.state_dtype)?;
        optimizer.load(file, &mut self.parameters, self.reference.as_mut())?;
        self.backend.refresh(&self.parameters)
    }
}
