//! Restricts the policy term and the entropy bonus to the tokens with the largest entropy.

use super::objective::Objective;
use super::step::{Microbatch, Step};
use crate::backend::{Backend, PreparedWeights};
use crate::error::Result;
use tch::Tensor;

impl Step {
    /// Computes the entropy of every token of the step and masks all but the largest. Without a share it does nothing.
    pub fn mask_by_entropy(
        &mut self,
        backend: &dyn Backend,
        weights: &PreparedWeights,
        objective: &Objective,
    ) -> Result<()> {
        let Some(share) = objective.top_entropy_share() else { return Ok(()) };
        let mut entropies = vec![0.0; self.tokens.block.len()];
        for microbatch in &self.microbatches {
            let stats = backend.logprobs(weights, &microbatch.batch, microbatch.sequences.clone())?;
            let values = Vec::<f32>::try_from(&stats.entropy_n.to_kind(tch::Kind::Float))?;
            for (place, entropy) in Vec::<i64>::try_from(&microbatch.place_n)?.into_iter().zip(values) {
                entropies[place as usize] = entropy;
            }
        }
        self.mask_top_entropy(&entropies, share)
    }

    /// Keeps the tokens whose entropy, given in the order of the batch, is among the `share` largest of their block. The
    /// normaliser of the policy term is unchanged (TRL's `get_high_entropy_mask`, arXiv 2506.01939).
    pub fn mask_top_entropy(&mut self, entropies: &[f32], share: f64) -> Result<()> {
        let mask = Vec::<f32>::try_from(&self.tokens.mask_n)?;
        let block = &self.tokens.block;
        let blocks = block.iter().max().map_or(0, |&last| last + 1);
        let tokens_of = |of: usize| (0..mask.len()).filter(move |&at| block[at] == of).collect::<Vec<_>>();
        let (mut kept, mut bonus) = (vec![0f32; mask.len()], vec![0f32; mask.len()]);
        for tokens in (0..blocks).map(tokens_of) {
            let trained: Vec<usize> = tokens.into_iter().filter(|&at| mask[at] > 0.0).collect();
            let threshold = quantile(trained.iter().map(|&at| entropies[at]).collect(), 1.0 - share);
            let top: Vec<usize> = trained.into_iter().filter(|&at| entropies[at] >= threshold).collect();
            let weight = 1.0 / (blocks as f64 * top.len().max(1) as f64);
            for at in top {
                (kept[at], bonus[at]) = (1.0, weight as f32);
            }
        }
        let pick = |values: &[f32], place_n: &Tensor| {
            Tensor::from_slice(values).to_device(place_n.device()).index_select(0, place_n)
        };
        for Microbatch { tokens, place_n, .. } in &mut self.microbatches {
            tokens.entropy_mask_n = Some(pick(&kept, place_n));
            if let Some(weight_n) = &mut tokens.entropy_weight_n {
                *weight_n = pick(&bonus, place_n);
            }
        }
        Ok(())
    }
}

/// The quantile as `torch.quantile` computes it: linear between neighbours, in fp32. Infinite without values.
fn quantile(mut values: Vec<f32>, share: f64) -> f32 {
    if values.is_empty() {
        return f32::INFINITY;
    }
    values.sort_unstable_by(f32::total_cmp);
    let rank = share as f32 * (values.len() - 1) as f32;
    let (below, above) = (values[rank.floor() as usize], values[rank.ceil() as usize]);
    let fraction = rank - rank.floor();
    // The two branches of torch.lerp.
    if fraction < 0.5 {
        below + fraction * (above - below)
    } else {
        above - (above - below) * (1.0 - fraction)
    }
}
