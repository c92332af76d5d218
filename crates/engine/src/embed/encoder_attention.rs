//! Bidirectional self-attention of one text on the kernels, full or within a sliding window.

use crate::kernels::attention::softmax;
use crate::simd::isa::Isa;
use std::ops::Range;

/// Query rows computed together: keys and values are loaded once for all of them.
const ROWS: usize = 4;
/// The widest vector of any instruction set.
const WIDEST: usize = 16;

/// Buffers of one head.
#[derive(Default)]
pub struct AttentionWorkspace {
    /// Transposed keys, `[d, capacity]`.
    keys: Vec<f32>,
    /// Values, `[tokens, d rounded up]`.
    values: Vec<f32>,
    attn_weights: Vec<f32>,
}

/// Sizes of one text's attention.
struct AttentionShape {
    tokens: usize,
    width: usize,
    dim: usize,
    /// The tokens plus two vectors, so that loads need no tail.
    capacity: usize,
    value_width: usize,
    window: Option<usize>,
}

/// One text's rows `[q | k | v]`, each of width heads · d.
pub struct AttentionInput<'a> {
    pub qkv: &'a [f32],
    pub tokens: usize,
    pub heads: usize,
    /// A token attends to tokens at most this far away.
    pub window: Option<usize>,
}

/// softmax(q kᵀ / √d) v of every head, to `out` `[tokens, heads · d]`.
#[inline(always)]
pub fn attend<I: Isa>(input: &AttentionInput, workspace: &mut AttentionWorkspace, out: &mut [f32]) {
    if input.tokens == 0 {
        return;
    }
    let width = out.len() / input.tokens;
    let dim = width / input.heads;
    let shape = AttentionShape {
        tokens: input.tokens,
        width,
        dim,
        capacity: input.tokens + 2 * WIDEST,
        value_width: dim.next_multiple_of(WIDEST),
        window: input.window,
    };
    workspace.keys.clear();
    workspace.keys.resize(dim * shape.capacity, 0.0);
    workspace.values.clear();
    workspace.values.resize(input.tokens * shape.value_width, 0.0);
    workspace.attn_weights.resize(ROWS * shape.capacity, 0.0);
    for head in 0..input.heads {
        gather(&shape, input.qkv, head, workspace);
        let mut row = 0;
        while row < input.tokens {
            // Groups of rows start at fixed positions of the text, so a row's numbers depend on the text alone.
            if input.tokens - row >= ROWS {
                attend_rows::<I, ROWS>(&shape, input.qkv, head, row, workspace, out);
                row += ROWS;
            } else {
                attend_rows::<I, 1>(&shape, input.qkv, head, row, workspace, out);
                row += 1;
            }
        }
    }
}

/// Copies keys and values of one head into the layout of the loops.
#[inline(always)]
fn gather(shape: &AttentionShape, qkv: &[f32], head: usize, workspace: &mut AttentionWorkspace) {
    for (token, row) in qkv.chunks_exact(3 * shape.width).enumerate() {
        let part = |index: usize| &row[index * shape.width + head * shape.dim..][..shape.dim];
        for (index, &number) in part(1).iter().enumerate() {
            workspace.keys[index * shape.capacity + token] = number;
        }
        workspace.values[token * shape.value_width..][..shape.dim].copy_from_slice(part(2));
    }
}

/// Q query rows of one head.
#[inline(always)]
fn attend_rows<I: Isa, const Q: usize>(
    shape: &AttentionShape,
    qkv: &[f32],
    head: usize,
    row: usize,
    workspace: &mut AttentionWorkspace,
    out: &mut [f32],
) {
    let visible = |row: usize| match shape.window {
        None => 0..shape.tokens,
        Some(window) => row.saturating_sub(window)..(row + window + 1).min(shape.tokens),
    };
    let all = visible(row).start..visible(row + Q - 1).end;
    let queries: [&[f32]; Q] =
        std::array::from_fn(|index| &qkv[(row + index) * 3 * shape.width + head * shape.dim..][..shape.dim]);
    scaled_products::<I, Q>(shape, &workspace.keys, &queries, &all, &mut workspace.attn_weights);
    for (index, attn_weights) in workspace.attn_weights.chunks_exact_mut(shape.capacity).take(Q).enumerate() {
        let keys = visible(row + index);
        let (from, to) = (keys.start - all.start, keys.end - all.start);
        softmax(&mut attn_weights[from..to]);
        attn_weights[..from].fill(0.0);
        attn_weights[to..all.len()].fill(0.0);
    }
    for start in (0..shape.dim).step_by(I::LANES) {
        let mixed = mix::<I, Q>(shape, &workspace.values, &workspace.attn_weights, &all, start);
        let end = (start + I::LANES).min(shape.dim);
        for (index, values) in mixed.iter().enumerate() {
            let place = (row + index) * shape.width + head * shape.dim;
            out[place + start..place + end].copy_from_slice(&values[..end - start]);
        }
    }
}

/// q kᵀ / √d of Q queries with the keys in `range`, in rows `capacity` apart; two vectors of keys at a time.
#[inline(always)]
fn scaled_products<I: Isa, const Q: usize>(
    shape: &AttentionShape,
    keys: &[f32],
    queries: &[&[f32]; Q],
    range: &Range<usize>,
    attn_weights: &mut [f32],
) {
    let scale = 1.0 / (shape.dim as f32).sqrt();
    let block = 2 * I::LANES;
    assert!(keys.len() == shape.dim * shape.capacity && attn_weights.len() >= Q * shape.capacity);
    assert!(range.start + range.len().next_multiple_of(block) <= shape.capacity);
    // SAFETY: reads stay below `capacity` in each of the `dim` rows, writes below `capacity` of each query's attn_weights.
    unsafe {
        for start in (0..range.len()).step_by(block) {
            let mut sums = [[I::splat(0.0); 2]; Q];
            for index in 0..shape.dim {
                let key = keys.as_ptr().add(index * shape.capacity + range.start + start);
                let (first, second) = (I::load(key), I::load(key.add(I::LANES)));
                for (query, sum) in queries.iter().zip(&mut sums) {
                    let value = I::splat(query.get_unchecked(index) * scale);
                    sum[0] = I::fma(value, first, sum[0]);
                    sum[1] = I::fma(value, second, sum[1]);
                }
            }
            for (query, sum) in sums.iter().enumerate() {
                let target = attn_weights.as_mut_ptr().add(query * shape.capacity + start);
                I::store(target, sum[0]);
                I::store(target.add(I::LANES), sum[1]);
            }
        }
    }
}

/// Σ_t weights[t] · values[t] over `range` for entries `start..` of a head. Even and odd positions have separate sums.
#[inline(always)]
fn mix<I: Isa, const Q: usize>(
    shape: &AttentionShape,
    values: &[f32],
    weights: &[f32],
    range: &Range<usize>,
    start: usize,
) -> [[f32; WIDEST]; Q] {
    let mut mixed = [[0f32; WIDEST]; Q];
    assert!(values.len() >= range.end * shape.value_width && weights.len() >= (Q - 1) * shape.capacity + range.len());
    assert!(start + I::LANES <= shape.value_width && I::LANES <= WIDEST);
    // SAFETY: rows end below `range.end`, entries below `value_width`; see the asserts.
    unsafe {
        let mut sums = [[I::splat(0.0); 2]; Q];
        for (place, token) in range.clone().enumerate() {
            let row = I::load(values.as_ptr().add(token * shape.value_width + start));
            for (query, sum) in sums.iter_mut().enumerate() {
                let weight = I::splat(*weights.get_unchecked(query * shape.capacity + place));
                // Alternating by exchange keeps both sums in registers.
                *sum = [sum[1], I::fma(weight, row, sum[0])];
            }
        }
        for (out, sum) in mixed.iter_mut().zip(sums) {
            I::store(out.as_mut_ptr(), I::fma(I::splat(1.0), sum[0], sum[1]));
        }
    }
    mixed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::isa::Instructions;
    use crate::with_instructions;

    #[inline(always)]
    fn run<I: Isa>(input: &AttentionInput, workspace: &mut AttentionWorkspace, out: &mut [f32]) {
        attend::<I>(input, workspace, out);
    }

    fn plain(input: &AttentionInput, dim: usize) -> Vec<f32> {
        let width = input.heads * dim;
        let at =
            |token: usize, part: usize, index: usize| f64::from(input.qkv[token * 3 * width + part * width + index]);
        let mut out = vec![0f32; input.tokens * width];
        for (head, row) in (0..input.heads).flat_map(|head| (0..input.tokens).map(move |row| (head, row))) {
            let visible: Vec<usize> =
                (0..input.tokens).filter(|key| input.window.is_none_or(|window| key.abs_diff(row) <= window)).collect();
            let index = |entry: usize| head * dim + entry;
            let product =
                |key: usize| (0..dim).map(|entry| at(row, 0, index(entry)) * at(key, 1, index(entry))).sum::<f64>();
            let weights: Vec<f64> = visible.iter().map(|&key| (product(key) / (dim as f64).sqrt()).exp()).collect();
            let total: f64 = weights.iter().sum();
            for entry in 0..dim {
                let mixed: f64 =
                    visible.iter().zip(&weights).map(|(&key, weight)| weight * at(key, 2, index(entry))).sum();
                out[row * width + index(entry)] = (mixed / total) as f32;
            }
        }
        out
    }

    #[test]
    fn equals_the_plain_formula_with_and_without_a_window() {
        for (tokens, dim, window) in
            [(1, 8, None), (7, 8, Some(2)), (33, 20, Some(5)), (50, 32, None), (70, 64, Some(0))]
        {
            let qkv: Vec<f32> =
                (0..tokens * 3 * 2 * dim).map(|index| ((index * 7919 % 1009) as f32 / 504.5) - 1.0).collect();
            let input = &AttentionInput { qkv: &qkv, tokens, heads: 2, window };
            for instructions in [Instructions::Portable, Instructions::detect()] {
                let mut attended = vec![0f32; tokens * 2 * dim];
                let (workspace, out) = (&mut AttentionWorkspace::default(), attended.as_mut_slice());
                with_instructions!(instructions, fn run<I>(input: &AttentionInput, workspace: &mut AttentionWorkspace, out: &mut [f32]));
                let gap = attended.iter().zip(plain(input, dim)).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
                assert!(gap < 1e-5, "{tokens} tokens, d {dim}, window {window:?}: {gap}");
            }
        }
    }
}
