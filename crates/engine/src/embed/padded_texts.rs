//! Texts as libtorch computes them: padded to one length.

use crate::error::Result;
use tch::{Device, Kind, Tensor};

/// Texts that one padded pass takes: at most this many rows with the padding.
const PADDED_ROWS: usize = 16384;

/// Consecutive texts whose padded rows stay within the limit; the texts come sorted by length, so padding is little.
pub fn buckets<'a, 'b>(texts: &'b [&'a [u32]]) -> Vec<&'b [&'a [u32]]> {
    let mut buckets = Vec::new();
    let (mut start, mut longest) = (0, 0);
    for (at, text) in texts.iter().enumerate() {
        let wider = longest.max(text.len());
        if at > start && wider * (at + 1 - start) > PADDED_ROWS {
            buckets.push(&texts[start..at]);
            (start, longest) = (at, text.len());
        } else {
            longest = wider;
        }
    }
    if start < texts.len() {
        buckets.push(&texts[start..]);
    }
    buckets
}

/// Texts padded on the right to one length, `[B, T]`.
pub struct Padded {
    pub ids_bt: Tensor,
    pub lengths: Vec<usize>,
    pub longest: usize,
}

impl Padded {
    pub fn new(texts: &[&[u32]], device: Device) -> Self {
        let longest = texts.iter().map(|text| text.len()).max().unwrap_or(0);
        let padded = |text: &&[u32]| -> Vec<i64> {
            let padding = std::iter::repeat_n(0, longest - text.len());
            text.iter().map(|&token| i64::from(token)).chain(padding).collect()
        };
        let ids: Vec<i64> = texts.iter().flat_map(padded).collect();
        let ids_bt = Tensor::from_slice(&ids).view([texts.len() as i64, longest as i64]).to_device(device);
        Self { ids_bt, lengths: texts.iter().map(|text| text.len()).collect(), longest }
    }

    /// The rows of every text that are no padding, from `[B·T, D]`.
    pub fn unpad(&self, states_nd: &Tensor) -> Result<Vec<Vec<f32>>> {
        let width = states_nd.size()[1] as usize;
        let flat =
            Vec::<f32>::try_from(&states_nd.to_kind(Kind::Float).f_to_device(Device::Cpu)?.contiguous().view([-1]))?;
        let rows = flat.chunks_exact(self.longest * width).zip(&self.lengths);
        Ok(rows.map(|(text, &length)| text[..length * width].to_vec()).collect())
    }
}
