//! The objective of a microbatch: its value, and its gradient with respect to log-probabilities and entropies. It computes
//! in fp64: a few numbers per token cost little, and ratios and divergences are small differences of large numbers.

use super::objective::{Objective, Terms};
use super::tokens::Tokens;
use crate::backend::{TokenGrads, TokenStats};
use tch::{Kind, Tensor};

pub struct Evaluation {
    /// The weighted sum over the microbatch, minus the entropy bonus.
    pub loss: Tensor,
    /// The loss of every token, before weighting and without the bonus.
    pub loss_n: Tensor,
    pub terms: Terms,
}

impl Objective {
    /// Computes value and gradient. The autograd graph begins at the n numbers of the microbatch.
    pub fn differentiate(&self, stats: &TokenStats, tokens: &Tokens) -> (Evaluation, TokenGrads) {
        let leaf = |values: &Tensor| to_double(values).copy().set_requires_grad(true);
        let (logprob_n, entropy_n) = (leaf(&stats.logprob_n), leaf(&stats.entropy_n));
        let inputs = TokenStats { logprob_n, entropy_n };
        let evaluation = self.loss(&inputs, tokens);
        evaluation.loss.backward();
        let grad = |input: &Tensor, output: &Tensor| input.grad().to_kind(output.kind());
        let grads = TokenGrads {
            logprob_n: grad(&inputs.logprob_n, &stats.logprob_n),
            entropy_n: tokens.entropy_weight_n.is_some().then(|| grad(&inputs.entropy_n, &stats.entropy_n)),
        };
        (evaluation.detach(), grads)
    }

    /// Computes the value without a gradient.
    pub fn evaluate(&self, stats: &TokenStats, tokens: &Tokens) -> Evaluation {
        let inputs = TokenStats { logprob_n: to_double(&stats.logprob_n), entropy_n: to_double(&stats.entropy_n) };
        self.loss(&inputs, tokens)
    }

    /// loss = Σ l w − c Σ H w_H
    fn loss(&self, stats: &TokenStats, tokens: &Tokens) -> Evaluation {
        let (loss_n, terms) = self.token_loss(&stats.logprob_n, tokens);
        let kind = loss_n.kind();
        let loss = (&loss_n * &tokens.weight_n).sum(kind);
        let loss = match &tokens.entropy_weight_n {
            Some(weight_n) => loss - (&stats.entropy_n * weight_n).sum(kind) * self.entropy.coefficient,
            None => loss,
        };
        Evaluation { loss, loss_n, terms }
    }
}

fn to_double(values: &Tensor) -> Tensor {
    values.detach().to_kind(Kind::Double)
}

impl Evaluation {
    fn detach(self) -> Self {
        let Terms { kl_n, ratio_n, correction_n, gamma_n } = self.terms;
        let (kl_n, ratio_n) = (kl_n.map(|kl_n| kl_n.detach()), ratio_n.detach());
        let terms = Terms { kl_n, ratio_n, correction_n, gamma_n };
        Self { loss: self.loss.detach(), loss_n: self.loss_n.detach(), terms }
    }
}
