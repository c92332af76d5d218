//! Bidirectional attention of one text over itself on the CPU kernels, whole or within a window.

use crate::kernels::attention::softmax;
use crate::simd::isa::Isa;
use std::ops::Range;

/// Query rows attended together: keys and values are loaded once for all of them.
const ROWS: usize = 4;
/// The widest vector of any instruction set.
const WIDEST: usize = 16;

#[derive(Default)]
pub struct AttentionSpace {
    /// Of one head, transposed: `[d, capacity]`.
    keys: Vec<f32>,
    /// Of one head: `[tokens, d rounded up]`.
    values: Vec<f32>,
    scores: Vec<f32>,
}

/// Sizes of one text's attention.
struct Shape {
    tokens: usize,
    width: usize,
    dim: usize,
    /// Two vectors beyond the tokens, so that loads never need a tail.
    capacity: usize,
    value_width: usize,
    window: Option<usize>,
}

/// One text's rows `[q | k | v]`, every part `[heads · d]`.
pub struct Rows<'a> {
    pub qkv: &'a [f32],
    pub tokens: usize,
    pub heads: usize,
    /// A token sees what is at most this far away.
    pub window: Option<usize>,
}

/// softmax(q kᵀ / √d) v of every head.
#[inline(always)]
pub fn attend<I: Isa>(rows: &Rows, space: &mut AttentionSpace, out: &mut [f32]) {
    if rows.tokens == 0 {
        return;
    }
    let width = out.len() / rows.tokens;
    let dim = width / rows.heads;
    let shape = Shape {
        tokens: rows.tokens,
        width,
        dim,
        capacity: rows.tokens + 2 * WIDEST,
        value_width: dim.next_multiple_of(WIDEST),
        window: rows.window,
    };
    space.keys.clear();
    space.keys.resize(dim * shape.capacity, 0.0);
    space.values.clear();
    space.values.resize(rows.tokens * shape.value_width, 0.0);
    space.scores.resize(ROWS * shape.capacity, 0.0);
    for head in 0..rows.heads {
        gather(&shape, rows.qkv, head, space);
        let mut row = 0;
        while row < rows.tokens {
            // Groups begin at fixed places of the text, so a row's numbers do not depend on anything else.
            if rows.tokens - row >= ROWS {
                attend_rows::<I, ROWS>(&shape, rows.qkv, head, row, space, out);
                row += ROWS;
            } else {
                attend_rows::<I, 1>(&shape, rows.qkv, head, row, space, out);
                row += 1;
            }
        }
    }
}

/// Keys and values of one head, laid out for the loops.
#[inline(always)]
fn gather(shape: &Shape, qkv: &[f32], head: usize, space: &mut AttentionSpace) {
    for (token, row) in qkv.chunks_exact(3 * shape.width).enumerate() {
        let part = |index: usize| &row[index * shape.width + head * shape.dim..][..shape.dim];
        for (index, &number) in part(1).iter().enumerate() {
            space.keys[index * shape.capacity + token] = number;
        }
        space.values[token * shape.value_width..][..shape.dim].copy_from_slice(part(2));
    }
}

#[inline(always)]
fn attend_rows<I: Isa, const Q: usize>(
    shape: &Shape,
    qkv: &[f32],
    head: usize,
    row: usize,
    space: &mut AttentionSpace,
    out: &mut [f32],
) {
    let seen = |row: usize| match shape.window {
        None => 0..shape.tokens,
        Some(window) => row.saturating_sub(window)..(row + window + 1).min(shape.tokens),
    };
    let all = seen(row).start..seen(row + Q - 1).end;
    let queries: [&[f32]; Q] =
        std::array::from_fn(|index| &qkv[(row + index) * 3 * shape.width + head * shape.dim..][..shape.dim]);
    score::<I, Q>(shape, &space.keys, &queries, &all, &mut space.scores);
    for (index, scores) in space.scores.chunks_exact_mut(shape.capacity).take(Q).enumerate() {
        let own = seen(row + index);
        let (from, to) = (own.start - all.start, own.end - all.start);
        softmax(&mut scores[from..to]);
        scores[..from].fill(0.0);
        scores[to..all.len()].fill(0.0);
    }
    for start in (0..shape.dim).step_by(I::LANES) {
        let mixed = mix::<I, Q>(shape, &space.values, &space.scores, &all, start);
        let end = (start + I::LANES).min(shape.dim);
        for (index, values) in mixed.iter().enumerate() {
            let place = (row + index) * shape.width + head * shape.dim;
            out[place + start..place + end].copy_from_slice(&values[..end - start]);
        }
    }
}

/// Scaled products of Q queries with the keys `range`, `capacity` apart, two vectors of keys at a time.
#[inline(always)]
fn score<I: Isa, const Q: usize>(
    shape: &Shape,
    keys: &[f32],
    queries: &[&[f32]; Q],
    range: &Range<usize>,
    scores: &mut [f32],
) {
    let scale = 1.0 / (shape.dim as f32).sqrt();
    let block = 2 * I::LANES;
    assert!(keys.len() == shape.dim * shape.capacity && scores.len() >= Q * shape.capacity);
    assert!(range.start + range.len().next_multiple_of(block) <= shape.capacity);
    // SAFETY: reads stay below `capacity` in each of the `dim` rows, writes below `capacity` of each query's scores.
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
                let target = scores.as_mut_ptr().add(query * shape.capacity + start);
                I::store(target, sum[0]);
                I::store(target.add(I::LANES), sum[1]);
            }
        }
    }
}

/// Σ_t weights[t] · values[t] over `range` for entries `start..` of a head. Even and odd places are summed apart.
#[inline(always)]
fn mix<I: Isa, const Q: usize>(
    shape: &Shape,
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
    fn run<I: Isa>(rows: &Rows, space: &mut AttentionSpace, out: &mut [f32]) {
        attend::<I>(rows, space, out);
    }

    fn plain(rows: &Rows, dim: usize) -> Vec<f32> {
        let width = rows.heads * dim;
        let at =
            |token: usize, part: usize, index: usize| f64::from(rows.qkv[token * 3 * width + part * width + index]);
        let mut out = vec![0f32; rows.tokens * width];
        for (head, row) in (0..rows.heads).flat_map(|head| (0..rows.tokens).map(move |row| (head, row))) {
            let seen: Vec<usize> =
                (0..rows.tokens).filter(|key| rows.window.is_none_or(|window| key.abs_diff(row) <= window)).collect();
            let index = |entry: usize| head * dim + entry;
            let product =
                |key: usize| (0..dim).map(|entry| at(row, 0, index(entry)) * at(key, 1, index(entry))).sum::<f64>();
            let weights: Vec<f64> = seen.iter().map(|&key| (product(key) / (dim as f64).sqrt()).exp()).collect();
            let total: f64 = weights.iter().sum();
            for entry in 0..dim {
                let mixed: f64 =
                    seen.iter().zip(&weights).map(|(&key, weight)| weight * at(key, 2, index(entry))).sum();
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
            let rows = &Rows { qkv: &qkv, tokens, heads: 2, window };
            for instructions in [Instructions::Portable, Instructions::detect()] {
                let mut found = vec![0f32; tokens * 2 * dim];
                let (space, out) = (&mut AttentionSpace::default(), found.as_mut_slice());
                with_instructions!(instructions, fn run<I>(rows: &Rows, space: &mut AttentionSpace, out: &mut [f32]));
                let gap = found.iter().zip(plain(rows, dim)).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
                assert!(gap < 1e-5, "{tokens} tokens, d {dim}, window {window:?}: {gap}");
            }
        }
    }
}
