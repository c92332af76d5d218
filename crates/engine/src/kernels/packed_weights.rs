//! The decoder's weights packed for the kernels, one field a weight of the Hugging Face layer.

use super::linear::PackedLinear;
use crate::model::layout::{LayerLeaves, Layout};
use crate::simd::isa::Instructions;

/// Weights of one layer. `qkv_proj` and `gate_up_proj` stack the projections that read the same input.
pub struct PackedLayer {
    pub input_layernorm: Vec<f32>,
    pub qkv_proj: PackedLinear,
    pub qkv_bias: Option<Vec<f32>>,
    /// (q_norm, k_norm).
    pub qk_norm: Option<(Vec<f32>, Vec<f32>)>,
    pub o_proj: PackedLinear,
    pub o_bias: Option<Vec<f32>>,
    pub post_attention_layernorm: Vec<f32>,
    pub gate_up_proj: PackedLinear,
    pub gate_up_bias: Option<Vec<f32>>,
    pub down_proj: PackedLinear,
    pub down_bias: Option<Vec<f32>>,
}

/// The flat parameters with their layout.
pub struct FlatWeights<'a> {
    pub flat: &'a [f32],
    pub layout: &'a Layout,
    pub instructions: Instructions,
}

impl FlatWeights<'_> {
    pub fn vector(&self, leaf: usize) -> Vec<f32> {
        let leaf = &self.layout.leaves[leaf];
        self.flat[leaf.offset..leaf.offset + leaf.shape.iter().product::<i64>() as usize].to_vec()
    }

    pub fn linear(&self, leaf: usize) -> PackedLinear {
        let leaf = &self.layout.leaves[leaf];
        let (outputs, inputs) = (leaf.shape[0] as usize, leaf.shape[1] as usize);
        let weight = &self.flat[leaf.offset..leaf.offset + outputs * inputs];
        PackedLinear::pack(weight, outputs, inputs, self.instructions)
    }
}

impl PackedLayer {
    pub fn pack(weights: &FlatWeights, leaves: &LayerLeaves) -> Self {
        let bias = |leaf: Option<usize>| leaf.map(|leaf| weights.vector(leaf));
        Self {
            input_layernorm: weights.vector(leaves.input_layernorm),
            qkv_proj: weights.linear(leaves.qkv_proj),
            qkv_bias: bias(leaves.qkv_bias),
            qk_norm: leaves.qk_norm.map(|(query, key)| (weights.vector(query), weights.vector(key))),
            o_proj: weights.linear(leaves.o_proj),
            o_bias: bias(leaves.o_bias),
            post_attention_layernorm: weights.vector(leaves.post_attention_layernorm),
            gate_up_proj: weights.linear(leaves.gate_up_proj),
            gate_up_bias: bias(leaves.gate_up_bias),
            down_proj: weights.linear(leaves.down_proj),
            down_bias: bias(leaves.down_bias),
        }
    }
}
