//! An adapter in the weights: merged into them, and its reference policy in its place for a while.

use super::adapter::Adapter;
use crate::error::{EngineError, Result};
use crate::model::parameters::Parameters;

impl Parameters {
    /// Merges an adapter into the weights, and it is what is trained from now on.
    pub fn adapt(&mut self, mut adapter: Adapter) -> Result<()> {
        adapter.keep_base(&self.views);
        adapter.merge(&self.views);
        for piece in &adapter.pieces {
            // Finite factors and a finite scale can still have a product that is not.
            if !self.views[piece.leaf].isfinite().all().int64_value(&[]).is_positive() {
                return Err(EngineError::NonFinite { what: format!("`{}` with its adapter", piece.module) });
            }
        }
        self.adapter = Some(adapter);
        Ok(())
    }

    /// Runs `body` with the adapter's reference policy in the views, then merges the adapter again: the same bits, since
    /// merging begins from W₀. The reference needs no memory of its own.
    pub fn with_adapter_reference<T>(&mut self, body: impl FnOnce(&Self) -> T) -> T {
        let Some(adapter) = &self.adapter else { return body(self) };
        adapter.merge_reference(&self.views);
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| body(self)));
        adapter.merge(&self.views);
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}
