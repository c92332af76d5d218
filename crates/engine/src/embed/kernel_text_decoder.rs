//! A decoder as an encoder of texts, on our kernels.

use super::packed_texts::units;
use super::text_encoder::TextEncoder;
use crate::error::Result;
use crate::kernels::kv_cache::KvCache;
use crate::kernels::decoder::KernelDecoder;
use crate::kernels::segment::{Segment, Workspace};
use crate::placement::Pool;
use rayon::prelude::*;

/// Every text is one prompt, computed to its last hidden state.
pub struct KernelTextDecoder {
    pub decoder: KernelDecoder,
    pub pool: Pool,
}

impl KernelTextDecoder {
    fn unit(&self, texts: &[&[u32]]) -> Vec<Vec<f32>> {
        let config = &self.decoder.config;
        let mut caches: Vec<KvCache> = texts.iter().map(|text| KvCache::new(config, text.len())).collect();
        let mut segments: Vec<Segment> =
            texts.iter().zip(&mut caches).map(|(tokens, cache)| Segment { tokens, prefix: None, cache }).collect();
        let mut workspace = Workspace::default();
        let mut rows = self.decoder.states(&mut segments, &mut workspace);
        let split = texts.iter().map(|text| {
            let (own, rest) = rows.split_at(text.len() * config.hidden_size);
            rows = rest;
            own.to_vec()
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
        let units = units(texts);
        Ok(match &self.pool {
            Some(pool) => pool.install(|| units.par_iter().flat_map_iter(|unit| self.unit(unit)).collect()),
            None => units.iter().flat_map(|unit| self.unit(unit)).collect(),
        })
    }
}
