//! The sizes that an adapter adds to a policy.

use crate::error::Result;
use crate::model::config::DecoderConfig;
use crate::model::layout::Layout;
use crate::model::lora::matrices::{adapted_modules, check_targets, is_target, LINEAR_MODULES};
use crate::model::lora::settings::LoraSettings;
use std::collections::BTreeMap;

/// Sizes, in parameters.
pub struct Adapted {
    /// A and B of all modules.
    pub factors: u64,
    /// The frozen matrices that contain adapted modules, kept beside the merged ones.
    pub matrices: u64,
}

impl Adapted {
    /// @error names a target that the model does not have.
    pub fn new(config: &DecoderConfig, lora: &LoraSettings) -> Result<Self> {
        let (layout, _) = Layout::new(config);
        let all: Vec<String> = LINEAR_MODULES.map(String::from).to_vec();
        let targets = lora.targets.as_ref().unwrap_or(&all);
        check_targets(&layout, targets)?;
        let (pieces, factors) = adapted_modules(&layout, lora.rank, |module| is_target(module, targets));
        let leaves: BTreeMap<usize, usize> = pieces
            .iter()
            .map(|piece| (piece.leaf, layout.leaves[piece.leaf].shape.iter().product::<i64>() as usize))
            .collect();
        Ok(Self { factors: factors as u64, matrices: leaves.values().sum::<usize>() as u64 })
    }
}
