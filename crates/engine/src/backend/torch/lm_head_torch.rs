//! Log-probabilities and entropies from final states, without all logits at once. n tokens · V vocabulary · D width.
//!
//! One token's logits of a large vocabulary take more memory than its states in all layers. So the head is computed in
//! chunks of a fixed size: once for log-probabilities and entropies, and once more for the gradient, each chunk with its
//! own graph.

use super::autograd::backward_from;
use crate::backend::{PassSettings, TokenGrads, TokenStats};
use crate::model::decoder::Decoder;
use tch::{Kind, Tensor};

pub struct Head<'a> {
    decoder: &'a Decoder<'a>,
    targets_n: &'a Tensor,
    temperature: f64,
    /// Rows per chunk: their fp32 logits fit into `PassSettings::logits_bytes`.
    rows: i64,
}

impl<'a> Head<'a> {
    pub fn new(decoder: &'a Decoder<'a>, targets_n: &'a Tensor, settings: PassSettings) -> Self {
        let rows = settings.logits_bytes / (4 * decoder.vocabulary());
        Self { decoder, targets_n, temperature: settings.temperature, rows: rows.max(1) as i64 }
    }

    /// Whether all tokens fit into one chunk.
    pub fn fits(&self) -> bool {
        self.tokens() <= self.rows
    }

    fn tokens(&self) -> i64 {
        self.targets_n.size()[0]
    }

    pub fn token_stats(&self, states_nd: &Tensor) -> TokenStats {
        let chunks: Vec<(Tensor, Tensor)> =
            self.chunks().map(|(start, rows)| self.chunk_stats(states_nd, start, rows)).collect();
        let (logprobs, entropies): (Vec<Tensor>, Vec<Tensor>) = chunks.into_iter().unzip();
        TokenStats { logprob_n: Tensor::cat(&logprobs, 0), entropy_n: Tensor::cat(&entropies, 0) }
    }

    /// Computes one chunk and keeps its graph, which continues that of the states.
    pub fn graph(&self, states_nd: &Tensor) -> HeadGraph {
        let log_softmax = self.log_softmax(states_nd);
        let logprob_n = chosen(&log_softmax, self.targets_n);
        HeadGraph { log_softmax, logprob_n }
    }

    /// Accumulates the head's gradient and returns that of the states, `[n, D]`.
    pub fn backward(&self, states_nd: &Tensor, grads: &TokenGrads) -> Tensor {
        let chunks = self.chunks().map(|(start, rows)| {
            let leaf = states_nd.narrow(0, start, rows).detach().set_requires_grad(true);
            let log_softmax = self.log_softmax(&leaf);
            let logprob_n = chosen(&log_softmax, &self.targets_n.narrow(0, start, rows));
            let graph = HeadGraph { log_softmax, logprob_n };
            let chunk = |values: &Tensor| values.narrow(0, start, rows);
            let grads =
                TokenGrads { logprob_n: chunk(&grads.logprob_n), entropy_n: grads.entropy_n.as_ref().map(chunk) };
            graph.backward(&grads);
            leaf.grad()
        });
        Tensor::cat(&chunks.collect::<Vec<_>>(), 0)
    }

    /// (start, rows) of every chunk.
    fn chunks(&self) -> impl Iterator<Item = (i64, i64)> + '_ {
        let tokens = self.tokens();
        (0..tokens).step_by(self.rows as usize).map(move |start| (start, self.rows.min(tokens - start)))
    }

    fn chunk_stats(&self, states_nd: &Tensor, start: i64, rows: i64) -> (Tensor, Tensor) {
        let log_softmax = self.log_softmax(&states_nd.narrow(0, start, rows));
        (chosen(&log_softmax, &self.targets_n.narrow(0, start, rows)), entropy(&log_softmax))
    }

    /// log π of every token of the vocabulary at the temperature, `[rows, V]`, fp32.
    fn log_softmax(&self, states_nd: &Tensor) -> Tensor {
        let logits = self.decoder.logits(states_nd);
        let logits = if self.temperature == 1.0 { logits } else { logits / self.temperature };
        logits.log_softmax(-1, Kind::Float)
    }
}

fn chosen(log_softmax: &Tensor, targets_n: &Tensor) -> Tensor {
    log_softmax.gather(1, &targets_n.unsqueeze(1), false).squeeze_dim(1)
}

/// H = −Σ p log p
fn entropy(log_softmax: &Tensor) -> Tensor {
    -(log_softmax.exp() * log_softmax).sum_dim_intlist(-1, false, Kind::Float)
}

/// Log-probabilities of the whole vocabulary `[n, V]` and of the targets `[n]`, with their graph.
pub struct HeadGraph {
    log_softmax: Tensor,
    logprob_n: Tensor,
}

impl HeadGraph {
    pub fn token_stats(&self) -> TokenStats {
        TokenStats { logprob_n: self.logprob_n.detach(), entropy_n: tch::no_grad(|| entropy(&self.log_softmax)) }
    }

    pub fn backward(&self, grads: &TokenGrads) {
        match &grads.entropy_n {
            None => backward_from(&self.logprob_n, &grads.logprob_n),
            Some(d_entropy_n) => {
                let bonus = entropy(&self.log_softmax) * d_entropy_n;
                (&self.logprob_n * &grads.logprob_n + bonus).sum(Kind::Float).backward();
            }
        }
    }
}
