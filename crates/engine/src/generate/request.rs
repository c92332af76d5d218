//! Requests for completions, and completions.

use super::token_rules::TokenRules;
use crate::backend::{GroupId, SlotId};
use crate::error::Result;
use crate::sampler::Sampling;
use crate::tokenizer::stop::StopScan;
use std::sync::atomic::AtomicBool;
use std::sync::Arc;

/// A request for `n` completions of one prompt.
pub struct Request {
    pub prompt: Vec<u32>,
    pub n: usize,
    pub sampling: Sampling,
    pub rules: TokenRules,
    pub max_new_tokens: usize,
    pub stop_tokens: Vec<u32>,
    /// Stop texts, which end a completion like a stop token.
    pub stop_texts: Option<StopScan>,
    pub seed: u64,
    pub request_id: u64,
    pub cancel: Arc<AtomicBool>,
    /// Receives the tokens of every decoding step.
    pub watch: Option<Watch>,
    pub reply: Reply,
}

/// Takes (completion, token) pairs. Runs on the engine thread and must not block.
pub type Watch = Box<dyn FnMut(&[(usize, u32)]) + Send>;

pub type Reply = Box<dyn FnOnce(Result<Vec<Completion>>) + Send>;

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Completion {
    pub tokens: Vec<u32>,
    pub logprobs: Vec<f32>,
    /// True when an end token or a stop text ended it; false when it reached its length limit.
    pub stopped: bool,
}

/// A completion that occupies a slot.
pub struct Running {
    pub slot: SlotId,
    pub group: GroupId,
    pub completion: usize,
    /// The token to feed next.
    pub token: u32,
}
