//! The decoder's forward pass on libtorch: training on every device, and decoding where no kernels of our own run.
//!
//! Shapes: N packed token rows · P prompts · B completions · T tokens · S keys · D width · H query heads ·
//! K key/value heads · d head width · V vocabulary.
//!
//! A batch is laid out so that a prompt is computed once for all its completions: rows `..P·Tp` are prompts without
//! their last token, rows `P·Tp..` are completions, each beginning with that last token. Projections and the MLP see
//! all rows as one matrix; only attention tells prompts from completions. The gradient is the one of separate copies.

use super::attention::{shared_prompt_attention, SharedPromptMasks};
use super::config::DecoderConfig;
use super::layout::LayerLeaves;
use super::parameters::Parameters;
use super::shared_prompt::{Qkv, SharedPromptBatch};
use tch::{Kind, Tensor};

pub struct Decoder<'a> {
    parameters: &'a Parameters,
    config: &'a DecoderConfig,
}

/// cos and sin of the rows at hand, `[N, 1, d/2]`.
pub struct Rotary {
    cos: Tensor,
    sin: Tensor,
}

/// What all layers of a batch read.
pub struct SharedByLayers {
    rotary: Rotary,
    masks: SharedPromptMasks,
}

impl<'a> Decoder<'a> {
    pub fn new(parameters: &'a Parameters) -> Self {
        Self { parameters, config: &parameters.config }
    }

    pub fn vocabulary(&self) -> usize {
        self.config.vocab_size
    }

    pub fn layers(&self) -> usize {
        self.config.layers
    }

    /// Final hidden states of the completion rows, `[B·Tc, D]`.
    pub fn completion_states(&self, batch: &SharedPromptBatch) -> Tensor {
        let shared = self.shared(batch);
        let mut x_nd = self.embed(&batch.ids_n);
        for layer in 0..self.layers() {
            x_nd = self.batch_layer(layer, x_nd, &shared, batch);
        }
        self.completion_norm(&x_nd, batch)
    }

    pub fn shared(&self, batch: &SharedPromptBatch) -> SharedByLayers {
        SharedByLayers {
            rotary: self.rotary(&batch.positions_n, batch.positions),
            masks: SharedPromptMasks::new(batch, self.config.windows.size()),
        }
    }

    /// A layer of all rows of the batch.
    pub fn batch_layer(
        &self,
        index: usize,
        x_nd: Tensor,
        shared: &SharedByLayers,
        batch: &SharedPromptBatch,
    ) -> Tensor {
        let (leaves, window) = (&self.parameters.leaves.layers[index], self.config.windows.of(index));
        let attend = |qkv| shared_prompt_attention(batch, &shared.masks, window, qkv);
        self.layer(leaves, x_nd, &shared.rotary, attend)
    }

    /// The last norm, of the completion rows.
    pub fn completion_norm(&self, x_nd: &Tensor, batch: &SharedPromptBatch) -> Tensor {
        let prompt_rows = batch.prompts * batch.prompt_length;
        self.normalise(&x_nd.narrow(0, prompt_rows, x_nd.size()[0] - prompt_rows), self.parameters.leaves.norm)
    }

    /// Logits in fp32, `[rows, V]`.
    pub fn logits(&self, states_nd: &Tensor) -> Tensor {
        self.linear(states_nd, self.parameters.leaves.lm_head, None).to_kind(Kind::Float)
    }

    pub fn embed(&self, ids_n: &Tensor) -> Tensor {
        Tensor::embedding(self.weight(self.parameters.leaves.embed_tokens), ids_n, -1, false, false)
    }

    /// `positions` is above every number of `positions_n`.
    pub fn rotary(&self, positions_n: &Tensor, positions: usize) -> Rotary {
        let (cos, sin) = self.parameters.rotary_tensors(positions);
        let rows = |table: Tensor| table.index_select(0, positions_n).unsqueeze(1);
        Rotary { cos: rows(cos), sin: rows(sin) }
    }

    /// One transformer layer; `attend` turns rotated (q, k, v), each `[N, heads, d]`, into `[N, H·d]`.
    pub fn layer(
        &self,
        leaves: &LayerLeaves,
        x_nd: Tensor,
        rotary: &Rotary,
        attend: impl FnOnce(Qkv) -> Tensor,
    ) -> Tensor {
        let qkv = self.project(leaves, &self.normalise(&x_nd, leaves.input_layernorm), rotary);
        let x_nd = x_nd + self.linear(&attend(qkv), leaves.o_proj, leaves.o_bias);
        let gate_up = self.linear(&self.normalise(&x_nd, leaves.post_attention_layernorm), leaves.gate_up_proj, leaves.gate_up_bias);
        let halves = gate_up.chunk(2, -1);
        let mlp = self.linear(&(halves[0].silu() * &halves[1]), leaves.down_proj, leaves.down_bias);
        x_nd + mlp
    }

    pub fn normalise(&self, x_nd: &Tensor, leaf: usize) -> Tensor {
        let width = *x_nd.size().last().expect("a row has a width");
        x_nd.rms_norm([width], Some(self.weight(leaf)), self.config.rms_norm_eps)
    }

    /// x Wᵀ + b, W and b given by their leaves.
    fn linear(&self, x_nd: &Tensor, weight: usize, bias: Option<usize>) -> Tensor {
        let (merged, bias) = (self.weight(weight), bias.map(|leaf| self.weight(leaf)));
        let adapter = self.parameters.adapter.as_ref();
        let adapted = adapter.and_then(|adapter| adapter.linear(x_nd, weight, merged, bias));
        adapted.unwrap_or_else(|| x_nd.linear(merged, bias))
    }

    fn weight(&self, leaf: usize) -> &Tensor {
        &self.parameters.views[leaf]
    }

    fn project(&self, leaves: &LayerLeaves, x_nd: &Tensor, rotary: &Rotary) -> Qkv {
        let (heads, kv_heads, dim) =
            (self.config.heads as i64, self.config.kv_heads as i64, self.config.head_dim as i64);
        let qkv = self.linear(x_nd, leaves.qkv_proj, leaves.qkv_bias).view([-1, heads + 2 * kv_heads, dim]);
        let v = qkv.narrow(1, heads + kv_heads, kv_heads);
        match leaves.qk_norm {
            None => {
                let qk = rotary.apply(&qkv.narrow(1, 0, heads + kv_heads));
                Qkv { q: qk.narrow(1, 0, heads), k: qk.narrow(1, heads, kv_heads), v }
            }
            Some((q_norm, k_norm)) => {
                let q = self.normalise(&qkv.narrow(1, 0, heads), q_norm);
                let k = self.normalise(&qkv.narrow(1, heads, kv_heads), k_norm);
                Qkv { q: rotary.apply(&q), k: rotary.apply(&k), v }
            }
        }
    }
}

impl Rotary {
    /// Rotates `[N, heads, d]`: pairs are (i, i + d/2), as in transformers.
    fn apply(&self, x: &Tensor) -> Tensor {
        let halves = x.chunk(2, -1);
        let (first, second) = (&halves[0], &halves[1]);
        Tensor::cat(&[first * &self.cos - second * &self.sin, second * &self.cos + first * &self.sin], -1)
    }
}
