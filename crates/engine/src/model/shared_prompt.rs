//! The rows of a microbatch whose completions share their prompts, and the heads of its tokens. Letters as in the decoder.

use tch::Tensor;

/// The token rows of one microbatch.
pub struct SharedPromptBatch {
    /// Token ids `[P·Tp + B·Tc]`.
    pub ids_n: Tensor,
    /// Position of each row in its sequence, `[P·Tp + B·Tc]`.
    pub positions_n: Tensor,
    /// Above every position.
    pub positions: usize,
    pub prompts: i64,
    /// Tp; 0 when every prompt is a single token.
    pub prompt_length: i64,
    pub completions: i64,
    /// Tc.
    pub completion_length: i64,
    /// The prompt of each completion, `[B]`.
    pub prompt_of_b: Tensor,
    /// Completions per prompt when all have equally many, in prompt order.
    pub uniform_group: Option<i64>,
    /// Additive attention mask of completion queries, `[1 or B, 1, Tc, Tp + Tc]`.
    pub mask_b1ts: Tensor,
    /// Position of the first completion token in each row of the mask, `[1 or B]`.
    pub starts_b: Tensor,
}

/// Query `[N, H, d]`, key and value `[N, K, d]` of one layer, rotated.
pub struct Qkv {
    pub q: Tensor,
    pub k: Tensor,
    pub v: Tensor,
}
