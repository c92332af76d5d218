//! The sizes that an adapter adds to a policy.

use crate::error::Result;
use crate::model::config::DecoderConfig;
use crate::model::layout::Layout;
use crate::model::lora::matrices::{new_places, Places};
use crate::model::lora::settings::LoraSettings;
use std::collections::BTreeSet;

/// Sizes, in parameters.
pub struct Adapted {
    /// A, B and magnitudes of all modules, and the saved weights.
    pub factors: u64,
    /// The frozen weights that the adapter changes, kept beside the merged ones.
    pub matrices: u64,
}

impl Adapted {
    /// @error names a target that the model does not have.
    pub fn new(config: &DecoderConfig, lora: &LoraSettings) -> Result<Self> {
        let (layout, _) = Layout::new(config);
        let Places { modules, saved, size, .. } = new_places(&layout, lora)?;
        let leaves: BTreeSet<usize> =
            modules.iter().map(|module| module.leaf).chain(saved.iter().map(|saved| saved.leaf)).collect();
        let numbers = |leaf: usize| layout.leaves[leaf].shape.iter().product::<i64>() as u64;
        Ok(Self { factors: size as u64, matrices: leaves.into_iter().map(numbers).sum() })
    }
}
