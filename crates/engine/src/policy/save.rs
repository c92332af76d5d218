//! What a policy leaves in a folder, and takes from one to train on.

use super::{optimizer, Policy};
use crate::error::Result;
use crate::host_copy::Copier;
use crate::io::new_file::WrittenFile;
use crate::snapshot::{write_live, Snapshot, Weights};
use std::path::Path;
use std::sync::Arc;

impl Policy {
    /// Writes a Hugging Face folder without a copy of the weights, of an adapter a PEFT folder; training waits for it.
    pub fn save(&mut self, folder: &Path, shard_bytes: u64) -> Result<Vec<WrittenFile>> {
        if self.parameters.adapter.is_some() {
            return self.state(false, &Copier::lender())?.write(folder, shard_bytes);
        }
        write_live(folder, &self.companions, &self.parameters, shard_bytes)
    }

    /// Writes what a snapshot would, without a copy; training waits for it.
    pub fn save_training(&mut self, folder: &Path, shard_bytes: u64) -> Result<Vec<WrittenFile>> {
        self.state(true, &Copier::lender())?.write(folder, shard_bytes)
    }

    /// Copies the weights and all that training needs to go on: what it writes is a Hugging Face folder with tokenizer
    /// files as they were, weights as they are, and a config that says so. Of an adapter it is a PEFT folder.
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

    pub fn load_training(&mut self, file: &Path) -> Result<()> {
        self.check_trainable()?;
        let optimizer = optimizer(&mut self.optimizer, &mut self.parameters, self.state_dtype)?;
        optimizer.load(file, &mut self.parameters, self.reference.as_mut())?;
        self.backend.refresh(&self.parameters)
    }
}
