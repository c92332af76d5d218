//! What is asked of generation, and what comes of it.

use crate::backend::{GroupId, SlotId};
use crate::error::Result;
use crate::sampler::Sampling;
use crate::tokenizer::stop::StopScan;
use std::sync::atomic::AtomicBool;
use std::sync::Arc;

/// One prompt, `n` completions of it.
pub struct Request {
    pub prompt: Vec<u32>,
    pub n: usize,
    pub sampling: Sampling,
    pub max_new_tokens: usize,
    pub stop_tokens: Vec<u32>,
    /// Texts that end a completion as well.
    pub stop_texts: Option<StopScan>,
    pub seed: u64,
    pub request_id: u64,
    pub cancel: Arc<AtomicBool>,
    /// Told of every decoding step's tokens: which completion, and its token.
    pub watch: Option<Watch>,
    pub reply: Reply,
}

/// Called on the engine thread: it must not wait.
pub type Watch = Box<dyn FnMut(&[(usize, u32)]) + Send>;

pub type Reply = Box<dyn FnOnce(Result<Vec<Completion>>) + Send>;

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Completion {
    pub tokens: Vec<u32>,
    pub logprobs: Vec<f32>,
    /// True when an end token or a stop text was generated; false when the length ran out.
    pub stopped: bool,
}

pub struct Running {
    pub slot: SlotId,
    pub group: GroupId,
    pub completion: usize,
    pub token: u32,
}
