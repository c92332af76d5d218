//! Self-attention of a row over a shared prompt (the prefix) and the earlier tokens of its completion.

use super::kv_cache::VALUE_LANES;
use super::segment::{Segment, MAX_QUERIES};
use crate::model::config::DecoderConfig;
use crate::simd::isa::Isa;
use crate::simd::math::{exp, max, sum};
use std::ops::Range;

/// Attention of every row of the segments at one layer: `qkv` `[R, qkv rows]` to `attended` `[R, H·d]`.
/// `attn_weights` is scratch space for `MAX_QUERIES` heads.
#[inline(always)]
pub fn attend<I: Isa>(
    config: &DecoderConfig,
    layer: usize,
    segments: &[Segment],
    qkv: &[f32],
    attn_weights: &mut [f32],
    attended: &mut [f32],
) {
    let share = config.heads / config.kv_heads;
    let (width, dim) = (config.attention_width(), config.head_dim);
    let queries = qkv.chunks_exact(config.qkv_rows());
    let outputs = attended.chunks_exact_mut(width);
    let window = config.windows.of(layer);
    let lengths = segments
        .iter()
        .flat_map(|segment| (1..=segment.tokens.len()).map(move |offset| (segment, segment.cache.length + offset)));
    for ((query, out), (segment, length)) in queries.zip(outputs).zip(lengths) {
        let mut head = 0;
        while head < config.heads {
            let first = first_visible(window, segment.prefix_length() + length);
            let at = QueryPosition { layer, head: head / share, length, first };
            // Query heads that share a key head are computed together: their keys and values are loaded once.
            let remaining = share - head % share;
            let together = if remaining >= 4 { 4 } else { remaining.min(2) };
            let range = head * dim..(head + together) * dim;
            let (query, out) = (&query[range.clone()], &mut out[range]);
            match together {
                4 => attend_heads::<I, 4>(segment, &at, query, attn_weights, out),
                2 => attend_heads::<I, 2>(segment, &at, query, attn_weights, out),
                _ => attend_heads::<I, 1>(segment, &at, query, attn_weights, out),
            }
            head += together;
        }
    }
}

/// One query position at one layer and key head.
struct QueryPosition {
    layer: usize,
    /// Key head.
    head: usize,
    /// Visible positions of the completion.
    length: usize,
    /// Positions before this one lie outside the layer's sliding window.
    first: usize,
}

/// The first of `total` positions that the last one attends to under a sliding window.
#[inline(always)]
pub fn first_visible(window: Option<usize>, total: usize) -> usize {
    window.map_or(0, |window| total.saturating_sub(window))
}

/// softmax(q · kᵀ / √d) · v over the prefix and then the completion's positions, for Q query heads of one key head.
/// A head's numbers do not depend on Q.
#[inline(always)]
fn attend_heads<I: Isa, const Q: usize>(
    segment: &Segment,
    at: &QueryPosition,
    query: &[f32],
    attn_weights: &mut [f32],
    out: &mut [f32],
) {
    let before = segment.prefix_length();
    let total = before + at.length;
    let stride = attn_weights.len() / MAX_QUERIES;
    let (of_prefix, of_completion) = (at.first.min(before)..before, at.first.saturating_sub(before)..at.length);
    if let Some(prefix) = segment.prefix {
        let keys = prefix.head(at.layer, at.head).0;
        scaled_products::<I, Q>(keys, prefix.capacity, query, of_prefix.clone(), attn_weights, stride);
    }
    let (keys, values) = segment.cache.head(at.layer, at.head);
    scaled_products::<I, Q>(
        keys,
        segment.cache.capacity,
        query,
        of_completion.clone(),
        &mut attn_weights[before..],
        stride,
    );
    for head in 0..Q {
        softmax(&mut attn_weights[head * stride..][at.first..total]);
    }
    out.fill(0.0);
    if let Some(prefix) = segment.prefix {
        let values = prefix.head(at.layer, at.head).1;
        mix::<I, Q>(values, prefix.value_width(), attn_weights, stride, of_prefix, out);
    }
    mix::<I, Q>(values, segment.cache.value_width(), &attn_weights[before..], stride, of_completion, out);
}

/// q · kᵀ / √d with the transposed keys of `positions`, for each query `stride` apart. It computes two vectors of
/// positions at a time, so that multiply-adds do not wait for each other, and writes up to 31 numbers on either side of
/// `positions`.
#[inline(always)]
pub fn scaled_products<I: Isa, const Q: usize>(
    keys: &[f32],
    capacity: usize,
    query: &[f32],
    positions: Range<usize>,
    attn_weights: &mut [f32],
    stride: usize,
) {
    let dim = query.len() / Q;
    let scale = 1.0 / (dim as f32).sqrt();
    let block = 2 * I::LANES;
    let count = positions.end;
    assert!(keys.len() == dim * capacity && count.next_multiple_of(block) <= capacity);
    assert!((Q - 1) * stride + count.next_multiple_of(block) <= attn_weights.len());
    // SAFETY: reads stay below `capacity` in each of the `dim` rows and writes below `attn_weights.len()`, as asserted.
    unsafe {
        for start in (positions.start / block * block..count).step_by(block) {
            let mut sums = [[I::splat(0.0); 2]; Q];
            for index in 0..dim {
                let key = keys.as_ptr().add(index * capacity + start);
                let (first, second) = (I::load(key), I::load(key.add(I::LANES)));
                for (head, sum) in sums.iter_mut().enumerate() {
                    let value = I::splat(query.get_unchecked(head * dim + index) * scale);
                    sum[0] = I::fma(value, first, sum[0]);
                    sum[1] = I::fma(value, second, sum[1]);
                }
            }
            for (head, sum) in sums.iter().enumerate() {
                let target = attn_weights.as_mut_ptr().add(head * stride + start);
                I::store(target, sum[0]);
                I::store(target.add(I::LANES), sum[1]);
            }
        }
    }
}

/// In place; the largest entry is subtracted first.
#[inline(always)]
pub fn softmax(attn_weights: &mut [f32]) {
    let largest = max(attn_weights);
    for value in attn_weights.iter_mut() {
        *value = exp(*value - largest);
    }
    let scale = 1.0 / sum(attn_weights, |value| value);
    for value in attn_weights.iter_mut() {
        *value *= scale;
    }
}

/// out += Σ_t weights[t] · values[t] over `positions`, for each query. Even and odd positions have separate sums.
#[inline(always)]
fn mix<I: Isa, const Q: usize>(
    values: &[f32],
    width: usize,
    weights: &[f32],
    stride: usize,
    positions: Range<usize>,
    out: &mut [f32],
) {
    let dim = out.len() / Q;
    assert!(values.len() >= positions.end * width && weights.len() >= (Q - 1) * stride + positions.end);
    for start in (0..dim).step_by(I::LANES) {
        let mut parts = [[0f32; VALUE_LANES]; Q];
        // SAFETY: `width` is `dim` rounded up to whole vectors, so a row is readable from any `start`; see the assert.
        unsafe {
            let mut sums = [[I::splat(0.0); 2]; Q];
            for position in positions.clone() {
                let row = I::load(values.as_ptr().add(position * width + start));
                for (head, sum) in sums.iter_mut().enumerate() {
                    let weight = I::splat(*weights.get_unchecked(head * stride + position));
                    // Alternating by exchange keeps both sums in registers.
                    *sum = [sum[1], I::fma(weight, row, sum[0])];
                }
            }
            for (part, sum) in parts.iter_mut().zip(sums) {
                I::store(part.as_mut_ptr(), I::fma(I::splat(1.0), sum[0], sum[1]));
            }
        }
        for (head, part) in parts.iter().enumerate() {
            let end = (start + I::LANES).min(dim);
            out[head * dim + start..head * dim + end].iter_mut().zip(part).for_each(|(slot, value)| *slot += value);
        }
    }
}
