//! Samples next tokens from a device's logits. R rows · V vocabulary.

use crate::backend::DecodeRow;
use crate::error::Result;
use crate::sampler::{sample_edited, Sampled};
use crate::simd::isa::Instructions;
use tch::{Device, Kind, Tensor};

/// Samples all rows at once by the inverse of the cumulative distribution; only tokens and log-probabilities come to the
/// host. Covers plain sampling: no top-k, top-p or min-p, and no edits of logits.
pub fn sample_on_device(logits_rv: &Tensor, rows: &mut [DecodeRow]) -> Result<()> {
    let column = |values: Vec<f64>| Tensor::from_slice(&values).to_device(logits_rv.device()).unsqueeze(1);
    let temperatures = column(rows.iter().map(|row| row.sampling.divisor()).collect()).to_kind(Kind::Float);
    let uniform = column(rows.iter().map(|row| row.place.uniform()).collect());
    let logprobs_rv = (logits_rv / temperatures).log_softmax(-1, Kind::Float);
    let cumulative = logprobs_rv.to_kind(Kind::Double).exp().cumsum(-1, Kind::Double);
    let total = cumulative.narrow(1, cumulative.size()[1] - 1, 1);
    let drawn = cumulative.le_tensor(&(uniform * total)).sum_dim_intlist(-1, false, Kind::Int64);
    let greedy = Tensor::from_slice(&rows.iter().map(|row| row.sampling.temperature == 0.0).collect::<Vec<_>>());
    let largest = logits_rv.argmax(-1, false);
    let tokens = largest.where_self(&greedy.to_device(logits_rv.device()), &drawn.clamp_max(logits_rv.size()[1] - 1));
    let chosen = logprobs_rv.gather(1, &tokens.unsqueeze(1), false).squeeze_dim(1);
    let (tokens, logprobs) = (Vec::<i64>::try_from(&tokens)?, Vec::<f32>::try_from(&chosen)?);
    for ((row, token), logprob) in rows.iter_mut().zip(tokens).zip(logprobs) {
        row.sampled = Sampled { token: token as u32, logprob };
    }
    Ok(())
}

/// Samples one row after the other, with truncation and edits.
pub fn sample_on_host(logits_rv: &Tensor, rows: &mut [DecodeRow]) -> Result<()> {
    let vocabulary = logits_rv.size()[1] as usize;
    let mut logits = Vec::<f32>::try_from(&logits_rv.to_device(Device::Cpu).reshape([-1]))?;
    for (row, logits) in rows.iter_mut().zip(logits.chunks_exact_mut(vocabulary)) {
        let edits = row.edits.as_deref();
        row.sampled = sample_edited(logits, edits, &row.sampling, row.place, Instructions::detect());
    }
    Ok(())
}
