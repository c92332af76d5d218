//! Linear layers with packed weights.
//!
//! M rows · C input width · N output width.

use crate::simd::isa::{Instructions, Isa};
use std::ops::Range;

/// A weight `[N, C]` as panels of two vectors of outputs: panel p holds, for each input c, outputs `p·w..(p+1)·w`.
pub struct PackedLinear {
    pub inputs: usize,
    pub outputs: usize,
    width: usize,
    panels: Aligned,
}

/// Bytes of a cache line.
const LINE: usize = 64;

/// Numbers that start on a cache line, so that each vector is loaded from one line instead of two.
struct Aligned {
    numbers: Vec<f32>,
    range: Range<usize>,
}

impl Aligned {
    fn zeros(count: usize) -> Self {
        let numbers = vec![0.0f32; count + LINE / size_of::<f32>() - 1];
        let start = numbers.as_ptr().align_offset(LINE);
        Self { numbers, range: start..start + count }
    }

    fn get(&self) -> &[f32] {
        &self.numbers[self.range.clone()]
    }

    fn get_mut(&mut self) -> &mut [f32] {
        &mut self.numbers[self.range.clone()]
    }
}

impl PackedLinear {
    /// Packs a row-major `[outputs, inputs]` weight.
    pub fn pack(weight: &[f32], outputs: usize, inputs: usize, instructions: Instructions) -> Self {
        let width = instructions.panel_width();
        let mut panels = Aligned::zeros(outputs.div_ceil(width) * width * inputs);
        for (panel, rows) in panels.get_mut().chunks_exact_mut(width * inputs).zip(weight.chunks(width * inputs)) {
            for (column, row) in rows.chunks_exact(inputs).enumerate() {
                for (input, &value) in row.iter().enumerate() {
                    panel[input * width + column] = value;
                }
            }
        }
        Self { inputs, outputs, width, panels }
    }

    /// Packs the transpose of a row-major `[outputs, inputs]` weight: it maps gradients of outputs to those of inputs.
    pub fn pack_transposed(weight: &[f32], outputs: usize, inputs: usize, instructions: Instructions) -> Self {
        let width = instructions.panel_width();
        let mut panels = Aligned::zeros(inputs.div_ceil(width) * width * outputs);
        for (index, panel) in panels.get_mut().chunks_exact_mut(width * outputs).enumerate() {
            let columns = (inputs - index * width).min(width);
            for (slot, row) in panel.chunks_exact_mut(width).zip(weight.chunks_exact(inputs)) {
                slot[..columns].copy_from_slice(&row[index * width..][..columns]);
            }
        }
        Self { inputs: outputs, outputs: inputs, width, panels }
    }

    /// `out = x · Wᵀ` or, with `add`, `out += x · Wᵀ`, for row-major x `[M, C]` and out `[M, N]`.
    #[inline(always)]
    pub fn apply<I: Isa>(&self, x: &[f32], out: &mut [f32], add: bool) {
        let rows = x.len() / self.inputs;
        assert!(x.len() == rows * self.inputs && out.len() == rows * self.outputs && self.width == 2 * I::LANES);
        for (index, panel) in self.panels.get().chunks_exact(self.width * self.inputs).enumerate() {
            let mut row = 0;
            while row < rows {
                let count = (rows - row).min(I::ROWS);
                let input = &x[row * self.inputs..(row + count) * self.inputs];
                let tile = Tile { panel, column: index * self.width, row, add };
                match count {
                    8 => self.tile::<I, 8>(input, out, &tile),
                    7 => self.tile::<I, 7>(input, out, &tile),
                    6 => self.tile::<I, 6>(input, out, &tile),
                    5 => self.tile::<I, 5>(input, out, &tile),
                    4 => self.tile::<I, 4>(input, out, &tile),
                    3 => self.tile::<I, 3>(input, out, &tile),
                    2 => self.tile::<I, 2>(input, out, &tile),
                    _ => self.tile::<I, 1>(input, out, &tile),
                }
                row += count;
            }
        }
    }

    /// M rows of one panel. Each output sums its inputs in the same order for every M: this is the batch invariance.
    #[inline(always)]
    fn tile<I: Isa, const M: usize>(&self, x: &[f32], out: &mut [f32], tile: &Tile) {
        assert!(x.len() == M * self.inputs && tile.panel.len() == self.width * self.inputs);
        // SAFETY: the lengths are asserted above, and `I` was chosen by `Instructions::detect`.
        unsafe {
            let mut sums = [[I::splat(0.0); 2]; M];
            for input in 0..self.inputs {
                let weights = tile.panel.as_ptr().add(input * self.width);
                let (first, second) = (I::load(weights), I::load(weights.add(I::LANES)));
                for (row, sum) in sums.iter_mut().enumerate() {
                    let value = I::splat(*x.as_ptr().add(row * self.inputs + input));
                    sum[0] = I::fma(value, first, sum[0]);
                    sum[1] = I::fma(value, second, sum[1]);
                }
            }
            for (row, sum) in sums.iter().enumerate() {
                self.write::<I>(sum, out, tile.row + row, tile);
            }
        }
    }

    #[inline(always)]
    unsafe fn write<I: Isa>(&self, sum: &[I::Vector; 2], out: &mut [f32], row: usize, tile: &Tile) {
        let width = self.width.min(self.outputs - tile.column);
        let start = row * self.outputs + tile.column;
        let target = &mut out[start..start + width];
        if width == self.width {
            for (half, &sum) in sum.iter().enumerate() {
                let place = target.as_mut_ptr().add(half * I::LANES);
                let sum = if tile.add { I::fma(I::splat(1.0), I::load(place), sum) } else { sum };
                I::store(place, sum);
            }
            return;
        }
        let mut values = [0f32; 32];
        I::store(values.as_mut_ptr(), sum[0]);
        I::store(values.as_mut_ptr().add(I::LANES), sum[1]);
        for (slot, value) in target.iter_mut().zip(values) {
            *slot = if tile.add { *slot + value } else { value };
        }
    }
}

/// The outputs of one panel: its first column and row, and whether to add to them.
struct Tile<'a> {
    panel: &'a [f32],
    column: usize,
    row: usize,
    add: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::with_instructions;

    #[inline(always)]
    fn apply<I: Isa>(linear: &PackedLinear, x: &[f32], out: &mut [f32]) {
        linear.apply::<I>(x, out, false);
    }

    fn run(instructions: Instructions, weight: &[f32], outputs: usize, inputs: usize, x: &[f32]) -> Vec<f32> {
        let linear = &PackedLinear::pack(weight, outputs, inputs, instructions);
        let mut result = vec![0.0; x.len() / inputs * outputs];
        let out = result.as_mut_slice();
        with_instructions!(instructions, fn apply<I>(linear: &PackedLinear, x: &[f32], out: &mut [f32]));
        result
    }

    fn numbers(count: usize) -> Vec<f32> {
        (0..count).map(|index| ((index * 7919 % 1009) as f32 / 1009.0 - 0.5) * 2.0).collect()
    }

    #[test]
    fn every_row_count_gives_the_same_row_and_the_plain_product() {
        let (outputs, inputs) = (133, 48);
        let weight = numbers(outputs * inputs);
        let x = numbers(19 * inputs);
        for instructions in [Instructions::Portable, Instructions::detect()] {
            let all = run(instructions, &weight, outputs, inputs, &x);
            for row in 0..19 {
                let alone = run(instructions, &weight, outputs, inputs, &x[row * inputs..(row + 1) * inputs]);
                assert_eq!(alone, all[row * outputs..(row + 1) * outputs]);
                for (column, value) in alone.iter().enumerate() {
                    let pairs = x[row * inputs..].iter().zip(&weight[column * inputs..(column + 1) * inputs]);
                    let plain: f64 = pairs.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                    assert!((plain - f64::from(*value)).abs() < 1e-5, "{plain} {value}");
                }
            }
        }
    }
}
