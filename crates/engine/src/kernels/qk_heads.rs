//! Query and key heads between their projection and attention: RMSNorm, rotary embedding, KV cache.

use super::packed_weights::PackedLayer;
use super::segment::Segment;
use crate::model::config::DecoderConfig;
use crate::model::rotary::RotaryTable;
use crate::simd::math::{rotate, sum};

/// Normalises query and key heads in families with `qk_norm`, then rotates them.
#[inline(always)]
pub fn prepare_heads(
    config: &DecoderConfig,
    rotary: &RotaryTable,
    layer: &PackedLayer,
    segments: &[Segment],
    qkv: &mut [f32],
) {
    let half = config.head_dim / 2;
    let positions = segments.iter().flat_map(|segment| segment.start()..segment.start() + segment.tokens.len());
    for (row, position) in qkv.chunks_exact_mut(config.qkv_rows()).zip(positions) {
        let (cos, sin) = (&rotary.cos[position * half..][..half], &rotary.sin[position * half..][..half]);
        let rotated = row.chunks_exact_mut(config.head_dim).take(config.heads + config.kv_heads);
        for (head, values) in rotated.enumerate() {
            if let Some((query, key)) = &layer.qk_norm {
                normalise_head(values, if head < config.heads { query } else { key }, config);
            }
            rotate(values, cos, sin);
        }
    }
}

#[inline(always)]
fn normalise_head(values: &mut [f32], weight: &[f32], config: &DecoderConfig) {
    let mean = sum(values, |value| value * value) / values.len() as f32;
    let scale = 1.0 / (mean + config.rms_norm_eps as f32).sqrt();
    values.iter_mut().zip(weight).for_each(|(value, weight)| *value *= scale * weight);
}

/// Appends the segments' keys and values to their caches.
#[inline(always)]
pub fn store_keys_and_values(config: &DecoderConfig, layer: usize, segments: &mut [Segment], qkv: &[f32]) {
    let (dim, keys, values) = (config.head_dim, config.attention_width(), config.attention_width() + config.kv_width());
    let mut rows = qkv.chunks_exact(config.qkv_rows());
    for segment in segments {
        let start = segment.cache.length;
        for (offset, row) in rows.by_ref().take(segment.tokens.len()).enumerate() {
            for head in 0..config.kv_heads {
                let (key, value) = (&row[keys + head * dim..][..dim], &row[values + head * dim..][..dim]);
                segment.cache.write(layer, head, start + offset, key, value);
            }
        }
    }
}
