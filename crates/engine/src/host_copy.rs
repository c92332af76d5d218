//! Tensors in host memory that a checkpoint is written from. They are copied, which pauses training for the copy, or lent
//! in place, which pauses training until the checkpoint is written.

use crate::error::{EngineError, Result};
use safetensors::tensor::View;
use safetensors::Dtype;
use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tch::{Device, Kind, Tensor};

/// The bytes of a flat tensor, little-endian as in safetensors.
pub struct HostTensor {
    pub dtype: Dtype,
    shape: [usize; 1],
    size: usize,
    held: Held,
}

enum Held {
    /// The buffer returns to `buffers` on drop.
    Copied { bytes: Vec<u8>, buffers: Buffers },
    /// Contiguous and on the host.
    Lent(Mutex<Tensor>),
}

/// Buffers of earlier copies, kept for reuse: mapping fresh pages takes most of the time of a copy, and training waits for
/// it.
#[derive(Clone, Default)]
struct Buffers(Arc<Mutex<Vec<Vec<u8>>>>);

impl Buffers {
    fn lock(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns an empty buffer that holds `size` bytes without growing.
    ///
    /// @error `OUT_OF_MEMORY`.
    fn reuse(&self, size: usize) -> Result<Vec<u8>> {
        let mut kept = self.lock();
        if let Some(place) = kept.iter().position(|buffer| buffer.capacity() == size) {
            return Ok(kept.swap_remove(place));
        }
        drop(kept);
        let mut fresh = Vec::new();
        fresh.try_reserve_exact(size).map_err(|_| EngineError::OutOfMemory {
            message: format!("a checkpoint is written from a copy, which needs another {size} bytes"),
        })?;
        Ok(fresh)
    }
}

impl HostTensor {
    pub fn bytes(&self) -> &[u8] {
        match &self.held {
            Held::Copied { bytes, .. } => bytes,
            Held::Lent(tensor) => bytes_of(&tensor.lock().unwrap_or_else(PoisonError::into_inner), self.size),
        }
    }
}

/// The memory of a contiguous tensor on the host, valid as long as the tensor lives.
fn bytes_of<'a>(tensor: &Tensor, size: usize) -> &'a [u8] {
    unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast::<u8>().cast_const(), size) }
}

impl Drop for HostTensor {
    fn drop(&mut self) {
        if let Held::Copied { bytes, buffers } = &mut self.held {
            let mut buffer = std::mem::take(bytes);
            buffer.clear();
            buffers.lock().push(buffer);
        }
    }
}

/// Bytes per thread below which a second thread costs more than it saves.
const COPY_PER_THREAD: usize = 4 << 20;

/// Copies tensors to host memory, with several threads and into reused buffers.
#[derive(Clone, Default)]
pub struct Copier {
    threads: usize,
    buffers: Buffers,
    lends: bool,
}

impl Copier {
    pub fn new(threads: usize) -> Self {
        Self { threads, ..Self::default() }
    }

    /// Lends tensors in host memory instead of copying them: they must not change before they are written.
    pub fn lender() -> Self {
        Self { lends: true, ..Self::default() }
    }

    /// @error for a dtype other than fp32 and bf16, `OUT_OF_MEMORY`.
    pub fn copy(&self, tensor: &Tensor) -> Result<HostTensor> {
        let flat = tensor.detach().f_to_device(Device::Cpu)?.f_contiguous()?;
        let (dtype, width) = match flat.f_kind()? {
            Kind::Float => (Dtype::F32, 4),
            Kind::BFloat16 => (Dtype::BF16, 2),
            other => return Err(EngineError::torch(format!("a checkpoint holds fp32 and bf16, not {other:?}"))),
        };
        let (numel, size) = (flat.numel(), flat.numel() * width);
        let held = if self.lends {
            Held::Lent(Mutex::new(flat))
        } else {
            Held::Copied { bytes: self.copy_bytes(bytes_of(&flat, size))?, buffers: self.buffers.clone() }
        };
        Ok(HostTensor { dtype, shape: [numel], size, held })
    }

    fn copy_bytes(&self, source: &[u8]) -> Result<Vec<u8>> {
        let mut bytes = self.buffers.reuse(source.len())?;
        let pieces = (source.len() / COPY_PER_THREAD).clamp(1, self.threads.max(1));
        let piece = source.len().div_ceil(pieces).max(1);
        let target = &mut bytes.spare_capacity_mut()[..source.len()];
        std::thread::scope(|scope| {
            for (from, to) in source.chunks(piece).zip(target.chunks_mut(piece)) {
                let mut copy = move || {
                    // SAFETY: equal lengths, and `to` is reserved memory without another reference.
                    unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), to.as_mut_ptr().cast(), from.len()) }
                };
                if pieces == 1 {
                    copy();
                } else {
                    scope.spawn(copy);
                }
            }
        });
        // SAFETY: the loop above has written all of it.
        unsafe { bytes.set_len(source.len()) };
        Ok(bytes)
    }
}

impl View for &HostTensor {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.bytes())
    }

    fn data_len(&self) -> usize {
        self.size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_by_several_threads_is_the_same_bytes() {
        let source: Vec<u8> = (0..(3 * COPY_PER_THREAD + 17)).map(|at| (at % 251) as u8).collect();
        for threads in [0, 1, 2, 3, 8] {
            assert_eq!(Copier::new(threads).copy_bytes(&source).unwrap(), source);
        }
        assert_eq!(Copier::new(2).copy_bytes(&[]).unwrap(), Vec::<u8>::new());
    }

    #[test]
    fn the_next_copy_reuses_the_buffer_of_a_dropped_one() {
        let copier = Copier::new(1);
        let tensor = Tensor::from_slice(&[1f32; 1000]);
        let (first, second) = (copier.copy(&tensor).unwrap(), copier.copy(&tensor).unwrap());
        let places = [first.bytes().as_ptr(), second.bytes().as_ptr()];
        assert_ne!(places[0], places[1]);
        drop((first, second));
        let next = copier.copy(&(tensor * 2.0)).unwrap();
        assert!(places.contains(&next.bytes().as_ptr()));
        assert_eq!(next.bytes()[..4], 2f32.to_le_bytes());
        assert_eq!(copier.buffers.lock().len(), 1);
    }

    #[test]
    fn a_copy_does_not_follow_its_tensor() {
        let tensor = Tensor::from_slice(&[1f32, -2.5, 3.0]);
        let copy = Copier::new(1).copy(&tensor).unwrap();
        let _ = tensor.shallow_clone().fill_(9.0);
        let expected: Vec<u8> = [1f32, -2.5, 3.0].iter().flat_map(|value| value.to_le_bytes()).collect();
        assert_eq!((&copy).data().as_ref(), expected);
    }

    #[test]
    fn a_lent_tensor_is_not_copied() {
        let tensor = Tensor::from_slice(&[1f32, -2.5, 3.0]);
        let lent = Copier::lender().copy(&tensor).unwrap();
        assert_eq!(lent.bytes().as_ptr(), tensor.data_ptr().cast_const().cast());
        let expected: Vec<u8> = [1f32, -2.5, 3.0].iter().flat_map(|value| value.to_le_bytes()).collect();
        assert_eq!((&lent).data().as_ref(), expected);
    }
}
