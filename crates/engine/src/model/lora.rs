//! LoRA: W = W₀ + s·B·A with W₀ frozen, A `[r, in]`, B `[out, r]` and s = α/r (α/√r with `rslora`).
//!
//! With DoRA W = m · V/‖V‖ by rows, V = W₀ + s·B·A; embeddings, head and norms can be trained in full beside it.
//!
//! Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models" (arXiv 2106.09685); Liu et al.,
//! "DoRA" (arXiv 2402.09353); layout and initial values as PEFT.
//! The forward pass reads the merged matrix, which is merged again from W₀ after every step: sampling costs nothing more
//! per token, rounding does not accumulate, and training computes the same numbers as sampling.
//! N rows · in, out features of a module · r rank.

pub mod adapt;
pub mod adapter;
pub mod adapter_source;
pub mod fingerprint;
pub mod matrices;
pub mod merge;
pub mod patterns;
pub mod peft;
mod peft_folder;
mod peft_keys;
pub mod reference;
pub mod saved;
pub mod settings;
mod training_pass;
