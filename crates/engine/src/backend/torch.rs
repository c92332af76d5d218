//! The libtorch backend: every device and precision.
//!
//! In decoding every slot is a row of one key and one value tensor per layer. A step computes the rows up to the highest
//! slot in use, idle ones included, so that nothing is gathered. R rows · S slots · C capacity · other letters as in the
//! decoder.

mod autograd;
mod lm_head_torch;
mod padded_batch;
mod sample_rows;
mod slot_cache;
mod states;

use super::{Backend, DecodeRow, Forward, GroupId, PassSettings, PreparedWeights, SlotId, TokenStats};
use crate::batch::Batch;
use crate::error::Result;
use crate::model::attention::{attention, causal_mask, merge_heads, Qkv};
use crate::model::decoder::Decoder;
use crate::model::parameters::Parameters;
use lm_head_torch::Head;
use padded_batch::PaddedBatch;
use sample_rows::{sample_on_device, sample_on_host};
use slot_cache::{visible, SlotCache, Windowed};
use states::States;
use std::collections::HashMap;
use std::ops::Range;
use tch::{Device, IndexOp, Kind, Tensor};

/// Slots and capacities grow in these increments, so that few allocations serve many requests.
pub const SLOT_STEP: usize = 16;
pub const CAPACITY_STEP: usize = 64;

pub struct TorchBackend {
    device: Device,
    kind: Kind,
    kv_heads: i64,
    head_dim: i64,
    layers: Vec<SlotCache>,
    slots: usize,
    capacity: usize,
    /// Keys and values `[K, Tp, d]` of each group's prompt, per layer.
    prompts: HashMap<GroupId, Vec<(Tensor, Tensor)>>,
    lengths: HashMap<GroupId, usize>,
    /// Tokens each slot holds.
    filled: Vec<usize>,
}

impl TorchBackend {
    pub fn new(parameters: &Parameters) -> Result<Self> {
        let config = &parameters.config;
        let mut backend = Self {
            device: parameters.device(),
            kind: parameters.kind(),
            kv_heads: config.kv_heads as i64,
            head_dim: config.head_dim as i64,
            layers: Vec::new(),
            slots: 0,
            capacity: 0,
            prompts: HashMap::new(),
            lengths: HashMap::new(),
            filled: Vec::new(),
        };
        backend.layers = (0..config.layers).map(|_| backend.empty_cache(0, 0)).collect::<Result<_>>()?;
        Ok(backend)
    }

    fn empty_cache(&self, slots: usize, capacity: usize) -> Result<SlotCache> {
        let shape = [slots as i64, self.kv_heads, capacity as i64, self.head_dim];
        let zeros = || Tensor::f_zeros(shape, (self.kind, self.device));
        Ok(SlotCache { keys: zeros()?, values: zeros()? })
    }

    /// Grows the caches to `slots` and `capacity`. @error leaves them as they were when memory does not suffice.
    fn reserve(&mut self, slots: usize, capacity: usize) -> Result<()> {
        if slots <= self.slots && capacity <= self.capacity {
            return Ok(());
        }
        let (old_slots, old_capacity) = (self.slots as i64, self.capacity as i64);
        let slots = self.slots.max(slots.next_multiple_of(SLOT_STEP));
        let capacity = self.capacity.max(capacity.next_multiple_of(CAPACITY_STEP));
        let grown = self.layers.iter().map(|_| self.empty_cache(slots, capacity)).collect::<Result<Vec<_>>>()?;
        for (old, new) in self.layers.iter().zip(&grown) {
            if old_slots * old_capacity > 0 {
                new.keys.narrow(0, 0, old_slots).narrow(2, 0, old_capacity).copy_(&old.keys);
                new.values.narrow(0, 0, old_slots).narrow(2, 0, old_capacity).copy_(&old.values);
            }
        }
        self.filled.resize(slots, 0);
        (self.layers, self.slots, self.capacity) = (grown, slots, capacity);
        Ok(())
    }

    fn prefill_one(&self, parameters: &Parameters, tokens: &[u32]) -> Vec<(Tensor, Tensor)> {
        let length = tokens.len() as i64;
        let decoder = Decoder::new(parameters);
        let ids: Vec<i64> = tokens.iter().map(|&token| i64::from(token)).collect();
        let rotary = decoder.rotary(&Tensor::arange(length, (Kind::Int64, self.device)), tokens.len());
        let masks =
            Windowed::new(&parameters.config.windows, |window| causal_mask(length, window, self.kind, self.device));
        let mut x_nd = decoder.embed(&Tensor::from_slice(&ids).to_device(self.device));
        let mut stored = Vec::new();
        for (index, layer) in parameters.leaves.layers.iter().enumerate() {
            x_nd = decoder.layer(layer, x_nd, &rotary, |Qkv { q, k, v }| {
                let heads_first = |x: &Tensor| x.transpose(0, 1).unsqueeze(0);
                stored.push((k.transpose(0, 1).contiguous(), v.transpose(0, 1).contiguous()));
                merge_heads(&attention(&heads_first(&q), &heads_first(&k), &heads_first(&v), masks.of(index)))
            });
        }
        stored
    }

    /// Feeds every slot's next token and returns logits `[R, V]`; R counts slots up to the highest in use.
    fn advance(&mut self, parameters: &Parameters, rows: &[DecodeRow]) -> Tensor {
        let used = rows.iter().map(|row| row.slot).max().map_or(0, |slot| slot + 1);
        let (mut ids, mut positions) = (vec![0i64; used], vec![0i64; used]);
        for row in rows {
            ids[row.slot] = i64::from(row.token);
            positions[row.slot] = self.filled[row.slot] as i64;
            self.filled[row.slot] += 1;
        }
        let keys = positions.iter().max().map_or(1, |longest| longest + 1);
        let positions = Tensor::from_slice(&positions).to_device(self.device);
        let masks = Windowed::new(&parameters.config.windows, |window| {
            let is_visible = visible(keys, &positions, window);
            let mask = Tensor::zeros([used as i64, keys], (self.kind, self.device));
            mask.masked_fill(&is_visible.logical_not(), f64::NEG_INFINITY).view([used as i64, 1, 1, keys])
        });
        let slots = Tensor::arange(used as i64, (Kind::Int64, self.device));
        let decoder = Decoder::new(parameters);
        let rotary = decoder.rotary(&positions, keys as usize);
        let mut x_rd = decoder.embed(&Tensor::from_slice(&ids).to_device(self.device));
        for (index, (layer, cache)) in parameters.leaves.layers.iter().zip(&self.layers).enumerate() {
            x_rd = decoder.layer(layer, x_rd, &rotary, |qkv| {
                let (k, v) = cache.append(&slots, &positions, &qkv, keys);
                merge_heads(&attention(&qkv.q.unsqueeze(2), &k, &v, masks.of(index)))
            });
        }
        decoder.logits(&decoder.normalise(&x_rd, parameters.leaves.norm))
    }
}

impl Backend for TorchBackend {
    fn refresh(&mut self, _: &Parameters) -> Result<()> {
        Ok(())
    }

    fn prefill(&mut self, parameters: &Parameters, prompts: &[(GroupId, &[u32])]) -> Result<()> {
        tch::no_grad(|| {
            for (group, tokens) in prompts {
                let before_last = &tokens[..tokens.len() - 1];
                let stored =
                    if before_last.is_empty() { Vec::new() } else { self.prefill_one(parameters, before_last) };
                self.prompts.insert(*group, stored);
                self.lengths.insert(*group, before_last.len());
            }
        });
        Ok(())
    }

    fn open_slot(&mut self, slot: SlotId, group: GroupId, capacity: usize) -> Result<()> {
        let length = self.lengths[&group];
        tch::no_grad(|| {
            self.reserve(slot + 1, length + capacity)?;
            for (cache, (keys, values)) in self.layers.iter().zip(&self.prompts[&group]) {
                cache.keys.i(slot as i64).narrow(1, 0, length as i64).copy_(keys);
                cache.values.i(slot as i64).narrow(1, 0, length as i64).copy_(values);
            }
            self.filled[slot] = length;
            Ok(())
        })
    }

    fn decode(&mut self, parameters: &Parameters, rows: &mut [DecodeRow]) -> Result<()> {
        tch::no_grad(|| {
            let logits = self.advance(parameters, rows);
            let slots: Vec<i64> = rows.iter().map(|row| row.slot as i64).collect();
            let logits = logits.index_select(0, &Tensor::from_slice(&slots).to_device(self.device));
            if rows.iter().all(|row| row.sampling.is_plain() && row.edits.is_none()) {
                return sample_on_device(&logits, rows);
            }
            sample_on_host(&logits, rows)
        })
    }

    fn free_slot(&mut self, slot: SlotId) {
        self.filled[slot] = 0;
    }

    fn free_prompt(&mut self, group: GroupId) {
        self.prompts.remove(&group);
        self.lengths.remove(&group);
    }

    fn prepare<'p>(
        &self,
        parameters: &'p Parameters,
        _longest: usize,
        settings: PassSettings,
    ) -> Result<PreparedWeights<'p>> {
        Ok(PreparedWeights { parameters, settings, packed: None })
    }

    fn logprobs(&self, weights: &PreparedWeights, batch: &Batch, sequences: Range<usize>) -> Result<TokenStats> {
        let parameters = weights.parameters;
        let padded = PaddedBatch::new(batch, sequences, parameters.device(), parameters.kind());
        let decoder = Decoder::new(parameters);
        let head = Head::new(&decoder, &padded.targets, weights.settings);
        Ok(tch::no_grad(|| head.token_stats(&padded.select(&decoder.completion_states(&padded.layout)))))
    }

    fn forward<'a>(
        &self,
        weights: &'a mut PreparedWeights,
        batch: &'a Batch,
        sequences: Range<usize>,
    ) -> Result<Forward<'a>> {
        let (parameters, settings) = (weights.parameters, weights.settings);
        let padded = PaddedBatch::new(batch, sequences, parameters.device(), parameters.kind());
        // Held until the backward pass is done: checkpointing recomputes parts of the forward pass under it.
        let training = parameters.training_pass();
        let decoder = Decoder::new(parameters);
        let head = Head::new(&decoder, &padded.targets, settings);
        let states = States::compute(&decoder, &padded, settings.gradient_checkpointing);
        if states.has_graph() && head.fits() {
            let graph = head.graph(&states.output_nd);
            let stats = graph.token_stats();
            let backward = move |grads: &_| {
                let _training = training;
                graph.backward(grads);
                Ok(())
            };
            return Ok(Forward { stats, backward: Box::new(backward) });
        }
        let stats = tch::no_grad(|| head.token_stats(&states.output_nd));
        let backward = move |grads: &_| {
            let _training = training;
            let decoder = Decoder::new(parameters);
            let head = Head::new(&decoder, &padded.targets, settings);
            let d_states = head.backward(&states.output_nd.detach(), grads);
            states.backward(&decoder, &padded, d_states);
            Ok(())
        };
        Ok(Forward { stats, backward: Box::new(backward) })
    }

    fn hidden_states(&self, parameters: &Parameters, batch: &Batch, microbatch_tokens: usize) -> Result<Vec<f32>> {
        let decoder = Decoder::new(parameters);
        let pass = |range: Range<usize>| -> Result<Vec<f32>> {
            let padded = PaddedBatch::new(batch, range, parameters.device(), parameters.kind());
            let states: Tensor = padded.select(&decoder.completion_states(&padded.layout));
            Ok(Vec::<f32>::try_from(&states.to_kind(Kind::Float).f_to_device(Device::Cpu)?.contiguous().view([-1]))?)
        };
        let passes = batch.microbatches(microbatch_tokens).into_iter().map(|range| tch::no_grad(|| pass(range)));
        Ok(passes.collect::<Result<Vec<_>>>()?.concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::notices::Notices;
    use std::path::Path;

    #[test]
    fn a_reservation_that_fails_leaves_the_caches_as_they_were() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../test/golden/models/llama-tied");
        let parameters = Parameters::load(&folder, Device::Cpu, Kind::Float, false, &mut Notices::default()).unwrap();
        let mut backend = TorchBackend::new(&parameters).unwrap();
        backend.reserve(4, 10).unwrap();
        assert!(backend.reserve(1 << 36, 1 << 10).is_err());
        assert_eq!((backend.slots, backend.capacity), (SLOT_STEP, CAPACITY_STEP));
        assert_eq!(backend.layers[0].keys.size()[0], SLOT_STEP as i64);
        backend.reserve(SLOT_STEP + 1, 10).unwrap();
        assert_eq!(backend.filled.len(), 2 * SLOT_STEP);
    }
}
