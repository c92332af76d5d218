//! The loop of the engine thread: receives jobs, starts them and decodes.

use super::job::{Job, QUEUED};
use super::policies::{Policies, PolicyId};
use crate::error::EngineError;
use crate::generate::request::Request;
use crate::guard::is_stopping;
use crate::policy::Policy;
use std::collections::{HashSet, VecDeque};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, TryRecvError};

pub struct Loop {
    receiver: Receiver<Job>,
    /// Received and blocked by an earlier job.
    waiting: VecDeque<Job>,
    policies: Policies,
}

impl Loop {
    pub fn new(receiver: Receiver<Job>) -> Self {
        Self { receiver, waiting: VecDeque::new(), policies: Policies::default() }
    }

    pub fn run(mut self) {
        while self.receive() {
            self.start_jobs();
            if is_stopping() {
                break;
            }
            self.decode();
        }
        let closed = EngineError::Closed {};
        self.policies.loaded.values_mut().for_each(|policy| policy.fail_requests(&closed));
    }

    /// Receives all queued jobs; blocks for one when idle. False when the queue is closed.
    fn receive(&mut self) -> bool {
        if self.waiting.is_empty() && !self.is_generating() {
            match self.receiver.recv() {
                Ok(job) => self.waiting.push_back(job),
                Err(_) => return false,
            }
        }
        loop {
            match self.receiver.try_recv() {
                Ok(job) => self.waiting.push_back(job),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn is_generating(&self) -> bool {
        self.policies.loaded.values().any(Policy::is_generating)
    }

    /// Starts jobs in order of arrival. A policy with requests in flight blocks its own later jobs only.
    fn start_jobs(&mut self) {
        let mut blocked = HashSet::new();
        let mut kept = VecDeque::new();
        for job in std::mem::take(&mut self.waiting) {
            if is_stopping() {
                return;
            }
            match job {
                Job::Stop => return,
                Job::Generate(id, request) if !blocked.contains(&id) => self.submit(id, request),
                Job::Work(id, work) if id.is_none_or(|id| !blocked.contains(&id) && !self.is_busy(id)) => {
                    QUEUED.fetch_sub(1, Ordering::AcqRel);
                    work(&mut self.policies);
                }
                Job::Work(Some(id), work) => {
                    blocked.insert(id);
                    kept.push_back(Job::Work(Some(id), work));
                }
                other => kept.push_back(other),
            }
        }
        // Work in slices counts as queued until its last slice.
        QUEUED.fetch_add(self.policies.continued.len(), Ordering::AcqRel);
        kept.extend(self.policies.continued.drain(..).map(|work| Job::Work(None, work)));
        self.waiting = kept;
    }

    fn is_busy(&self, id: PolicyId) -> bool {
        self.policies.loaded.get(&id).is_some_and(Policy::is_generating)
    }

    fn submit(&mut self, id: PolicyId, request: Box<Request>) {
        QUEUED.fetch_sub(1, Ordering::AcqRel);
        match self.policies.get(id) {
            Ok(policy) => policy.submit(*request),
            Err(error) => (request.reply)(Err(error)),
        }
    }

    /// One decoding step of every policy; a panic rejects the requests of its policy.
    fn decode(&mut self) {
        for policy in self.policies.loaded.values_mut().filter(|policy| policy.is_generating()) {
            let step = catch_unwind(AssertUnwindSafe(|| policy.generate_step()));
            if let Err(payload) = step {
                policy.fail_requests(&EngineError::from_panic(payload));
            }
        }
    }
}
