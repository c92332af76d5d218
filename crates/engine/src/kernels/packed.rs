//! The decoder's weights as the kernels read them.

use super::linear::PackedLinear;
use crate::model::layout::{LayerLeaves, Layout};
use crate::simd::isa::Instructions;

pub struct Layer {
    pub attention_norm: Vec<f32>,
    pub qkv: PackedLinear,
    pub qkv_bias: Option<Vec<f32>>,
    pub qk_norm: Option<(Vec<f32>, Vec<f32>)>,
    pub output: PackedLinear,
    pub output_bias: Option<Vec<f32>>,
    pub mlp_norm: Vec<f32>,
    pub gate_up: PackedLinear,
    pub gate_up_bias: Option<Vec<f32>>,
    pub down: PackedLinear,
    pub down_bias: Option<Vec<f32>>,
}

pub struct Weights<'a> {
    pub flat: &'a [f32],
    pub layout: &'a Layout,
    pub instructions: Instructions,
}

impl Weights<'_> {
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

impl Layer {
    pub fn pack(weights: &Weights, leaves: &LayerLeaves) -> Self {
        let bias = |leaf: Option<usize>| leaf.map(|leaf| weights.vector(leaf));
        Self {
            attention_norm: weights.vector(leaves.attention_norm),
            qkv: weights.linear(leaves.qkv),
            qkv_bias: bias(leaves.qkv_bias),
            qk_norm: leaves.qk_norm.map(|(query, key)| (weights.vector(query), weights.vector(key))),
            output: weights.linear(leaves.output),
            output_bias: bias(leaves.output_bias),
            mlp_norm: weights.vector(leaves.mlp_norm),
            gate_up: weights.linear(leaves.gate_up),
            gate_up_bias: bias(leaves.gate_up_bias),
            down: weights.linear(leaves.down),
            down_bias: bias(leaves.down_bias),
        }
    }
}
