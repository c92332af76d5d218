//! The completions of one request as they grow.

use super::request::{Completion, Request, Running};
use crate::backend::StepRow;
use crate::error::Result;
use crate::philox::Place;
use crate::sampler::{Sampled, Sampling};
use std::sync::atomic::Ordering;
use std::sync::Arc;

/// A request that is being answered.
pub struct Group {
    pub request: Request,
    pub sampling: Arc<Sampling>,
    pub capacity: usize,
    pub started: usize,
    pub done: usize,
    pub completions: Vec<Completion>,
    /// What this step added, where somebody watches.
    fresh: Vec<(usize, u32)>,
}

impl Group {
    pub fn new(request: Request, context_length: usize) -> Self {
        let capacity = request.max_new_tokens.min(context_length - request.prompt.len());
        Self {
            sampling: Arc::new(request.sampling.clone()),
            capacity,
            started: 0,
            done: 0,
            fresh: Vec::new(),
            completions: vec![Completion::default(); request.n],
            request,
        }
    }

    pub fn cancelled(&self) -> bool {
        self.request.cancel.load(Ordering::Relaxed)
    }

    pub fn unstarted(&self) -> usize {
        self.request.n - self.started
    }

    pub fn row(&self, running: &Running) -> StepRow {
        let place = Place {
            seed: self.request.seed,
            request: self.request.request_id,
            completion: running.completion as u32,
            position: self.completions[running.completion].tokens.len() as u32,
        };
        StepRow {
            slot: running.slot,
            group: running.group,
            token: running.token,
            place,
            sampling: self.sampling.clone(),
            sampled: Sampled { token: 0, logprob: 0.0 },
        }
    }

    /// Notes a token for whoever watches; true where somebody does.
    pub fn watch(&mut self, completion: usize, token: u32) -> bool {
        if self.request.watch.is_some() {
            self.fresh.push((completion, token));
        }
        self.request.watch.is_some()
    }

    pub fn tell(&mut self) {
        if let Some(watch) = &mut self.request.watch {
            watch(&self.fresh);
        }
        self.fresh.clear();
    }

    /// Appends a token; true when the completion has ended.
    pub fn push(&mut self, completion: usize, sampled: Sampled) -> Result<bool> {
        let target = &mut self.completions[completion];
        target.tokens.push(sampled.token);
        target.logprobs.push(sampled.logprob);
        target.stopped = self.request.stop_tokens.contains(&sampled.token);
        if let (false, Some(texts)) = (target.stopped, &mut self.request.stop_texts) {
            target.stopped = texts.ends(completion, sampled.token)?;
        }
        let ended = target.stopped || target.tokens.len() >= self.capacity;
        self.done += usize::from(ended);
        Ok(ended)
    }
}
