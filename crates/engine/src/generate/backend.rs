//! What the scheduler asks of the forward pass: prompts in, one more token for every running completion out.

use super::philox::Place;
use super::sampler::{sample, Sampled, Sampling};
use crate::cpu::cache::KvCache;
use crate::cpu::decoder::CpuDecoder;
use crate::cpu::isa::Instructions;
use crate::cpu::segment::{Segment, Workspace};
use crate::cpu::trainer::Pool;
use crate::error::Result;
use crate::model::parameters::Parameters;
use rayon::prelude::*;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

pub type GroupId = u64;
pub type SlotId = usize;

/// One running completion's next token.
pub struct StepRow {
    pub slot: SlotId,
    pub group: GroupId,
    pub token: u32,
    pub place: Place,
    pub sampling: Arc<Sampling>,
    /// Filled by the step.
    pub sampled: Sampled,
}

pub trait Backend {
    /// Takes over changed weights.
    fn refresh(&mut self, parameters: &Parameters) -> Result<()>;
    /// Computes keys and values of prompts without their last token, once for all completions of a group.
    fn prefill(&mut self, parameters: &Parameters, prompts: &[(GroupId, &[u32])]) -> Result<()>;
    /// Gives a slot room for `capacity` tokens after the group's prompt.
    fn start(&mut self, slot: SlotId, group: GroupId, capacity: usize) -> Result<()>;
    /// Feeds every row's token and samples the next.
    fn step(&mut self, parameters: &Parameters, rows: &mut [StepRow]) -> Result<()>;
    fn finish(&mut self, slot: SlotId);
    fn release(&mut self, group: GroupId);
}

/// Rows of one pass: enough to fill the registers, few enough for their activations to stay in the first cache.
const ROWS_PER_PASS: usize = 32;

pub struct CpuBackend {
    decoder: CpuDecoder,
    pool: Pool,
    prompts: HashMap<GroupId, Arc<KvCache>>,
    slots: Vec<Option<KvCache>>,
}

/// A row with the caches it works on, movable to another thread.
struct RowWork<'a> {
    row: &'a mut StepRow,
    prefix: Arc<KvCache>,
    own: KvCache,
}

thread_local! {
    static WORKSPACE: RefCell<Workspace> = RefCell::default();
}

impl CpuBackend {
    pub fn new(parameters: &Parameters, pool: Pool) -> Result<Self> {
        Ok(Self { decoder: CpuDecoder::new(parameters)?, pool, prompts: HashMap::new(), slots: Vec::new() })
    }

    /// Runs `work` on every chunk, over the threads when there is more than one chunk.
    fn each_chunk<T: Send>(&self, items: &mut [T], size: usize, work: impl Fn(&mut [T]) + Sync) {
        match &self.pool {
            Some(pool) if items.len() > size => pool.install(|| items.par_chunks_mut(size).for_each(&work)),
            _ => items.chunks_mut(size).for_each(work),
        }
    }

    fn threads(&self) -> usize {
        self.pool.as_ref().map_or(1, |pool| pool.current_num_threads())
    }
}

impl Backend for CpuBackend {
    fn refresh(&mut self, parameters: &Parameters) -> Result<()> {
        self.decoder.refresh(parameters)
    }

    fn prefill(&mut self, _: &Parameters, prompts: &[(GroupId, &[u32])]) -> Result<()> {
        self.decoder.reserve_positions(prompts.iter().map(|(_, tokens)| tokens.len()).max().unwrap_or(0));
        let config = &self.decoder.config;
        let mut work: Vec<_> = prompts
            .iter()
            .map(|(group, tokens)| {
                let before_last = &tokens[..tokens.len() - 1];
                (*group, before_last, KvCache::new(config, before_last.len()))
            })
            .collect();
        self.each_chunk(&mut work, 1, |chunk| {
            for (_, tokens, own) in chunk.iter_mut().filter(|(_, tokens, _)| !tokens.is_empty()) {
                let segment = Segment { tokens, prefix: None, own };
                WORKSPACE.with_borrow_mut(|workspace| self.decoder.forward(&mut [segment], workspace, false));
            }
        });
        self.prompts.extend(work.into_iter().map(|(group, _, cache)| (group, Arc::new(cache))));
        Ok(())
    }

    fn start(&mut self, slot: SlotId, group: GroupId, capacity: usize) -> Result<()> {
        self.decoder.reserve_positions(self.prompts[&group].length + capacity);
        if self.slots.len() <= slot {
            self.slots.resize_with(slot + 1, || None);
        }
        self.slots[slot] = Some(KvCache::new(&self.decoder.config, capacity));
        Ok(())
    }

    fn step(&mut self, _: &Parameters, rows: &mut [StepRow]) -> Result<()> {
        let chunk = rows.len().div_ceil(self.threads()).clamp(1, ROWS_PER_PASS);
        let slots = &mut self.slots;
        let prompts = &self.prompts;
        let mut work: Vec<_> = rows
            .iter_mut()
            .map(|row| RowWork {
                prefix: prompts[&row.group].clone(),
                own: slots[row.slot].take().expect("a running completion has its slot"),
                row,
            })
            .collect();
        self.each_chunk(&mut work, chunk, |chunk| {
            WORKSPACE.with_borrow_mut(|workspace| decode(&self.decoder, chunk, workspace));
        });
        let caches: Vec<_> = work.into_iter().map(|work| (work.row.slot, work.own)).collect();
        for (slot, cache) in caches {
            self.slots[slot] = Some(cache);
        }
        Ok(())
    }

    fn finish(&mut self, slot: SlotId) {
        self.slots[slot] = None;
    }

    fn release(&mut self, group: GroupId) {
        self.prompts.remove(&group);
    }
}

fn decode(decoder: &CpuDecoder, work: &mut [RowWork], workspace: &mut Workspace) {
    let mut segments: Vec<_> = work
        .iter_mut()
        .map(|work| Segment {
            tokens: std::slice::from_ref(&work.row.token),
            prefix: Some(&*work.prefix).filter(|prefix| prefix.length > 0),
            own: &mut work.own,
        })
        .collect();
    decoder.forward(&mut segments, workspace, true);
    let logits = workspace.logits.chunks_exact_mut(decoder.config.vocab_size);
    for (work, logits) in work.iter_mut().zip(logits) {
        work.row.sampled = sample(logits, &work.row.sampling, work.row.place, Instructions::detect());
    }
}
