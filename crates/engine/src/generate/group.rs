//! One request and its growing completions.

use super::request::{Completion, Request, Running};
use crate::backend::DecodeRow;
use crate::error::{EngineError, Result};
use crate::philox::Place;
use crate::sampler::edits::Edits;
use crate::sampler::{Sampled, Sampling};
use std::sync::atomic::Ordering;
use std::sync::Arc;

/// A request whose completions are started or finished.
pub struct Group {
    pub request: Request,
    pub sampling: Arc<Sampling>,
    /// False for most requests, whose history then need not be read.
    has_rules: bool,
    pub capacity: usize,
    pub started: usize,
    pub finished: usize,
    pub completions: Vec<Completion>,
    /// Tokens of this step, for the request's watcher: completion and token.
    new_tokens: Vec<(usize, u32)>,
}

impl Group {
    pub fn new(request: Request, context_length: usize) -> Self {
        let capacity = request.max_new_tokens.min(context_length - request.prompt.len());
        Self {
            sampling: Arc::new(request.sampling.clone()),
            has_rules: !request.rules.is_neutral(),
            capacity,
            started: 0,
            finished: 0,
            new_tokens: Vec::new(),
            completions: vec![Completion::default(); request.n],
            request,
        }
    }

    pub fn is_cancelled(&self) -> bool {
        self.request.cancel.load(Ordering::Relaxed)
    }

    pub fn unstarted(&self) -> usize {
        self.request.n - self.started
    }

    pub fn row(&self, running: &Running) -> DecodeRow {
        let place = Place {
            seed: self.request.seed,
            request: self.request.request_id,
            completion: running.completion as u32,
            position: self.completions[running.completion].tokens.len() as u32,
        };
        DecodeRow {
            slot: running.slot,
            group: running.group,
            token: running.token,
            place,
            sampling: self.sampling.clone(),
            edits: self.edits(running.completion),
            sampled: Sampled { token: 0, logprob: 0.0 },
        }
    }

    fn edits(&self, completion: usize) -> Option<Box<Edits>> {
        let Request { rules, prompt, stop_tokens, .. } = &self.request;
        self.has_rules.then(|| Box::new(rules.edits(prompt, &self.completions[completion].tokens, stop_tokens)))
    }

    /// Records a token for the request's watcher; false when it has none.
    pub fn record(&mut self, completion: usize, token: u32) -> bool {
        if self.request.watch.is_some() {
            self.new_tokens.push((completion, token));
        }
        self.request.watch.is_some()
    }

    /// Passes the recorded tokens to the watcher.
    pub fn notify(&mut self) {
        if let Some(watch) = &mut self.request.watch {
            watch(&self.new_tokens);
        }
        self.new_tokens.clear();
    }

    /// Appends a token of `model`; true when the completion is finished.
    ///
    /// @error `NON_FINITE` for logits that give no distribution.
    pub fn push(&mut self, completion: usize, sampled: Sampled, model: &str) -> Result<bool> {
        let target = &mut self.completions[completion];
        if !sampled.logprob.is_finite() {
            let position = self.request.prompt.len() + target.tokens.len();
            let temperature = self.sampling.temperature;
            return Err(EngineError::NonFiniteLogits { model: model.into(), position, temperature });
        }
        target.tokens.push(sampled.token);
        target.logprobs.push(sampled.logprob);
        target.stopped = self.request.stop_tokens.contains(&sampled.token);
        if let (false, Some(texts)) = (target.stopped, &mut self.request.stop_texts) {
            target.stopped = texts.ends(completion, sampled.token)?;
        }
        let is_finished = target.stopped || target.tokens.len() >= self.capacity;
        self.finished += usize::from(is_finished);
        Ok(is_finished)
    }
}
