//! Texts grouped into batches: packed without padding for the kernels, padded to one length for libtorch.

use crate::error::Result;
use tch::{Device, Kind, Tensor};

/// Rows computed together: the activations of this many rows stay in a core's cache.
pub(super) const PACKED_ROWS: usize = 256;

/// Splits texts into consecutive batches of at most `PACKED_ROWS` tokens, or of one longer text.
pub fn packed_batches<'a, 'b>(texts: &'b [&'a [u32]]) -> Vec<&'b [&'a [u32]]> {
    let mut batches = Vec::new();
    let (mut start, mut rows) = (0, 0);
    for (at, text) in texts.iter().enumerate() {
        if at > start && rows + text.len() > PACKED_ROWS {
            batches.push(&texts[start..at]);
            (start, rows) = (at, 0);
        }
        rows += text.len();
    }
    if start < texts.len() {
        batches.push(&texts[start..]);
    }
    batches
}

/// Rows of one padded pass, padding included.
const PADDED_ROWS: usize = 16384;

/// Splits texts into consecutive batches of at most `PADDED_ROWS` padded rows; sorted texts need little padding.
pub fn padded_batches<'a, 'b>(texts: &'b [&'a [u32]]) -> Vec<&'b [&'a [u32]]> {
    let mut batches = Vec::new();
    let (mut start, mut longest) = (0, 0);
    for (at, text) in texts.iter().enumerate() {
        let wider = longest.max(text.len());
        if at > start && wider * (at + 1 - start) > PADDED_ROWS {
            batches.push(&texts[start..at]);
            (start, longest) = (at, text.len());
        } else {
            longest = wider;
        }
    }
    if start < texts.len() {
        batches.push(&texts[start..]);
    }
    batches
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

    /// The rows of every text without the padding, from `[B·T, D]`.
    pub fn unpad(&self, states_nd: &Tensor) -> Result<Vec<Vec<f32>>> {
        let width = states_nd.size()[1] as usize;
        let flat =
            Vec::<f32>::try_from(&states_nd.to_kind(Kind::Float).f_to_device(Device::Cpu)?.contiguous().view([-1]))?;
        let rows = flat.chunks_exact(self.longest * width).zip(&self.lengths);
        Ok(rows.map(|(text, &length)| text[..length * width].to_vec()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_batches_hold_whole_texts_in_order() {
        let lengths = [300usize, 100, 100, 100, 1, 256, 255];
        let tokens: Vec<Vec<u32>> = lengths.iter().map(|&length| vec![0; length]).collect();
        let texts: Vec<&[u32]> = tokens.iter().map(Vec::as_slice).collect();
        let lengths: Vec<Vec<usize>> =
            packed_batches(&texts).iter().map(|batch| batch.iter().map(|text| text.len()).collect()).collect();
        assert_eq!(lengths, [vec![300], vec![100, 100], vec![100, 1], vec![256], vec![255]]);
    }
}
