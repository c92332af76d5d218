//! The policies and embedders that the engine thread owns.

use crate::embed::embedder::Embedder;
use crate::error::{EngineError, Result};
use crate::policy::Policy;
use std::collections::HashMap;

pub type PolicyId = u64;
pub type EmbedderId = u64;

pub type Work = Box<dyn FnOnce(&mut Policies) + Send>;

/// Every loaded policy and embedder.
#[derive(Default)]
pub struct Policies {
    pub(super) loaded: HashMap<PolicyId, Policy>,
    embedders: HashMap<EmbedderId, Embedder>,
    next: u64,
    /// Work that continues after one decoding step of every policy.
    pub(super) continued: Vec<Work>,
}

impl Policies {
    pub fn insert(&mut self, policy: Policy) -> PolicyId {
        self.next += 1;
        self.loaded.insert(self.next, policy);
        self.next
    }

    pub fn get(&mut self, id: PolicyId) -> Result<&mut Policy> {
        self.loaded.get_mut(&id).ok_or(EngineError::Closed {})
    }

    pub fn remove(&mut self, id: PolicyId) -> Result<()> {
        self.loaded.remove(&id).map(drop).ok_or(EngineError::Closed {})
    }

    pub fn insert_embedder(&mut self, embedder: Embedder) -> EmbedderId {
        self.next += 1;
        self.embedders.insert(self.next, embedder);
        self.next
    }

    pub fn embedder(&mut self, id: EmbedderId) -> Result<&mut Embedder> {
        self.embedders.get_mut(&id).ok_or(EngineError::Closed {})
    }

    pub fn remove_embedder(&mut self, id: EmbedderId) -> Result<()> {
        self.embedders.remove(&id).map(drop).ok_or(EngineError::Closed {})
    }

    /// Schedules the next slice of long work.
    pub fn continue_with(&mut self, work: Work) {
        self.continued.push(work);
    }
}
