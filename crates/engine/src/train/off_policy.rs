//! What the policy's part of a token's loss is multiplied by, held constant, where the tokens are not the policy's own: the
//! sampler's correction, the weight of VESPO, the mask of distant sequences. n tokens of a microbatch, flat.

use super::objective::{Correction, Grpo, Level, Vespo};
use super::tokens::Tokens;
use tch::Tensor;

/// log(1e-8): TRL's floor of a logarithm, and its ceiling.
const LOG_BOUNDS: (f64, f64) = (-18.420680743952367, 20.0);
/// TRL's least λ.
const SMALLEST_DECAY: f64 = 1e-4;

impl Correction {
    /// ρ = e^(old − sampler) of a token, or of the sum over a sequence's trained tokens; cut to its bounds, or 0 beyond.
    pub(super) fn weight(&self, old_n: &Tensor, behaviour_n: &Tensor, tokens: &Tokens) -> Tensor {
        let difference = (old_n - behaviour_n) * &tokens.mask_n;
        let rho_n = match self.level {
            Level::Token => difference.exp(),
            Level::Sequence => tokens.segments.spread(&tokens.segments.sum(&difference).exp()),
        };
        if self.mask {
            rho_n.masked_fill(&self.bounds.outside(&rho_n), 0.0)
        } else {
            self.bounds.clamp(&rho_n)
        }
    }
}

impl Vespo {
    /// φ(w) = e^λ w^k e^(−λ w) of the sequence's ratio w = Π r · ρ, in logarithms; k and λ by the sign of A (zero takes the
    /// positive ones). What overflows is 0 (arXiv 2602.10693, as TRL's `get_gamma_weights` writes it).
    pub(super) fn weight(&self, log_ratio_n: &Tensor, correction_n: Option<&Tensor>, tokens: &Tokens) -> Tensor {
        let (lowest, highest) = LOG_BOUNDS;
        let mut log_w_n = log_ratio_n.clamp(-highest, highest);
        if let Some(correction_n) = correction_n {
            log_w_n += correction_n.log().clamp(lowest, highest);
        }
        let log_w_n = tokens.segments.spread(&tokens.segments.sum(&(log_w_n * &tokens.mask_n))).clamp(lowest, highest);
        let is_positive_n = tokens.advantage_n.ge(0.0);
        let by_sign = |positive: f64, negative: f64| {
            log_w_n.full_like(positive).where_self(&is_positive_n, &log_w_n.full_like(negative))
        };
        let (positive, negative) = (&self.positive, &self.negative);
        let k_n = by_sign(positive.k, negative.k);
        let lambda_n = by_sign(positive.lambda.max(SMALLEST_DECAY), negative.lambda.max(SMALLEST_DECAY));
        let log_phi_n = &lambda_n + k_n * &log_w_n - lambda_n * log_w_n.exp();
        log_phi_n.exp().nan_to_num(0.0, 0.0, 0.0)
    }
}

impl Grpo {
    /// 0 for a sequence with A < 0 and a mean of (smp − lp) over its trained tokens above the threshold, else 1
    /// (DeepSeek-V3.2, equation 9). Without the sampler's log-probabilities those before the update stand for them.
    pub(super) fn near_sampler(&self, logprob_n: &Tensor, old_n: &Tensor, tokens: &Tokens) -> Option<Tensor> {
        let threshold = self.off_policy_threshold?;
        let sampler_n = tokens.behaviour_n.as_ref().unwrap_or(old_n);
        let distance_n = tokens.segments.spread(&tokens.sequence_mean(&(sampler_n - logprob_n)));
        Some(tokens.advantage_n.ge(0.0).logical_or(&distance_n.le(threshold)).to_kind(logprob_n.kind()))
    }
}
