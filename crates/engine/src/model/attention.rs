//! Attention on libtorch, over whole sequences and over a prompt that its completions share. Letters as in the decoder.

use tch::{Device, Kind, Tensor};

/// Attention of at most this many entries (queries × keys) a head is written out; larger ones use fused attention.
const EXPLICIT_ENTRIES: i64 = 1 << 14;

/// The token rows of one microbatch: prompts without their last token, then completions.
pub struct SharedPromptBatch {
    /// Token ids `[P·Tp + B·Tc]`.
    pub ids_n: Tensor,
    /// Position of each row in its sequence, `[P·Tp + B·Tc]`.
    pub positions_n: Tensor,
    /// Upper bound of every position.
    pub positions: usize,
    pub prompts: i64,
    /// Tp; 0 when every prompt is a single token.
    pub prompt_length: i64,
    pub completions: i64,
    /// Tc.
    pub completion_length: i64,
    /// The prompt of each completion, `[B]`.
    pub prompt_of_b: Tensor,
    /// Completions per prompt where all prompts have the same number, in prompt order.
    pub uniform_group: Option<i64>,
    /// Additive attention mask of completion queries, `[1 or B, 1, Tc, Tp + Tc]`.
    pub mask_b1ts: Tensor,
    /// Position of the first completion token in each row of the mask, `[1 or B]`.
    pub starts_b: Tensor,
}

/// Query `[N, H, d]`, key and value `[N, K, d]` of one layer, rotated.
pub struct Qkv {
    pub q: Tensor,
    pub k: Tensor,
    pub v: Tensor,
}

/// Masks of a microbatch's completions for layers with a sliding window; the others use the batch's own.
pub struct SharedPromptMasks {
    windowed_b1ts: Option<Tensor>,
}

impl SharedPromptMasks {
    pub fn new(batch: &SharedPromptBatch, window: Option<usize>) -> Self {
        Self { windowed_b1ts: window.map(|window| batch.windowed_mask(window as i64)) }
    }
}

/// Attention of all rows, `[N, H·d]`: prompts over themselves, completions over their prompt and themselves.
pub fn shared_prompt_attention(
    batch: &SharedPromptBatch,
    masks: &SharedPromptMasks,
    window: Option<usize>,
    qkv: Qkv,
) -> Tensor {
    let windowed = masks.windowed_b1ts.as_ref().filter(|_| window.is_some());
    let mask_b1ts = windowed.unwrap_or(&batch.mask_b1ts);
    let prompt_rows = batch.prompts * batch.prompt_length;
    let split = |x: &Tensor, from: i64, sequences: i64, length: i64| {
        let shape = [sequences, length, x.size()[1], x.size()[2]];
        x.narrow(0, from, sequences * length).view(shape).transpose(1, 2)
    };
    let completions = |x: &Tensor| split(x, prompt_rows, batch.completions, batch.completion_length);
    let (q, k, v) = (completions(&qkv.q), completions(&qkv.k), completions(&qkv.v));
    if batch.prompt_length == 0 {
        return merge_heads(&attention(&q, &k, &v, mask_b1ts));
    }
    let prompts = |x: &Tensor| split(x, 0, batch.prompts, batch.prompt_length);
    let (q_p, k_p, v_p) = (prompts(&qkv.q), prompts(&qkv.k), prompts(&qkv.v));
    let prompt_out = merge_heads(&causal_attention(&q_p, &k_p, &v_p, window));
    let keys = Tensor::cat(&[batch.per_completion(&k_p), k], 2);
    let values = Tensor::cat(&[batch.per_completion(&v_p), v], 2);
    Tensor::cat(&[prompt_out, merge_heads(&attention(&q, &keys, &values, mask_b1ts))], 0)
}

impl SharedPromptBatch {
    /// Repeats prompt keys or values `[P, K, Tp, d]` for every completion, `[B, K, Tp, d]`.
    fn per_completion(&self, x: &Tensor) -> Tensor {
        let Some(group) = self.uniform_group else { return x.index_select(0, &self.prompt_of_b) };
        let size = x.size();
        let expanded = x.unsqueeze(1).expand([size[0], group, size[1], size[2], size[3]], false);
        expanded.reshape([self.completions, size[1], size[2], size[3]])
    }

    /// The mask with −∞ also at keys more than `window` − 1 positions back. Every row attends to itself, so that no softmax
    /// is empty.
    fn windowed_mask(&self, window: i64) -> Tensor {
        let on = (Kind::Int64, self.mask_b1ts.device());
        let queries = self.starts_b.unsqueeze(1) + Tensor::arange(self.completion_length, on);
        let rows = queries.size()[0];
        let prompt = Tensor::arange(self.prompt_length, on).unsqueeze(0).expand([rows, self.prompt_length], false);
        let keys = Tensor::cat(&[prompt, queries.shallow_clone()], 1);
        let far = keys.unsqueeze(1).le_tensor(&(queries.unsqueeze(2) - window));
        self.mask_b1ts.masked_fill(&far.unsqueeze(1), f64::NEG_INFINITY)
    }
}

/// `[B, H, T, d]` to rows `[B·T, H·d]`.
pub fn merge_heads(x: &Tensor) -> Tensor {
    let size = x.size();
    x.transpose(1, 2).reshape([size[0] * size[2], size[1] * size[3]])
}

/// Softmax attention of q `[B, H, T, d]` over k, v `[B, K, S, d]` with an additive mask; H is a multiple of K.
pub fn attention(q: &Tensor, k: &Tensor, v: &Tensor, mask: &Tensor) -> Tensor {
    if q.size()[2] * k.size()[2] > EXPLICIT_ENTRIES {
        return fused_attention(q, k, v, Some(mask), false);
    }
    explicit_attention(q, k, v, mask)
}

/// Causal attention of q `[B, H, T, d]` over k, v `[B, K, T, d]`, within the sliding window if given.
pub fn causal_attention(q: &Tensor, k: &Tensor, v: &Tensor, window: Option<usize>) -> Tensor {
    let length = q.size()[2];
    if window.is_none_or(|window| window as i64 >= length) && length * length > EXPLICIT_ENTRIES {
        return fused_attention(q, k, v, None, true);
    }
    attention(q, k, v, &causal_mask(length, window, q.kind(), q.device()))
}

/// Additive mask `[length, length]`: −∞ above the diagonal and, with a window, from `window` positions below it on.
pub fn causal_mask(length: i64, window: Option<usize>, kind: Kind, device: Device) -> Tensor {
    let hidden = Tensor::full([length, length], f64::NEG_INFINITY, (kind, device));
    let later = hidden.triu(1);
    match window {
        Some(window) if (window as i64) < length => later + hidden.tril(-(window as i64)),
        _ => later,
    }
}

fn fused_attention(q: &Tensor, k: &Tensor, v: &Tensor, mask: Option<&Tensor>, causal: bool) -> Tensor {
    let grouped = q.size()[1] != k.size()[1];
    Tensor::scaled_dot_product_attention(q, k, v, mask, 0.0, causal, None::<f64>, grouped)
}

/// Query heads that share a key head become rows of one product, so that keys are not repeated.
fn explicit_attention(q: &Tensor, k: &Tensor, v: &Tensor, mask: &Tensor) -> Tensor {
    let (size, kv_heads, keys) = (q.size(), k.size()[1], k.size()[2]);
    let (batch, heads, length, dim) = (size[0], size[1], size[2], size[3]);
    let share = heads / kv_heads;
    let q = (q * (dim as f64).powf(-0.5)).reshape([batch * kv_heads, share * length, dim]);
    let flat = |x: &Tensor| x.reshape([batch * kv_heads, keys, dim]);
    let attn_weights = q.bmm(&flat(k).transpose(1, 2)).view([batch, heads, length, keys]) + mask;
    let attn_weights = attn_weights.softmax(-1, q.kind()).view([batch * kv_heads, share * length, keys]);
    attn_weights.bmm(&flat(v)).view([batch, heads, length, dim])
}
