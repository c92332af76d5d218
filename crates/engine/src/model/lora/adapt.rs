//! Merges an adapter into the weights, and its reference policy in its place for one computation.

use super::adapter::Adapter;
use crate::error::{EngineError, Result};
use crate::model::parameters::Parameters;

impl Adapter {
    fn name_of(&self, leaf: usize) -> String {
        let modules = self.modules.iter().filter(|module| module.leaf == leaf).map(|module| module.path.as_str());
        let saved = self.saved.iter().filter(|saved| saved.leaf == leaf).map(|saved| saved.name.as_str());
        modules.chain(saved).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
    }
}

impl Parameters {
    /// Merges an adapter into the weights; from then on the adapter is trained instead of them.
    ///
    /// # Errors
    /// `NonFinite` where a merged weight is not finite.
    pub fn adapt(&mut self, mut adapter: Adapter) -> Result<()> {
        adapter.keep_base(&self.views);
        adapter.merge(&self.views);
        for leaf in adapter.leaves() {
            // Finite A and B and a finite scale can have a product that is not finite.
            if !self.views[leaf].isfinite().all().int64_value(&[]).is_positive() {
                return Err(EngineError::NonFinite { what: format!("{} with its adapter", adapter.name_of(leaf)) });
            }
        }
        self.adapter = Some(adapter);
        Ok(())
    }

    /// Runs `body` with the adapter's reference policy merged into the views, then merges the adapter again. Merging starts
    /// from W₀, so the bits are the same as before, and the reference needs no memory for its weights.
    pub fn with_adapter_reference<T>(&mut self, body: impl FnOnce(&Self) -> T) -> T {
        let Some(adapter) = &self.adapter else { return body(self) };
        adapter.merge_reference(&self.views);
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| body(self)));
        adapter.merge(&self.views);
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}
