//! A linear layer on the kernels.

use crate::kernels::linear::PackedLinear;
use crate::simd::isa::{Instructions, Isa};
use crate::with_instructions;

/// x Wᵀ + b with W packed.
pub struct KernelLinear {
    packed: PackedLinear,
    bias: Option<Vec<f32>>,
    instructions: Instructions,
}

impl KernelLinear {
    /// Packs a row-major `[outputs, inputs]` weight.
    pub fn pack(
        weight: &[f32],
        bias: Option<Vec<f32>>,
        outputs: usize,
        inputs: usize,
        instructions: Instructions,
    ) -> Self {
        Self { packed: PackedLinear::pack(weight, outputs, inputs, instructions), bias, instructions }
    }

    pub fn outputs(&self) -> usize {
        self.packed.outputs
    }

    /// x Wᵀ + b `[rows, outputs]` for rows `x` `[rows, inputs]`.
    pub fn product(&self, x: &[f32]) -> Vec<f32> {
        let mut result = vec![0.0; x.len() / self.packed.inputs * self.packed.outputs];
        let (linear, out) = (self, result.as_mut_slice());
        with_instructions!(self.instructions, fn apply_linear<I>(linear: &KernelLinear, x: &[f32], out: &mut [f32]));
        result
    }

    /// `out = x Wᵀ + b` or, with `add`, `out += x Wᵀ + b`.
    #[inline(always)]
    pub fn apply<I: Isa>(&self, x: &[f32], out: &mut [f32], add: bool) {
        self.packed.apply::<I>(x, out, add);
        let Some(bias) = &self.bias else { return };
        for row in out.chunks_exact_mut(self.packed.outputs) {
            for (value, bias) in row.iter_mut().zip(bias) {
                *value += bias;
            }
        }
    }
}

#[inline(always)]
fn apply_linear<I: Isa>(linear: &KernelLinear, x: &[f32], out: &mut [f32]) {
    linear.apply::<I>(x, out, false);
}
