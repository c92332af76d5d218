//! Continuous batching: requests wait for free slots, which completions take and leave one by one.

use super::group::Group;
use super::request::{Request, Running};
use crate::backend::{Backend, GroupId, SlotId};
use crate::error::{EngineError, Result};
use crate::model::parameters::Parameters;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::Ordering;

pub struct Scheduler {
    /// The model folder, for errors.
    model: String,
    context_length: usize,
    waiting: VecDeque<Request>,
    groups: BTreeMap<GroupId, Group>,
    running: Vec<Running>,
    free: BTreeSet<SlotId>,
    next_group: GroupId,
    /// Tokens generated since the policy was loaded.
    pub generated: u64,
}

impl Scheduler {
    pub fn new(model: String, slots: usize, context_length: usize) -> Self {
        Self {
            model,
            context_length,
            waiting: VecDeque::new(),
            groups: BTreeMap::new(),
            running: Vec::new(),
            free: (0..slots).collect(),
            next_group: 0,
            generated: 0,
        }
    }

    pub fn submit(&mut self, request: Request) {
        self.waiting.push_back(request);
    }

    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.groups.is_empty()
    }

    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Decodes one token of every running completion. An error rejects every request in flight.
    pub fn step(&mut self, backend: &mut dyn Backend, parameters: &Parameters) {
        self.reject_cancelled(backend);
        let result = self.admit(backend, parameters).and_then(|()| self.decode(backend, parameters));
        if let Err(error) = result {
            self.fail_all(backend, &error);
        }
    }

    pub fn fail_all(&mut self, backend: &mut dyn Backend, error: &EngineError) {
        for request in self.waiting.drain(..) {
            (request.reply)(Err(error.clone()));
        }
        let groups: Vec<_> = self.groups.keys().copied().collect();
        groups.into_iter().for_each(|group| self.reject(backend, group, error));
    }

    fn reject_cancelled(&mut self, backend: &mut dyn Backend) {
        let (cancelled, kept) = self.waiting.drain(..).partition(|request| request.cancel.load(Ordering::Relaxed));
        self.waiting = kept;
        VecDeque::into_iter(cancelled).for_each(|request| (request.reply)(Err(EngineError::Cancelled {})));
        let cancelled: Vec<_> =
            self.groups.iter().filter(|(_, group)| group.is_cancelled()).map(|(&id, _)| id).collect();
        cancelled.into_iter().for_each(|group| self.reject(backend, group, &EngineError::Cancelled {}));
    }

    /// Frees the slots of a group and rejects its request.
    fn reject(&mut self, backend: &mut dyn Backend, id: GroupId, error: &EngineError) {
        let (rejected, kept) = self.running.drain(..).partition(|running| running.group == id);
        self.running = kept;
        Vec::into_iter(rejected).for_each(|running: Running| {
            backend.free_slot(running.slot);
            self.free.insert(running.slot);
        });
        backend.free_prompt(id);
        if let Some(group) = self.groups.remove(&id) {
            (group.request.reply)(Err(error.clone()));
        }
    }

    /// Fills free slots with completions of groups in progress, then of new groups, in order of arrival.
    fn admit(&mut self, backend: &mut dyn Backend, parameters: &Parameters) -> Result<()> {
        let mut wanted: usize = self.groups.values().map(Group::unstarted).sum();
        let mut admitted = Vec::new();
        while wanted < self.free.len() {
            let Some(request) = self.waiting.pop_front() else { break };
            wanted += request.n;
            admitted.push(self.next_group);
            self.groups.insert(self.next_group, Group::new(request, self.context_length));
            self.next_group += 1;
        }
        let prompts: Vec<_> = admitted.iter().map(|id| (*id, self.groups[id].request.prompt.as_slice())).collect();
        if !prompts.is_empty() {
            backend.prefill(parameters, &prompts)?;
        }
        self.start_completions(backend)
    }

    fn start_completions(&mut self, backend: &mut dyn Backend) -> Result<()> {
        for (&id, group) in &mut self.groups {
            while group.unstarted() > 0 {
                let Some(slot) = self.free.pop_first() else { return Ok(()) };
                backend.open_slot(slot, id, group.capacity)?;
                let token = *group.request.prompt.last().expect("a prompt has a token");
                self.running.push(Running { slot, group: id, completion: group.started, token });
                group.started += 1;
            }
        }
        Ok(())
    }

    fn decode(&mut self, backend: &mut dyn Backend, parameters: &Parameters) -> Result<()> {
        let mut rows: Vec<_> = self.running.iter().map(|running| self.groups[&running.group].row(running)).collect();
        backend.decode(parameters, &mut rows)?;
        self.generated += rows.len() as u64;
        let mut index = 0;
        let mut watched = BTreeSet::new();
        let mut failed = BTreeMap::new();
        for row in rows {
            let running = &mut self.running[index];
            running.token = row.sampled.token;
            let group = self.groups.get_mut(&running.group).expect("a running completion has its group");
            if group.record(running.completion, row.sampled.token) {
                watched.insert(running.group);
            }
            let is_finished = group.push(running.completion, row.sampled, &self.model).unwrap_or_else(|error| {
                failed.insert(running.group, error);
                false
            });
            if is_finished {
                let Running { slot, group, .. } = self.running.remove(index);
                backend.free_slot(slot);
                self.free.insert(slot);
                self.complete(backend, group);
            } else {
                index += 1;
            }
        }
        failed.iter().for_each(|(&id, error)| self.reject(backend, id, error));
        for id in watched {
            // A group that has just finished is gone: its reply holds the last tokens.
            self.groups.entry(id).and_modify(Group::notify);
        }
        Ok(())
    }

    /// Answers the request when its last completion is finished.
    fn complete(&mut self, backend: &mut dyn Backend, id: GroupId) {
        if self.groups[&id].finished < self.groups[&id].request.n {
            return;
        }
        backend.free_prompt(id);
        let group = self.groups.remove(&id).expect("the group was looked up above");
        (group.request.reply)(Ok(group.completions));
    }
}
