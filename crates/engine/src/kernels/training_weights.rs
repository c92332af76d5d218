//! The weights packed for training: for the forward pass, and transposed for the gradients of inputs.

use super::decoder::KernelDecoder;
use super::linear::PackedLinear;
use crate::error::Result;
use crate::model::layout::{DecoderLeaves, Layout};
use crate::model::parameters::Parameters;

/// Settings of the language-model head.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HeadSettings {
    pub temperature: f64,
    /// Bytes of logits or probabilities in memory at a time, over all threads.
    pub logits_bytes: usize,
}

pub struct TrainingWeights {
    pub(super) decoder: KernelDecoder,
    layout: Layout,
    pub(super) leaves: DecoderLeaves,
    pub(super) layers: Vec<TransposedLayer>,
    pub(super) lm_head: PackedLinear,
    pub(super) settings: HeadSettings,
    threads: usize,
}

/// TransposedLayer weights, for gradients of inputs.
pub(super) struct TransposedLayer {
    pub qkv_proj: PackedLinear,
    pub o_proj: PackedLinear,
    pub gate_up_proj: PackedLinear,
    pub down_proj: PackedLinear,
}

impl TrainingWeights {
    pub fn pack(parameters: &Parameters, longest: usize, threads: usize, settings: HeadSettings) -> Result<Self> {
        let mut decoder = KernelDecoder::new(parameters)?;
        decoder.reserve_positions(longest);
        let flat = parameters.on_host()?;
        let transposed = |leaf: usize| {
            let leaf = &parameters.layout.leaves[leaf];
            let (outputs, inputs) = (leaf.shape[0] as usize, leaf.shape[1] as usize);
            let weight = &flat[leaf.offset..leaf.offset + outputs * inputs];
            PackedLinear::pack_transposed(weight, outputs, inputs, decoder.instructions)
        };
        let layers = parameters.leaves.layers.iter().map(|layer| TransposedLayer {
            qkv_proj: transposed(layer.qkv_proj),
            o_proj: transposed(layer.o_proj),
            gate_up_proj: transposed(layer.gate_up_proj),
            down_proj: transposed(layer.down_proj),
        });
        Ok(Self {
            layers: layers.collect(),
            lm_head: transposed(parameters.leaves.lm_head),
            layout: parameters.layout.clone(),
            leaves: parameters.leaves.clone(),
            decoder,
            settings,
            threads,
        })
    }

    /// Rows of logits that one thread holds at a time, at least one.
    pub(super) fn logit_rows(&self) -> usize {
        (self.settings.logits_bytes / self.threads / (4 * self.decoder.config.vocab_size)).max(1)
    }

    /// The part of `grad` that belongs to a leaf.
    pub(super) fn grad_of<'a>(&self, leaf: usize, grad: &'a mut [f32]) -> &'a mut [f32] {
        let leaf = &self.layout.leaves[leaf];
        let size = leaf.shape.iter().product::<i64>() as usize;
        &mut grad[leaf.offset..leaf.offset + size]
    }
}
