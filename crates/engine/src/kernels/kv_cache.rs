//! The KV cache of one prompt or of one completion.

use crate::model::config::DecoderConfig;

/// Capacities are multiples of this, so that vector loops over positions need no tail.
const POSITIONS: usize = 16;
/// Value vectors are padded to this width for the same reason.
pub const VALUE_LANES: usize = 16;

/// Per layer and key head: keys transposed `[d, capacity]`, values `[capacity, d padded]`.
#[derive(Debug, Clone)]
pub struct KvCache {
    pub length: usize,
    pub capacity: usize,
    value_width: usize,
    head_stride: usize,
    value_start: usize,
    kv_heads: usize,
    data: Vec<f32>,
}

impl KvCache {
    /// A zeroed cache for `capacity` positions.
    pub fn new(config: &DecoderConfig, capacity: usize) -> Self {
        // Attention reads whole pairs of vectors: one spare vector keeps the last load inside.
        let capacity = capacity.next_multiple_of(POSITIONS) + POSITIONS;
        let value_width = config.head_dim.next_multiple_of(VALUE_LANES);
        let value_start = config.head_dim * capacity;
        let head_stride = value_start + capacity * value_width;
        let data = vec![0.0; config.layers * config.kv_heads * head_stride];
        Self { length: 0, capacity, value_width, head_stride, value_start, kv_heads: config.kv_heads, data }
    }

    /// Keys `[d, capacity]` and values `[capacity, value_width]` of one head.
    #[inline(always)]
    pub fn head(&self, layer: usize, head: usize) -> (&[f32], &[f32]) {
        let start = (layer * self.kv_heads + head) * self.head_stride;
        self.data[start..start + self.head_stride].split_at(self.value_start)
    }

    /// Stores one position of a key head: key and value `[d]`.
    #[inline(always)]
    pub fn write(&mut self, layer: usize, head: usize, position: usize, key: &[f32], value: &[f32]) {
        let start = (layer * self.kv_heads + head) * self.head_stride;
        let (keys, values) = self.data[start..start + self.head_stride].split_at_mut(self.value_start);
        for (row, &number) in keys.chunks_exact_mut(self.capacity).zip(key) {
            row[position] = number;
        }
        values[position * self.value_width..][..value.len()].copy_from_slice(value);
    }

    /// d rounded up to whole vectors.
    #[inline(always)]
    pub fn value_width(&self) -> usize {
        self.value_width
    }
}
