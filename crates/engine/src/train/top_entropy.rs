//! The tokens of the largest entropy, which the policy's part and the bonus are of.

use super::objective::Objective;
use super::step::Step;
use crate::backend::{Backend, PreparedWeights};
use crate::error::Result;
use tch::Tensor;

impl Step {
    /// Scores every token of the step and chooses those that are trained; without a share all are.
    pub fn choose_by_entropy(
        &mut self,
        backend: &dyn Backend,
        weights: &PreparedWeights,
        objective: &Objective,
    ) -> Result<()> {
        let Some(share) = objective.top_entropy_share() else { return Ok(()) };
        let mut entropies = vec![0.0; self.tokens.block.len()];
        for part in &self.parts {
            let scores = backend.logprobs(weights, &part.batch, part.sequences.clone())?;
            let found = Vec::<f32>::try_from(&scores.entropy_n.to_kind(tch::Kind::Float))?;
            for (place, entropy) in Vec::<i64>::try_from(&part.place_n)?.into_iter().zip(found) {
                entropies[place as usize] = entropy;
            }
        }
        self.choose(&entropies, share)
    }

    /// Keeps the tokens whose entropy, given in the order of the batch, is among the `share` largest of their block; what
    /// the policy's part is divided by stays (TRL's `get_high_entropy_mask`, arXiv 2506.01939).
    pub fn choose(&mut self, entropies: &[f32], share: f64) -> Result<()> {
        let mask = Vec::<f32>::try_from(&self.tokens.mask_n)?;
        let block = &self.tokens.block;
        let blocks = block.iter().max().map_or(0, |&last| last + 1);
        let members = |of: usize| (0..mask.len()).filter(move |&at| block[at] == of).collect::<Vec<_>>();
        let (mut kept, mut bonus) = (vec![0f32; mask.len()], vec![0f32; mask.len()]);
        for own in (0..blocks).map(members) {
            let trained: Vec<usize> = own.into_iter().filter(|&at| mask[at] > 0.0).collect();
            let least = quantile(trained.iter().map(|&at| entropies[at]).collect(), 1.0 - share);
            let chosen: Vec<usize> = trained.into_iter().filter(|&at| entropies[at] >= least).collect();
            let weight = 1.0 / (blocks as f64 * chosen.len().max(1) as f64);
            for at in chosen {
                (kept[at], bonus[at]) = (1.0, weight as f32);
            }
        }
        let pick = |values: &[f32], place_n: &Tensor| {
            Tensor::from_slice(values).to_device(place_n.device()).index_select(0, place_n)
        };
        for part in &mut self.parts {
            part.tokens.kept_n = Some(pick(&kept, &part.place_n));
            if let Some(weight_n) = &mut part.tokens.entropy_weight_n {
                *weight_n = pick(&bonus, &part.place_n);
            }
        }
        Ok(())
    }
}

/// As torch.quantile: linear between neighbours, in fp32. Infinite of nothing.
fn quantile(mut values: Vec<f32>, share: f64) -> f32 {
    if values.is_empty() {
        return f32::INFINITY;
    }
    values.sort_unstable_by(f32::total_cmp);
    let rank = share as f32 * (values.len() - 1) as f32;
    let (below, above) = (values[rank.floor() as usize], values[rank.ceil() as usize]);
    let part = rank - rank.floor();
    // torch.lerp's two forms.
    if part < 0.5 {
        below + part * (above - below)
    } else {
        above - (above - below) * (1.0 - part)
    }
}
