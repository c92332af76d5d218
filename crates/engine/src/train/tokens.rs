//! What the objective is told of the tokens of a microbatch. n tokens · S sequences · T tokens of the longest.

use serde::Deserialize;
use tch::{Device, Kind, Tensor};

/// Whether a ratio is that of a token, or of all trained tokens of a sequence together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    Token,
    Sequence,
}

/// One number per token, but for `segments`.
pub struct Tokens {
    pub segments: Segments,
    /// 1 where a token is trained.
    pub mask_n: Tensor,
    /// The mask over the normaliser.
    pub weight_n: Tensor,
    /// The same for the entropy bonus.
    pub entropy_weight_n: Option<Tensor>,
    /// 1 where the entropy is among the largest; without it all tokens count.
    pub kept_n: Option<Tensor>,
    pub advantage_n: Tensor,
    /// The sampler's log-probabilities.
    pub behaviour_n: Option<Tensor>,
    /// Log-probabilities before the update; without them the ratio is 1 and carries the gradient.
    pub old_n: Option<Tensor>,
    pub reference_n: Option<Tensor>,
}

/// Which tokens make up a sequence.
pub struct Segments {
    sequences: i64,
    longest: i64,
    /// Where each token stands in `[S, T]`, flat.
    place_n: Tensor,
}

impl Segments {
    pub fn new(lengths: &[usize], device: Device) -> Self {
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let places = lengths
            .iter()
            .enumerate()
            .flat_map(|(index, &length)| (index * longest..index * longest + length).map(|place| place as i64));
        let place_n = Tensor::from_slice(&places.collect::<Vec<i64>>()).to_device(device);
        Self { sequences: lengths.len() as i64, longest: longest as i64, place_n }
    }

    /// Σ over the tokens of each sequence, `[S]`. Through a padded table and back: on every device the sums, and their
    /// gradients, are taken in one order.
    pub fn sum(&self, values_n: &Tensor) -> Tensor {
        let table = Tensor::zeros([self.sequences * self.longest], (values_n.kind(), values_n.device()));
        table.index_copy(0, &self.place_n, values_n).view([self.sequences, self.longest]).sum_dim_intlist(
            1,
            false,
            None::<Kind>,
        )
    }

    /// Every token gets the number of its sequence.
    pub fn spread(&self, values_s: &Tensor) -> Tensor {
        let table = values_s.unsqueeze(1).expand([self.sequences, self.longest], false);
        table.reshape([-1]).index_select(0, &self.place_n)
    }
}

impl Tokens {
    /// Mean over the trained tokens of each sequence, `[S]`; 0 where there is none.
    pub fn sequence_mean(&self, values_n: &Tensor) -> Tensor {
        self.segments.sum(&(values_n * &self.mask_n)) / self.trained_s().clamp_min(1.0)
    }

    /// Trained tokens of each sequence, `[S]`.
    pub fn trained_s(&self) -> Tensor {
        self.segments.sum(&self.mask_n)
    }
}
