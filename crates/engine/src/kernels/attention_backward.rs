//! The gradient of attention, row by row and head by head.

use super::attention::{first_visible, scaled_products, softmax};
use super::gradients;
use super::prompt_group::Pass;
use super::training_weights::TrainingWeights;
use crate::simd::isa::Isa;
use crate::simd::math::LANES;

/// The pass whose attention is differentiated, at one layer.
pub struct AttentionInputs<'a> {
    pub layer: usize,
    pub pass: &'a Pass,
    /// The pass of the shared prompt; None when `pass` is the prompt itself.
    pub prompt: Option<&'a Pass>,
}

/// Adds d(loss)/d(q, k, v) to `d_qkv` and that of the prompt's keys and values to `prompt_kv`.
///
/// With p = softmax(attn_weights) and dp_t = dO · v_t: ds_t = p_t (dp_t − dO · O), dq = Σ ds_t k_t / √d, dk_t = ds_t q / √d,
/// dv_t = p_t dO.
#[inline(always)]
pub fn backward_attention<I: Isa>(
    weights: &TrainingWeights,
    from: &AttentionInputs,
    d_attended: &[f32],
    d_qkv: &mut [f32],
    prompt_kv: &mut [f32],
) {
    let config = &weights.decoder.config;
    let (dim, stride, width) = (config.head_dim, config.qkv_rows(), config.attention_width());
    let (share, kv_width) = (config.heads / config.kv_heads, config.kv_width());
    let activations = &from.pass.activations.layers[from.layer];
    let prefix = from.prompt.map(|prompt| (&prompt.caches[0], &prompt.activations.layers[from.layer].qkv));
    let before = prefix.map_or(0, |(cache, _)| cache.length);
    let window = config.windows.of(from.layer);
    let longest = before + from.pass.tokens.iter().map(Vec::len).max().unwrap_or(0);
    let mut attn_weights = vec![0f32; longest + 4 * LANES];
    let mut d_query = vec![0f32; dim];
    let mut first = 0;
    for (tokens, cache) in from.pass.tokens.iter().zip(&from.pass.caches) {
        for (length, row) in (1..).zip(first..first + tokens.len()) {
            let visible = first_visible(window, before + length);
            let (first_in_prefix, first_in_completion) = (visible.min(before), visible.saturating_sub(before));
            for head in 0..config.heads {
                let kv_head = head / share;
                let query = &activations.qkv[row * stride + head * dim..][..dim];
                let offset = row * width + head * dim;
                let (d_out, out) = (&d_attended[offset..offset + dim], &activations.attended[offset..offset + dim]);
                if let Some((cache, _)) = prefix {
                    let keys = cache.head(from.layer, kv_head).0;
                    scaled_products::<I, 1>(keys, cache.capacity, query, first_in_prefix..before, &mut attn_weights, 0);
                }
                let keys = cache.head(from.layer, kv_head).0;
                scaled_products::<I, 1>(
                    keys,
                    cache.capacity,
                    query,
                    first_in_completion..length,
                    &mut attn_weights[before..],
                    0,
                );
                softmax(&mut attn_weights[visible..before + length]);
                let (of_prefix, of_completion) = attn_weights[..before + length].split_at(before);
                let head_of = HeadGradient { query, d_out, delta: gradients::dot::<I>(d_out, out), kv_width };
                d_query.fill(0.0);
                if let Some((_, rows)) = prefix {
                    let keys = KeyRows { rows, start: width + kv_head * dim, stride };
                    let target = &mut prompt_kv[kv_head * dim..];
                    head_of.add::<I>(of_prefix, first_in_prefix, &keys, target, 2 * kv_width, &mut d_query);
                }
                let start = first * stride + width + kv_head * dim;
                let keys = KeyRows { rows: &activations.qkv, start, stride };
                head_of.add::<I>(of_completion, first_in_completion, &keys, &mut d_qkv[start..], stride, &mut d_query);
                gradients::add_scaled(&mut d_qkv[row * stride + head * dim..][..dim], 1.0, &d_query);
            }
        }
        first += tokens.len();
    }
}

/// Keys of consecutive positions, `stride` apart; each value lies one key width after its key.
struct KeyRows<'a> {
    rows: &'a [f32],
    start: usize,
    stride: usize,
}

/// One query head at one row.
struct HeadGradient<'a> {
    query: &'a [f32],
    d_out: &'a [f32],
    /// dO · O
    delta: f32,
    kv_width: usize,
}

impl HeadGradient<'_> {
    /// Adds the gradients of the positions from `first` on: of keys and values to `target`, of the query to `d_query`.
    /// `weights` are the softmax weights of all positions.
    #[inline(always)]
    fn add<I: Isa>(
        &self,
        weights: &[f32],
        first: usize,
        keys: &KeyRows,
        target: &mut [f32],
        target_stride: usize,
        d_query: &mut [f32],
    ) {
        let dim = self.query.len();
        let scale = 1.0 / (dim as f32).sqrt();
        for (position, &weight) in weights.iter().enumerate().skip(first) {
            let source = keys.start + position * keys.stride;
            let (key, value) = (&keys.rows[source..][..dim], &keys.rows[source + self.kv_width..][..dim]);
            let d_product = weight * (gradients::dot::<I>(self.d_out, value) - self.delta) * scale;
            gradients::add_scaled(d_query, d_product, key);
            let target = &mut target[position * target_stride..];
            gradients::add_scaled(&mut target[..dim], d_product, self.query);
            gradients::add_scaled(&mut target[self.kv_width..][..dim], weight, self.d_out);
        }
    }
}
