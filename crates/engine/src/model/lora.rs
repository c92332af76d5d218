//! LoRA: W = W₀ + s·B·A with W₀ frozen, A `[r, in]`, B `[out, r]` and s = α/r (α/√r with `rslora`).
//!
//! Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models" (arXiv 2106.09685); layout and initial values as PEFT.
//! The weights that are computed with hold the merged matrix, merged anew from W₀ after every step: sampling costs
//! nothing more per token, nothing drifts, and training sees the very numbers that sampling saw.
//! N rows · in, out features of a module · r rank.

pub mod adapt;
pub mod adapter;
pub mod fingerprint;
pub mod merge;
pub mod open;
mod pass;
pub mod peft;
mod peft_folder;
pub mod pieces;
pub mod reference;
pub mod settings;
