//! An encoder on the kernels, fp32. Texts are packed without padding, and every number of a text is computed from that text
//! alone in one order: a vector does not depend on its batch, bit for bit.

use super::encoder_config::EncoderConfig;
use super::encoder_forward::{forward, EncoderWorkspace, Layer, Norm, PackedEncoder};
use super::encoder_weights::{Affine, EncoderWeights};
use super::kernel_linear::KernelLinear;
use super::text_batches::{packed_batches, PACKED_ROWS};
use super::text_encoder::{rotary_table, TextEncoder};
use crate::error::Result;
use crate::placement::Pool;
use crate::simd::isa::Instructions;
use crate::with_instructions;
use rayon::prelude::*;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// An encoder with its weights packed for the kernels.
pub struct KernelEncoder {
    packed: PackedEncoder,
    instructions: Instructions,
    pool: Pool,
    /// Buffers of finished batches for the next ones; allocating their pages again takes 5 % of the time.
    workspaces: Mutex<Vec<EncoderWorkspace>>,
}

impl KernelEncoder {
    pub fn new(config: EncoderConfig, weights: &EncoderWeights, pool: Pool) -> Self {
        let packer = EncoderPacker { weights, instructions: Instructions::detect(), eps: config.norm_eps as f32 };
        let spans = &weights.spans;
        let layers = config.layers.iter().zip(&spans.layers);
        let packed = PackedEncoder {
            word_embeddings: weights.slice(spans.word_embeddings).to_vec(),
            position_embeddings: spans.position_embeddings.zip(spans.token_type_embeddings).map(
                |(positions, types)| {
                    let first = &weights.slice(types)[..config.hidden_size];
                    weights
                        .slice(positions)
                        .iter()
                        .zip(first.iter().cycle())
                        .map(|(position, kind)| position + kind)
                        .collect()
                },
            ),
            embedding_norm: packer.norm(&spans.embedding_norm),
            layers: layers
                .map(|(kind, spans)| Layer {
                    attention_norm: spans.attention_norm.as_ref().map(|norm| packer.norm(norm)),
                    qkv: packer.linear(&spans.qkv),
                    output: packer.linear(&spans.output),
                    mlp_norm: packer.norm(&spans.mlp_norm),
                    up: packer.linear(&spans.up),
                    down: packer.linear(&spans.down),
                    window: kind.window,
                    theta: kind.theta.map(f64::to_bits),
                })
                .collect(),
            final_norm: spans.final_norm.as_ref().map(|norm| packer.norm(norm)),
            tables: HashMap::new(),
            config,
        };
        Self { packed, instructions: packer.instructions, pool, workspaces: Mutex::default() }
    }

    fn forward_batch(&self, texts: &[&[u32]]) -> Vec<Vec<f32>> {
        let reused = self.workspaces.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let (encoder, mut workspace) = (&self.packed, reused.unwrap_or_default());
        let buffers = &mut workspace;
        with_instructions!(self.instructions, fn forward<I>(encoder: &PackedEncoder, texts: &[&[u32]], buffers: &mut EncoderWorkspace));
        let mut rows = workspace.x.as_slice();
        let split = texts.iter().map(|text| {
            let (states, rest) = rows.split_at(text.len() * self.packed.config.hidden_size);
            rows = rest;
            states.to_vec()
        });
        let states = split.collect();
        if workspace.x.len() <= PACKED_ROWS * self.packed.config.hidden_size {
            self.workspaces.lock().unwrap_or_else(PoisonError::into_inner).push(workspace);
        }
        states
    }
}

impl TextEncoder for KernelEncoder {
    fn width(&self) -> usize {
        self.packed.config.hidden_size
    }

    fn reserve(&mut self, longest: usize) -> Result<()> {
        for theta in self.packed.layers.iter().filter_map(|layer| layer.theta) {
            if self.packed.tables.get(&theta).is_none_or(|table| table.positions < longest) {
                let table =
                    rotary_table(f64::from_bits(theta), self.packed.config.head_dim(), longest.next_power_of_two());
                self.packed.tables.insert(theta, table);
            }
        }
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

/// Packs the weights.
struct EncoderPacker<'a> {
    weights: &'a EncoderWeights,
    instructions: Instructions,
    eps: f32,
}

impl EncoderPacker<'_> {
    fn norm(&self, norm: &Affine) -> Norm {
        let bias = norm.bias.map(|bias| self.weights.slice(bias).to_vec());
        Norm { weight: self.weights.slice(norm.weight).to_vec(), bias, eps: self.eps }
    }

    fn linear(&self, linear: &Affine) -> KernelLinear {
        let bias = linear.bias.map(|bias| self.weights.slice(bias).to_vec());
        let weight = linear.weight;
        KernelLinear::pack(self.weights.slice(weight), bias, weight.rows, weight.columns, self.instructions)
    }
}
