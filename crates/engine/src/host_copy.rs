//! Tensors in host memory to write a checkpoint from: copied, which is the pause that training sees, or lent where they
//! lie, while training waits for the writing.

use crate::error::{EngineError, Result};
use safetensors::tensor::View;
use safetensors::Dtype;
use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tch::{Device, Kind, Tensor};

/// A flat tensor's bytes, little-endian as in safetensors.
pub struct HostTensor {
    pub dtype: Dtype,
    shape: [usize; 1],
    size: usize,
    held: Held,
}

enum Held {
    /// `home` is where the buffer goes when the copy has been written.
    Copied { bytes: Vec<u8>, home: Buffers },
    /// Contiguous and on the host.
    Lent(Mutex<Tensor>),
}

/// Buffers of copies that have been written, kept for the next ones: to make their pages anew would take most of the
/// time of a copy, and training waits for it.
#[derive(Clone, Default)]
struct Buffers(Arc<Mutex<Vec<Vec<u8>>>>);

impl Buffers {
    fn lock(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An empty buffer that holds `size` bytes without growing.
    fn take(&self, size: usize) -> Result<Vec<u8>> {
        let mut kept = self.lock();
        if let Some(place) = kept.iter().position(|buffer| buffer.capacity() == size) {
            return Ok(kept.swap_remove(place));
        }
        drop(kept);
        let mut fresh = Vec::new();
        fresh.try_reserve_exact(size).map_err(|_| EngineError::OutOfMemory {
            message: format!("the copy that a checkpoint is written from needs {size} bytes more"),
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

/// The memory of a contiguous tensor on the host, which whoever holds the tensor keeps alive.
fn bytes_of<'a>(tensor: &Tensor, size: usize) -> &'a [u8] {
    unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast::<u8>().cast_const(), size) }
}

impl Drop for HostTensor {
    fn drop(&mut self) {
        if let Held::Copied { bytes, home } = &mut self.held {
            let mut buffer = std::mem::take(bytes);
            buffer.clear();
            home.lock().push(buffer);
        }
    }
}

/// Below this a second thread costs more than it copies.
const COPY_PER_THREAD: usize = 4 << 20;

/// Copies tensors to host memory, with several threads and into buffers that it keeps.
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

    /// Takes no copies of what lies in host memory: it must not change before it has been written.
    pub fn lender() -> Self {
        Self { lends: true, ..Self::default() }
    }

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
            Held::Copied { bytes: self.copy_bytes(bytes_of(&flat, size))?, home: self.buffers.clone() }
        };
        Ok(HostTensor { dtype, shape: [numel], size, held })
    }

    fn copy_bytes(&self, source: &[u8]) -> Result<Vec<u8>> {
        let mut bytes = self.buffers.take(source.len())?;
        let pieces = (source.len() / COPY_PER_THREAD).clamp(1, self.threads.max(1));
        let piece = source.len().div_ceil(pieces).max(1);
        let target = &mut bytes.spare_capacity_mut()[..source.len()];
        std::thread::scope(|scope| {
            for (from, to) in source.chunks(piece).zip(target.chunks_mut(piece)) {
                let mut copy = move || {
                    // Equal lengths, and `to` is reserved memory that nothing else sees.
                    unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), to.as_mut_ptr().cast(), from.len()) }
                };
                if pieces == 1 {
                    copy();
                } else {
                    scope.spawn(copy);
                }
            }
        });
        // All of it was written above.
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
    fn a_written_copy_leaves_its_buffer_to_the_next() {
        let copier = Copier::new(1);
        let tensor = Tensor::from_slice(&[1f32; 1000]);
        let (first, second) = (copier.copy(&tensor).unwrap(), copier.copy(&tensor).unwrap());
        let places = [first.bytes().as_ptr(), second.bytes().as_ptr()];
        assert_ne!(places[0], places[1]);
        drop((first, second));
        let again = copier.copy(&(tensor * 2.0)).unwrap();
        assert!(places.contains(&again.bytes().as_ptr()));
        assert_eq!(again.bytes()[..4], 2f32.to_le_bytes());
        assert_eq!(copier.buffers.lock().len(), 1);
    }

    #[test]
    fn a_snapshot_keeps_what_was_there() {
        let tensor = Tensor::from_slice(&[1f32, -2.5, 3.0]);
        let copy = Copier::new(1).copy(&tensor).unwrap();
        let _ = tensor.shallow_clone().fill_(9.0);
        let expected: Vec<u8> = [1f32, -2.5, 3.0].iter().flat_map(|value| value.to_le_bytes()).collect();
        assert_eq!((&copy).data().as_ref(), expected);
    }

    #[test]
    fn what_is_lent_is_the_tensor_itself() {
        let tensor = Tensor::from_slice(&[1f32, -2.5, 3.0]);
        let lent = Copier::lender().copy(&tensor).unwrap();
        assert_eq!(lent.bytes().as_ptr(), tensor.data_ptr().cast_const().cast());
        let expected: Vec<u8> = [1f32, -2.5, 3.0].iter().flat_map(|value| value.to_le_bytes()).collect();
        assert_eq!((&lent).data().as_ref(), expected);
    }
}
