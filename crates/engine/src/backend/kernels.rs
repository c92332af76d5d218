//! The kernel backend: fp32 on the CPU.

use super::{
    Backend, DecodeRow, Forward, GroupId, Packed, PassSettings, PreparedWeights, SlotId, TokenGrads, TokenStats,
};
use crate::batch::Batch;
use crate::error::Result;
use crate::kernels::decoder::KernelDecoder;
use crate::kernels::kv_cache::KvCache;
use crate::kernels::lm_head::HeadGrads;
use crate::kernels::prompt_group::{prompt_groups, run_passes, PromptGroup};
use crate::kernels::segment::{Segment, Workspace};
use crate::kernels::trainer::KernelTrainer;
use crate::kernels::training_weights::HeadSettings;
use crate::model::parameters::Parameters;
use crate::placement::Pool;
use crate::sampler::sample_edited;
use crate::simd::isa::Instructions;
use rayon::prelude::*;
use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use tch::Tensor;

/// Rows of one pass: enough to fill the registers, few enough for their activations to stay in the first cache.
const ROWS_PER_PASS: usize = 32;

pub struct KernelBackend {
    decoder: KernelDecoder,
    pool: Pool,
    prompts: HashMap<GroupId, Arc<KvCache>>,
    slots: Vec<Option<KvCache>>,
}

/// A row with its caches, movable to another thread.
struct RowWork<'a> {
    row: &'a mut DecodeRow,
    prefix: Arc<KvCache>,
    cache: KvCache,
}

thread_local! {
    static WORKSPACE: RefCell<Workspace> = RefCell::default();
}

impl KernelBackend {
    pub fn new(parameters: &Parameters, pool: Pool) -> Result<Self> {
        Ok(Self { decoder: KernelDecoder::new(parameters)?, pool, prompts: HashMap::new(), slots: Vec::new() })
    }

    /// Runs `work` on every chunk, in parallel when there is more than one chunk.
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

impl Backend for KernelBackend {
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
            for (_, tokens, cache) in chunk.iter_mut().filter(|(_, tokens, _)| !tokens.is_empty()) {
                let segment = Segment { tokens, prefix: None, cache };
                WORKSPACE.with_borrow_mut(|workspace| self.decoder.forward(&mut [segment], workspace, false));
            }
        });
        self.prompts.extend(work.into_iter().map(|(group, _, cache)| (group, Arc::new(cache))));
        Ok(())
    }

    fn open_slot(&mut self, slot: SlotId, group: GroupId, capacity: usize) -> Result<()> {
        self.decoder.reserve_positions(self.prompts[&group].length + capacity);
        if self.slots.len() <= slot {
            self.slots.resize_with(slot + 1, || None);
        }
        self.slots[slot] = Some(KvCache::new(&self.decoder.config, capacity));
        Ok(())
    }

    fn decode(&mut self, _: &Parameters, rows: &mut [DecodeRow]) -> Result<()> {
        let chunk = rows.len().div_ceil(self.threads()).clamp(1, ROWS_PER_PASS);
        let slots = &mut self.slots;
        let prompts = &self.prompts;
        let mut work: Vec<_> = rows
            .iter_mut()
            .map(|row| RowWork {
                prefix: prompts[&row.group].clone(),
                cache: slots[row.slot].take().expect("a running completion has its slot"),
                row,
            })
            .collect();
        self.each_chunk(&mut work, chunk, |chunk| {
            WORKSPACE.with_borrow_mut(|workspace| decode_rows(&self.decoder, chunk, workspace));
        });
        let caches: Vec<_> = work.into_iter().map(|work| (work.row.slot, work.cache)).collect();
        for (slot, cache) in caches {
            self.slots[slot] = Some(cache);
        }
        Ok(())
    }

    fn free_slot(&mut self, slot: SlotId) {
        self.slots[slot] = None;
    }

    fn free_prompt(&mut self, group: GroupId) {
        self.prompts.remove(&group);
    }

    fn prepare<'p>(
        &self,
        parameters: &'p Parameters,
        longest: usize,
        settings: PassSettings,
    ) -> Result<PreparedWeights<'p>> {
        let head = HeadSettings { temperature: settings.temperature, logits_bytes: settings.logits_bytes };
        let trainer = KernelTrainer::new(parameters, longest, self.pool.clone(), head)?;
        Ok(PreparedWeights { parameters, settings, packed: Some(Packed { trainer, grad: Vec::new() }) })
    }

    fn logprobs(&self, weights: &PreparedWeights, batch: &Batch, sequences: Range<usize>) -> Result<TokenStats> {
        let packed = weights.packed.as_ref().expect(PACKED);
        Ok(token_stats(packed.trainer.logprobs(batch, sequences)))
    }

    fn forward<'a>(
        &self,
        weights: &'a mut PreparedWeights,
        batch: &'a Batch,
        sequences: Range<usize>,
    ) -> Result<Forward<'a>> {
        let Packed { trainer, grad } = weights.packed.as_mut().expect(PACKED);
        grad.resize(weights.parameters.layout.size, 0.0);
        if weights.settings.gradient_checkpointing {
            let stats = token_stats(trainer.logprobs(batch, sequences.clone()));
            let recompute = |grads: HeadGrads| trainer.backward_checkpointed(batch, sequences, grads, grad);
            return Ok(Forward { stats, backward: Box::new(|grads| with_head_grads(grads, recompute)) });
        }
        let kept = trainer.forward(batch, sequences);
        let gather = |of: fn(&PromptGroup) -> &Vec<f32>| kept.iter().flat_map(of).copied().collect::<Vec<f32>>();
        let stats = token_stats((gather(|group| &group.logprobs), gather(|group| &group.entropies)));
        let backward = move |grads: HeadGrads| trainer.backward(&kept, grads, grad);
        Ok(Forward { stats, backward: Box::new(|grads| with_head_grads(grads, backward)) })
    }

    fn hidden_states(&self, parameters: &Parameters, batch: &Batch, _microbatch_tokens: usize) -> Result<Vec<f32>> {
        let mut decoder = KernelDecoder::new(parameters)?;
        decoder.reserve_positions(batch.longest_total());
        let groups = prompt_groups(batch, 0..batch.sequences.lists());
        let group_states = |group: &Range<usize>| {
            let mut workspace = Workspace::default();
            run_passes(&decoder, batch, group.clone(), false, &mut workspace);
            workspace.states().to_vec()
        };
        let states: Vec<Vec<f32>> = match &self.pool {
            Some(pool) => pool.install(|| groups.par_iter().map(group_states).collect()),
            None => groups.iter().map(group_states).collect(),
        };
        Ok(states.concat())
    }
}

const PACKED: &str = "this backend packs the weights that it prepares";

fn token_stats((logprobs, entropies): (Vec<f32>, Vec<f32>)) -> TokenStats {
    TokenStats { logprob_n: Tensor::from_slice(&logprobs), entropy_n: Tensor::from_slice(&entropies) }
}

fn with_head_grads(grads: &TokenGrads, backward: impl FnOnce(HeadGrads)) -> Result<()> {
    let logprobs = Vec::<f32>::try_from(&grads.logprob_n)?;
    let entropies = grads.entropy_n.as_ref().map(Vec::<f32>::try_from).transpose()?;
    backward(HeadGrads { logprobs: &logprobs, entropies: entropies.as_deref() });
    Ok(())
}

fn decode_rows(decoder: &KernelDecoder, work: &mut [RowWork], workspace: &mut Workspace) {
    let mut segments: Vec<_> = work
        .iter_mut()
        .map(|work| Segment {
            tokens: std::slice::from_ref(&work.row.token),
            prefix: Some(&*work.prefix).filter(|prefix| prefix.length > 0),
            cache: &mut work.cache,
        })
        .collect();
    decoder.forward(&mut segments, workspace, true);
    let logits = workspace.logits.chunks_exact_mut(decoder.config.vocab_size);
    for (work, logits) in work.iter_mut().zip(logits) {
        let DecodeRow { edits, sampling, place, sampled, .. } = &mut *work.row;
        *sampled = sample_edited(logits, edits.as_deref(), sampling, *place, Instructions::detect());
    }
}
