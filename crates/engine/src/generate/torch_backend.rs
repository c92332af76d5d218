//! Decoding on libtorch: for CUDA, and for bf16 on the CPU.
//!
//! Every slot is a row of one key and one value tensor per layer; a step computes the rows up to the highest slot in
//! use, idle ones included, so that nothing is gathered. R rows · S slots · C capacity · other letters as in the decoder.

use super::backend::{Backend, GroupId, SlotId, StepRow};
use super::torch_sampler::{sample_on_device, sample_on_host};
use crate::error::Result;
use crate::model::attention::{attention, causal_mask, merge_heads};
use crate::model::decoder::{Decoder, Qkv};
use crate::model::parameters::Parameters;
use crate::model::window::LayerWindows;
use std::collections::HashMap;
use tch::{Device, IndexOp, Kind, Tensor};

/// Slots and capacities grow in these steps, so that few allocations serve many requests.
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

/// `[S, K, C, d]`
struct SlotCache {
    keys: Tensor,
    values: Tensor,
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

    /// Where memory does not suffice, everything stays as it was.
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

    /// Logits `[R, V]` after every slot's next token; R counts slots up to the highest in use.
    fn advance(&mut self, parameters: &Parameters, rows: &[StepRow]) -> Tensor {
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
            let seen = visible(keys, &positions, window);
            let mask = Tensor::zeros([used as i64, keys], (self.kind, self.device));
            mask.masked_fill(&seen.logical_not(), f64::NEG_INFINITY).view([used as i64, 1, 1, keys])
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

/// One mask for the layers that see everything and one for those with a window.
struct Windowed<'a> {
    windows: &'a LayerWindows,
    full: Tensor,
    windowed: Option<Tensor>,
}

impl<'a> Windowed<'a> {
    fn new(windows: &'a LayerWindows, mask: impl Fn(Option<usize>) -> Tensor) -> Self {
        Self { windows, full: mask(None), windowed: windows.size().map(|size| mask(Some(size))) }
    }

    fn of(&self, layer: usize) -> &Tensor {
        self.windowed.as_ref().filter(|_| self.windows.of(layer).is_some()).unwrap_or(&self.full)
    }
}

/// `[R, keys]`: up to each row's own position, and no further back than the window.
fn visible(keys: i64, positions: &Tensor, window: Option<usize>) -> Tensor {
    let (key, own) = (Tensor::arange(keys, (Kind::Int64, positions.device())).unsqueeze(0), positions.unsqueeze(1));
    let seen = key.le_tensor(&own);
    match window {
        None => seen,
        Some(window) => seen.logical_and(&key.gt_tensor(&(own - window as i64))),
    }
}

impl SlotCache {
    /// Writes one position of every row and returns the first `keys` positions, `[R, K, keys, d]`.
    fn append(&self, slots: &Tensor, positions: &Tensor, qkv: &Qkv, keys: i64) -> (Tensor, Tensor) {
        let rows = slots.size()[0];
        let write = |cache: &Tensor, new: &Tensor| {
            let by_position = cache.transpose(1, 2);
            let _ = by_position.shallow_clone().index_put_(&[Some(slots), Some(positions)], new, false);
            cache.narrow(0, 0, rows).narrow(2, 0, keys)
        };
        (write(&self.keys, &qkv.k), write(&self.values, &qkv.v))
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

    fn start(&mut self, slot: SlotId, group: GroupId, capacity: usize) -> Result<()> {
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

    fn step(&mut self, parameters: &Parameters, rows: &mut [StepRow]) -> Result<()> {
        tch::no_grad(|| {
            let logits = self.advance(parameters, rows);
            let slots: Vec<i64> = rows.iter().map(|row| row.slot as i64).collect();
            let logits = logits.index_select(0, &Tensor::from_slice(&slots).to_device(self.device));
            if rows.iter().all(|row| row.sampling.is_plain()) {
                return sample_on_device(&logits, rows);
            }
            sample_on_host(&logits, rows)
        })
    }

    fn finish(&mut self, slot: SlotId) {
        self.filled[slot] = 0;
    }

    fn release(&mut self, group: GroupId) {
        self.prompts.remove(&group);
        self.lengths.remove(&group);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn room_that_cannot_be_made_leaves_the_room_that_is_there() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../test/golden/models/llama-tied");
        let parameters = Parameters::load(&folder, Device::Cpu, Kind::Float, false).unwrap();
        let mut backend = TorchBackend::new(&parameters).unwrap();
        backend.reserve(4, 10).unwrap();
        assert!(backend.reserve(1 << 36, 1 << 10).is_err());
        assert_eq!((backend.slots, backend.capacity), (SLOT_STEP, CAPACITY_STEP));
        assert_eq!(backend.layers[0].keys.size()[0], SLOT_STEP as i64);
        backend.reserve(SLOT_STEP + 1, 10).unwrap();
        assert_eq!(backend.filled.len(), 2 * SLOT_STEP);
    }
}
