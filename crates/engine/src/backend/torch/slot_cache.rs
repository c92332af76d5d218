//! Keys and values of one layer for all decoding slots, and the positions that each row attends to. Letters as in the
//! backend.

use crate::model::attention::Qkv;
use crate::model::windows::LayerWindows;
use tch::{Kind, Tensor};

/// `[S, K, C, d]`
pub struct SlotCache {
    pub keys: Tensor,
    pub values: Tensor,
}

impl SlotCache {
    /// Writes one position of every row and returns the first `keys` positions, `[R, K, keys, d]`.
    pub fn append(&self, slots: &Tensor, positions: &Tensor, qkv: &Qkv, keys: i64) -> (Tensor, Tensor) {
        let rows = slots.size()[0];
        let write = |cache: &Tensor, new: &Tensor| {
            let by_position = cache.transpose(1, 2);
            let _ = by_position.shallow_clone().index_put_(&[Some(slots), Some(positions)], new, false);
            cache.narrow(0, 0, rows).narrow(2, 0, keys)
        };
        (write(&self.keys, &qkv.k), write(&self.values, &qkv.v))
    }
}

/// One mask for layers with full attention and one for layers with a sliding window.
pub struct Windowed<'a> {
    windows: &'a LayerWindows,
    full: Tensor,
    windowed: Option<Tensor>,
}

impl<'a> Windowed<'a> {
    pub fn new(windows: &'a LayerWindows, mask: impl Fn(Option<usize>) -> Tensor) -> Self {
        Self { windows, full: mask(None), windowed: windows.size().map(|size| mask(Some(size))) }
    }

    pub fn of(&self, layer: usize) -> &Tensor {
        self.windowed.as_ref().filter(|_| self.windows.of(layer).is_some()).unwrap_or(&self.full)
    }
}

/// `[R, keys]`: true up to each row's position, and no further back than the window.
pub fn visible(keys: i64, positions: &Tensor, window: Option<usize>) -> Tensor {
    let (key, query) = (Tensor::arange(keys, (Kind::Int64, positions.device())).unsqueeze(0), positions.unsqueeze(1));
    let causal = key.le_tensor(&query);
    match window {
        None => causal,
        Some(window) => causal.logical_and(&key.gt_tensor(&(query - window as i64))),
    }
}
