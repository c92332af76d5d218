//! Reads safetensors as hostile input: a header of bounded size, checked against the file, then numbers in chunks.
//!
//! The file is read and not mapped: resident memory stays at one chunk, and a file that shrinks while it is read gives an
//! error instead of a signal.

use crate::error::{EngineError, Result};
use crate::io::read_file::open_regular;
use half::{bf16, f16};
use safetensors::tensor::Metadata;
use safetensors::Dtype;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use tch::Tensor;

/// Bytes of a header; real ones have about 100 a tensor.
const MAX_HEADER: u64 = 16 << 20;
/// Numbers converted at a time.
const CHUNK: usize = 1 << 20;

/// An open safetensors file whose header has been read.
pub struct TensorFile {
    path: PathBuf,
    file: File,
    /// Byte at which the numbers begin.
    start: u64,
    pub tensors: BTreeMap<String, StoredTensor>,
    pub metadata: HashMap<String, String>,
}

/// A tensor as the header describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredTensor {
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    offset: u64,
    bytes: u64,
}

impl StoredTensor {
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl TensorFile {
    /// Reads and checks the header.
    ///
    /// # Errors
    /// `ModelFileMissing`, or `ModelFile` for a header that does not fit the file.
    pub fn open(folder: &Path, name: &str) -> Result<Self> {
        let (file, length) = open_regular(folder, name)?;
        let path = folder.join(name);
        let bad = |reason: String| EngineError::model_file(&path, reason);
        let mut size = [0u8; 8];
        file.read_exact_at(&mut size, 0).map_err(|_| bad(format!("it has {length} bytes, too few for a header")))?;
        let size = u64::from_le_bytes(size);
        if size > MAX_HEADER {
            return Err(bad(format!("its header states a length of {size} bytes; at most {MAX_HEADER} are read")));
        }
        let mut header = vec![0u8; size as usize];
        file.read_exact_at(&mut header, 8).map_err(|_| bad("it ends within its header".into()))?;
        // The crate checks that tensors are contiguous without overlap, and that sizes fit shapes.
        let header: Metadata = serde_json::from_slice(&header).map_err(|error| bad(error.to_string()))?;
        let (start, promised) = (8 + size, header.data_len() as u64);
        if start.checked_add(promised) != Some(length) {
            return Err(bad(format!("its header describes {promised} bytes of numbers, it has {}", length - start)));
        }
        let tensors = header.tensors().into_iter().map(|(name, info)| {
            let (from, to) = info.data_offsets;
            let stored = StoredTensor {
                dtype: info.dtype,
                shape: info.shape.clone(),
                offset: from as u64,
                bytes: (to - from) as u64,
            };
            (name, stored)
        });
        let metadata = header.metadata().clone().unwrap_or_default();
        Ok(Self { tensors: tensors.collect(), metadata, path, file, start })
    }

    /// Copies a tensor's numbers into the flat tensor `target` on any device, in any precision.
    ///
    /// # Errors
    /// `ModelFile` for an unknown name, another size or an unsupported dtype; `WeightNotFinite`.
    pub fn copy_into(&self, name: &str, target: &Tensor) -> Result<()> {
        let stored = self.tensors.get(name).ok_or_else(|| self.bad(format!("`{name}` is not in it")))?;
        if stored.elements() != target.numel() {
            let reason = format!("`{name}` has {} numbers, the model has {}", stored.elements(), target.numel());
            return Err(self.bad(reason));
        }
        let mut chunks = self.chunks(name, stored)?;
        let mut done = 0;
        while let Some(numbers) = chunks.next_chunk()? {
            let count = numbers.len();
            if numbers.iter().any(|number| !number.is_finite()) {
                let file = self.path.display().to_string();
                return Err(EngineError::WeightNotFinite { weight: name.into(), file });
            }
            let mut place = target.f_narrow(0, done as i64, count as i64)?;
            tch::no_grad(|| place.f_copy_(&Tensor::f_from_slice(numbers)?))?;
            done += count;
        }
        Ok(())
    }

    /// Whether a tensor equals one of another file, number by number, up to the first difference.
    pub fn equals(&self, name: &str, other: &Self, other_name: &str) -> Result<bool> {
        let (mine, theirs) = (&self.tensors[name], &other.tensors[other_name]);
        if mine.shape != theirs.shape {
            return Ok(false);
        }
        let (mut mine, mut theirs) = (self.chunks(name, mine)?, other.chunks(other_name, theirs)?);
        while let (Some(mine), Some(theirs)) = (mine.next_chunk()?, theirs.next_chunk()?) {
            if mine != theirs {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn chunks<'a>(&'a self, name: &str, stored: &'a StoredTensor) -> Result<NumberChunks<'a>> {
        let width = width(stored.dtype).ok_or_else(|| {
            self.bad(format!("weight `{name}` has dtype {:?}; F32, BF16 and F16 are read", stored.dtype))
        })?;
        let longest = CHUNK.min(stored.elements());
        Ok(NumberChunks {
            file: self,
            stored,
            width,
            done: 0,
            bytes: vec![0; longest * width],
            numbers: vec![0.0; longest],
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The bytes before the numbers.
    pub fn head(&self) -> Result<Vec<u8>> {
        let mut head = vec![0u8; self.start as usize];
        self.file.read_exact_at(&mut head, 0).map_err(|error| EngineError::model_file(&self.path, error))?;
        Ok(head)
    }

    /// The tensors in the order of their numbers, which are contiguous.
    pub fn in_order(&self) -> Vec<(&str, &StoredTensor)> {
        let mut tensors: Vec<_> = self.tensors.iter().map(|(name, stored)| (name.as_str(), stored)).collect();
        tensors.sort_by_key(|(_, stored)| stored.offset);
        tensors
    }

    /// Visits a tensor's bytes in chunks.
    pub fn each_chunk(&self, stored: &StoredTensor, mut visit: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let mut bytes = vec![0u8; CHUNK.min(stored.bytes as usize)];
        let mut done = 0;
        while done < stored.bytes {
            let part = &mut bytes[..(CHUNK as u64).min(stored.bytes - done) as usize];
            let place = self.start + stored.offset + done;
            self.file.read_exact_at(part, place).map_err(|error| EngineError::model_file(&self.path, error))?;
            visit(part)?;
            done += part.len() as u64;
        }
        Ok(())
    }

    /// The numbers of a tensor at these flat indices.
    pub fn numbers_at(&self, stored: &StoredTensor, places: &[usize]) -> Result<Vec<f32>> {
        let width = width(stored.dtype).ok_or_else(|| self.bad(format!("dtype {:?} is not read", stored.dtype)))?;
        let number = |&place: &usize| {
            let (mut bytes, mut number) = ([0u8; 4], [0f32]);
            let at = self.start + stored.offset + (place * width) as u64;
            let read = self.file.read_exact_at(&mut bytes[..width], at);
            read.map_err(|error| EngineError::model_file(&self.path, error))?;
            decode(stored.dtype, &bytes[..width], &mut number);
            Ok(number[0])
        };
        places.iter().map(number).collect()
    }

    fn bad(&self, reason: String) -> EngineError {
        EngineError::model_file(&self.path, reason)
    }
}

/// The numbers of a tensor, a chunk at a time.
struct NumberChunks<'a> {
    file: &'a TensorFile,
    stored: &'a StoredTensor,
    width: usize,
    done: usize,
    bytes: Vec<u8>,
    numbers: Vec<f32>,
}

impl NumberChunks<'_> {
    /// None after the last chunk.
    fn next_chunk(&mut self) -> Result<Option<&[f32]>> {
        let count = CHUNK.min(self.stored.elements() - self.done);
        if count == 0 {
            return Ok(None);
        }
        let TensorFile { path, file, start, .. } = self.file;
        let (bytes, numbers) = (&mut self.bytes[..count * self.width], &mut self.numbers[..count]);
        let place = start + self.stored.offset + (self.done * self.width) as u64;
        file.read_exact_at(bytes, place).map_err(|error| EngineError::model_file(path, error))?;
        decode(self.stored.dtype, bytes, numbers);
        self.done += count;
        Ok(Some(numbers))
    }
}

/// Bytes of a number, for the supported dtypes.
fn width(dtype: Dtype) -> Option<usize> {
    match dtype {
        Dtype::F32 => Some(4),
        Dtype::BF16 | Dtype::F16 => Some(2),
        _ => None,
    }
}

fn decode(dtype: Dtype, bytes: &[u8], numbers: &mut [f32]) {
    match dtype {
        Dtype::F32 => each::<4>(bytes, numbers, f32::from_le_bytes),
        Dtype::BF16 => each::<2>(bytes, numbers, |bytes| bf16::from_le_bytes(bytes).to_f32()),
        _ => each::<2>(bytes, numbers, |bytes| f16::from_le_bytes(bytes).to_f32()),
    }
}

fn each<const N: usize>(bytes: &[u8], numbers: &mut [f32], value: impl Fn([u8; N]) -> f32) {
    for (slot, bytes) in numbers.iter_mut().zip(bytes.chunks_exact(N)) {
        *slot = value(bytes.try_into().expect("chunks_exact yields N bytes"));
    }
}
