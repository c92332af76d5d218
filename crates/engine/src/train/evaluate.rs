//! The objective of a microbatch: its value, and what it asks of log-probabilities and entropies. It is computed in fp64:
//! a few numbers a token cost nothing, and ratios and divergences are small differences of large numbers.

use super::objective::{Objective, Terms};
use super::tokens::Tokens;
use crate::backend::{TokenGrads, TokenStats};
use tch::{Kind, Tensor};

pub struct Evaluated {
    /// Weighted sum over the microbatch, the entropy bonus taken off.
    pub loss: Tensor,
    /// Of every token, before weighting and without the bonus.
    pub loss_n: Tensor,
    pub terms: Terms,
}

impl Objective {
    /// Value and gradient. Autograd sees the n numbers of the microbatch and nothing before them.
    pub fn differentiate(&self, scores: &TokenStats, tokens: &Tokens) -> (Evaluated, TokenGrads) {
        let leaf = |values: &Tensor| exact(values).copy().set_requires_grad(true);
        let (logprob_n, entropy_n) = (leaf(&scores.logprob_n), leaf(&scores.entropy_n));
        let inputs = TokenStats { logprob_n, entropy_n };
        let found = self.loss(&inputs, tokens);
        found.loss.backward();
        let slope = |input: &Tensor, score: &Tensor| input.grad().to_kind(score.kind());
        let slopes = TokenGrads {
            logprob_n: slope(&inputs.logprob_n, &scores.logprob_n),
            entropy_n: tokens.entropy_weight_n.is_some().then(|| slope(&inputs.entropy_n, &scores.entropy_n)),
        };
        (found.detached(), slopes)
    }

    /// The value alone.
    pub fn evaluate(&self, scores: &TokenStats, tokens: &Tokens) -> Evaluated {
        let inputs = TokenStats { logprob_n: exact(&scores.logprob_n), entropy_n: exact(&scores.entropy_n) };
        self.loss(&inputs, tokens)
    }

    /// loss = Σ l w − c Σ H w_H
    fn loss(&self, scores: &TokenStats, tokens: &Tokens) -> Evaluated {
        let (loss_n, terms) = self.token_loss(&scores.logprob_n, tokens);
        let kind = loss_n.kind();
        let loss = (&loss_n * &tokens.weight_n).sum(kind);
        let loss = match &tokens.entropy_weight_n {
            Some(weight_n) => loss - (&scores.entropy_n * weight_n).sum(kind) * self.entropy.coefficient,
            None => loss,
        };
        Evaluated { loss, loss_n, terms }
    }
}

fn exact(values: &Tensor) -> Tensor {
    values.detach().to_kind(Kind::Double)
}

impl Evaluated {
    fn detached(self) -> Self {
        let Terms { kl_n, ratio_n, correction_n, gamma_n } = self.terms;
        let (kl_n, ratio_n) = (kl_n.map(|kl_n| kl_n.detach()), ratio_n.detach());
        let terms = Terms { kl_n, ratio_n, correction_n, gamma_n };
        Self { loss: self.loss.detach(), loss_n: self.loss_n.detach(), terms }
    }
}
