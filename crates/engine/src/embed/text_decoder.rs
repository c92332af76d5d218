//! A causal decoder as an encoder of texts, on the kernels and on libtorch.

use super::text_batches::{packed_batches, padded_batches, Padded};
use super::text_encoder::TextEncoder;
use crate::error::Result;
use crate::kernels::decoder::KernelDecoder;
use crate::kernels::kv_cache::KvCache;
use crate::kernels::segment::{Segment, Workspace};
use crate::model::attention::{causal_attention, merge_heads};
use crate::model::decoder::Decoder;
use crate::model::parameters::Parameters;
use crate::placement::Pool;
use rayon::prelude::*;
use tch::{Kind, Tensor};

/// Every text is one prompt, computed to its last hidden state.
pub struct KernelTextDecoder {
    pub decoder: KernelDecoder,
    pub pool: Pool,
}

impl KernelTextDecoder {
    fn forward_batch(&self, texts: &[&[u32]]) -> Vec<Vec<f32>> {
        let config = &self.decoder.config;
        let mut caches: Vec<KvCache> = texts.iter().map(|text| KvCache::new(config, text.len())).collect();
        let mut segments: Vec<Segment> =
            texts.iter().zip(&mut caches).map(|(tokens, cache)| Segment { tokens, prefix: None, cache }).collect();
        let mut workspace = Workspace::default();
        let mut rows = self.decoder.states(&mut segments, &mut workspace);
        let split = texts.iter().map(|text| {
            let (states, rest) = rows.split_at(text.len() * config.hidden_size);
            rows = rest;
            states.to_vec()
        });
        split.collect()
    }
}

impl TextEncoder for KernelTextDecoder {
    fn width(&self) -> usize {
        self.decoder.config.hidden_size
    }

    fn reserve(&mut self, longest: usize) -> Result<()> {
        self.decoder.reserve_positions(longest);
        Ok(())
    }

    fn states(&self, texts: &[&[u32]]) -> Result<Vec<Vec<f32>>> {
        let batches = packed_batches(texts);
        Ok(match &self.pool {
            Some(pool) => {
                pool.install(|| batches.par_iter().flat_map_iter(|batch| self.forward_batch(batch)).collect())
            }
            None => batches.iter().flat_map(|batch| self.forward_batch(batch)).collect(),
        })
    }
}

/// A decoder on libtorch. Padding is on the right, where causal attention ignores it.
pub struct TorchTextDecoder {
    pub parameters: Parameters,
}

impl TorchTextDecoder {
    fn forward_batch(&self, texts: &[&[u32]]) -> Result<Vec<Vec<f32>>> {
        let parameters = &self.parameters;
        let (decoder, padded) = (Decoder::new(parameters), Padded::new(texts, parameters.device()));
        let (batch, length) = (texts.len() as i64, padded.longest as i64);
        let positions = Tensor::arange(length, (Kind::Int64, parameters.device())).repeat([batch]);
        let rotary = decoder.rotary(&positions, padded.longest);
        let mut x_nd = decoder.embed(&padded.ids_bt.view([-1]));
        let split = |x: &Tensor| x.view([batch, length, x.size()[1], x.size()[2]]).transpose(1, 2);
        for (index, layer) in parameters.leaves.layers.iter().enumerate() {
            let window = parameters.config.windows.of(index);
            x_nd = decoder.layer(layer, x_nd, &rotary, |qkv| {
                merge_heads(&causal_attention(&split(&qkv.q), &split(&qkv.k), &split(&qkv.v), window))
            });
        }
        padded.unpad(&decoder.normalise(&x_nd, parameters.leaves.norm))
    }
}

impl TextEncoder for TorchTextDecoder {
    fn width(&self) -> usize {
        self.parameters.config.hidden_size
    }

    fn reserve(&mut self, _longest: usize) -> Result<()> {
        Ok(())
    }

    fn states(&self, texts: &[&[u32]]) -> Result<Vec<Vec<f32>>> {
        let passes = padded_batches(texts).into_iter().map(|batch| tch::no_grad(|| self.forward_batch(batch)));
        Ok(passes.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    }
}
