//! What entropies decide: which tokens are trained, and how the weight of the bonus moves.

use super::metrics::Metrics;
use super::objective::{EntropyControl, Grpo, Objective};
use super::step::Step;
use crate::backend::{Backend, PreparedWeights};
use crate::error::Result;
use tch::Tensor;

impl Grpo {
    pub fn has_entropy_bonus(&self) -> bool {
        self.entropy_coefficient != 0.0 || self.entropy_control.is_some()
    }
}

impl EntropyControl {
    /// TRL's controller waits for a first measurement, and lets go above its target.
    fn applies(&self) -> bool {
        self.measured.is_some_and(|entropy| entropy <= self.target)
    }
}

impl Objective {
    pub fn is_controlled(&self) -> bool {
        self.grpo().is_some_and(|grpo| grpo.entropy_control.is_some())
    }

    /// As the next step minimises it.
    pub fn of_next_step(&self) -> Self {
        let mut objective = self.clone();
        if let Self::Grpo(grpo) = &mut objective {
            if grpo.entropy_control.is_some_and(|control| !control.applies()) {
                grpo.entropy_coefficient = 0.0;
            }
        }
        objective
    }

    /// The weight of the bonus as the last step left it, and the entropy that it was moved by: where the next update
    /// begins.
    pub fn control_metrics(&self) -> Metrics {
        let grpo = self.grpo().filter(|grpo| grpo.entropy_control.is_some());
        let measured = grpo.and_then(|grpo| grpo.entropy_control?.measured);
        let coefficient = grpo.map(|grpo| ("entropy_control/coefficient".to_string(), grpo.entropy_coefficient));
        coefficient
            .into_iter()
            .chain(measured.map(|entropy| ("entropy_control/entropy".to_string(), entropy)))
            .collect()
    }

    /// Moves the weight of the bonus after a step of this mean entropy.
    pub fn observe(&mut self, entropy: f64) {
        let Self::Grpo(grpo) = self else { return };
        let Some(control) = &mut grpo.entropy_control else { return };
        control.measured = Some(entropy);
        grpo.entropy_coefficient = if control.applies() {
            (grpo.entropy_coefficient + control.change).min(control.max)
        } else {
            (grpo.entropy_coefficient - control.change).max(control.min)
        };
    }
}

impl Step {
    /// TokenStats every token of the step and chooses those that are trained; without a share all are.
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
