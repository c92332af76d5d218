//! The decoder's forward pass on libtorch: for training on every device, and for generation where the kernels do not run.
//!
//! Shapes: N packed token rows · P prompts · B completions · T tokens · S keys · D width · H query heads ·
//! K key/value heads · d head width · V vocabulary.
//!
//! A batch computes a prompt once for all its completions: rows `..P·Tp` are prompts without their last token, rows
//! `P·Tp..` are completions, each starting with that last token. Projections and the MLP treat all rows as one matrix;
//! attention alone distinguishes prompts and completions. The gradient equals that of separate copies.

use super::attention::{shared_prompt_attention, Qkv, SharedPromptBatch, SharedPromptMasks};
use super::config::DecoderConfig;
use super::layout::LayerLeaves;
use super::parameters::Parameters;
use tch::{Kind, Tensor};

/// cos and sin of the positions of a batch's rows, `[N, 1, d/2]`.
pub struct Rotary {
    cos: Tensor,
    sin: Tensor,
}

impl Rotary {
    /// Rotates `[N, heads, d]`: pairs are (i, i + d/2), as in transformers.
    fn apply(&self, x: &Tensor) -> Tensor {
        let halves = x.chunk(2, -1);
        let (first, second) = (&halves[0], &halves[1]);
        Tensor::cat(&[first * &self.cos - second * &self.sin, second * &self.cos + first * &self.sin], -1)
    }
}

/// A decoder that reads its weights from the parameters.
pub struct Decoder<'a> {
    parameters: &'a Parameters,
    config: &'a DecoderConfig,
}

/// The inputs that all layers of a batch share.
pub struct LayerInputs {
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

    fn weight(&self, leaf: usize) -> Tensor {
        self.parameters.weight(leaf)
    }

    /// x Wᵀ + b with W and b by their leaves, and the gradient of an adapter in a training pass.
    fn linear(&self, x_nd: &Tensor, weight: usize, bias: Option<usize>) -> Tensor {
        let (merged, bias) = (self.weight(weight), bias.map(|leaf| self.weight(leaf)));
        let adapter = self.parameters.adapter.as_ref();
        let adapted = adapter.and_then(|adapter| adapter.linear(x_nd, weight, &merged, bias.as_ref()));
        adapted.unwrap_or_else(|| x_nd.linear(&merged, bias.as_ref()))
    }

    /// RMSNorm over the last axis.
    pub fn normalise(&self, x_nd: &Tensor, leaf: usize) -> Tensor {
        let width = *x_nd.size().last().expect("a row has a width");
        x_nd.rms_norm([width], Some(self.weight(leaf)), self.config.rms_norm_eps)
    }

    /// The rotary embedding of rows at `positions_n`, all below `positions`.
    pub fn rotary(&self, positions_n: &Tensor, positions: usize) -> Rotary {
        let (cos, sin) = self.parameters.rotary_tensors(positions);
        let rows = |table: Tensor| table.index_select(0, positions_n).unsqueeze(1);
        Rotary { cos: rows(cos), sin: rows(sin) }
    }

    /// Query, key and value heads: projection, head norm where the family has it, rotary embedding.
    fn project_qkv(&self, leaves: &LayerLeaves, x_nd: &Tensor, rotary: &Rotary) -> Qkv {
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

    /// down(f(gate(x)) · up(x)).
    fn mlp(&self, leaves: &LayerLeaves, x_nd: &Tensor) -> Tensor {
        let gate_up = self.linear(x_nd, leaves.gate_up_proj, leaves.gate_up_bias);
        let halves = gate_up.chunk(2, -1);
        self.linear(&(self.config.activation.apply(&halves[0]) * &halves[1]), leaves.down_proj, leaves.down_bias)
    }

    /// One transformer layer; `attend` maps rotated (q, k, v), each `[N, heads, d]`, to `[N, H·d]`.
    pub fn layer(
        &self,
        leaves: &LayerLeaves,
        x_nd: Tensor,
        rotary: &Rotary,
        attend: impl FnOnce(Qkv) -> Tensor,
    ) -> Tensor {
        let qkv = self.project_qkv(leaves, &self.normalise(&x_nd, leaves.input_layernorm), rotary);
        let x_nd = x_nd + self.linear(&attend(qkv), leaves.o_proj, leaves.o_bias);
        let mlp = self.mlp(leaves, &self.normalise(&x_nd, leaves.post_attention_layernorm));
        x_nd + mlp
    }

    /// Rotary embedding and masks of a batch.
    pub fn shared(&self, batch: &SharedPromptBatch) -> LayerInputs {
        LayerInputs {
            rotary: self.rotary(&batch.positions_n, batch.positions),
            masks: SharedPromptMasks::new(batch, self.config.windows.size()),
        }
    }

    /// One layer over all rows of the batch, `[N, D]`.
    pub fn batch_layer(&self, index: usize, x_nd: Tensor, inputs: &LayerInputs, batch: &SharedPromptBatch) -> Tensor {
        let (leaves, window) = (&self.parameters.leaves.layers[index], self.config.windows.of(index));
        let attend = |qkv| shared_prompt_attention(batch, &inputs.masks, window, qkv);
        self.layer(leaves, x_nd, &inputs.rotary, attend)
    }

    /// Rows of the embedding table, `[N, D]`.
    pub fn embed(&self, ids_n: &Tensor) -> Tensor {
        Tensor::embedding(&self.weight(self.parameters.leaves.embed_tokens), ids_n, -1, false, false)
    }

    /// Final hidden states of the completion rows, `[B·Tc, D]`.
    pub fn completion_states(&self, batch: &SharedPromptBatch) -> Tensor {
        let inputs = self.shared(batch);
        let mut x_nd = self.embed(&batch.ids_n);
        for layer in 0..self.layers() {
            x_nd = self.batch_layer(layer, x_nd, &inputs, batch);
        }
        self.completion_norm(&x_nd, batch)
    }

    /// The final norm over the completion rows, `[B·Tc, D]`.
    pub fn completion_norm(&self, x_nd: &Tensor, batch: &SharedPromptBatch) -> Tensor {
        let prompt_rows = batch.prompts * batch.prompt_length;
        self.normalise(&x_nd.narrow(0, prompt_rows, x_nd.size()[0] - prompt_rows), self.parameters.leaves.norm)
    }

    /// Logits in fp32, `[rows, V]`.
    pub fn logits(&self, states_nd: &Tensor) -> Tensor {
        self.linear(states_nd, self.parameters.leaves.lm_head, None).to_kind(Kind::Float)
    }
}
