//! New files: hashed while they are written, and synced to disk before the call returns.

use crate::error::{EngineError, Result};
use crate::guard::is_stopping;
use safetensors::tensor::{Metadata, TensorInfo, View};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// A file as a manifest lists it, without reading the file again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenFile {
    pub name: String,
    pub size: u64,
    /// In hexadecimal.
    pub sha256: String,
}

/// Bytes hashed and then written: few enough to stay in the cache between the two.
const CHUNK: usize = 1 << 20;
/// Bounds dirty memory, and the bytes that a stopping process waits for.
const SYNC_EVERY: usize = 64 << 20;

/// A new file of a folder; it replaces one of the same name.
pub struct NewFile {
    name: String,
    path: PathBuf,
    file: File,
    hash: Sha256,
    size: u64,
    unsynced: usize,
}

impl NewFile {
    pub fn create(folder: &Path, name: &str) -> Result<Self> {
        let path = folder.join(name);
        let file = File::create(&path).map_err(|error| EngineError::io(&path, error))?;
        Ok(Self { name: name.into(), path, file, hash: Sha256::new(), size: 0, unsynced: 0 })
    }

    /// # Errors
    /// `Closed` while the process stops, `Io` with the system's reason.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        for chunk in bytes.chunks(CHUNK) {
            if is_stopping() {
                return Err(EngineError::Closed {});
            }
            self.hash.update(chunk);
            self.file.write_all(chunk).map_err(|error| EngineError::io(&self.path, error))?;
            self.size += chunk.len() as u64;
            self.unsynced += chunk.len();
            if self.unsynced >= SYNC_EVERY {
                self.sync()?;
            }
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<()> {
        self.unsynced = 0;
        self.file.sync_all().map_err(|error| EngineError::io(&self.path, error))
    }

    /// Syncs the file to disk.
    pub fn finish(mut self) -> Result<WrittenFile> {
        self.sync()?;
        let sha256 = self.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(WrittenFile { name: self.name, size: self.size, sha256 })
    }
}

pub fn write_bytes(folder: &Path, name: &str, bytes: &[u8]) -> Result<WrittenFile> {
    let mut file = NewFile::create(folder, name)?;
    file.append(bytes)?;
    file.finish()
}

/// Writes the bytes of `safetensors::serialize` with one tensor in memory at a time.
pub fn write_safetensors<V: View>(
    folder: &Path,
    name: &str,
    mut tensors: Vec<(String, V)>,
    metadata: Option<HashMap<String, String>>,
) -> Result<WrittenFile> {
    // The order of the format: wide dtypes first, so that every tensor is aligned; then by name.
    tensors.sort_by(|(left_name, left), (right_name, right)| {
        right.dtype().cmp(&left.dtype()).then_with(|| left_name.cmp(right_name))
    });
    let mut file = NewFile::create(folder, name)?;
    let header = header(&tensors, metadata).map_err(|reason| EngineError::io(&file.path, reason))?;
    file.append(&(header.len() as u64).to_le_bytes())?;
    file.append(&header)?;
    for (_, tensor) in &tensors {
        file.append(&tensor.data())?;
    }
    file.finish()
}

fn header<V: View>(
    tensors: &[(String, V)],
    metadata: Option<HashMap<String, String>>,
) -> std::result::Result<Vec<u8>, String> {
    let mut offset = 0;
    let infos = tensors.iter().map(|(name, tensor)| {
        let start = offset;
        offset += tensor.data_len();
        let shape = tensor.shape().to_vec();
        (name.clone(), TensorInfo { dtype: tensor.dtype(), shape, data_offsets: (start, offset) })
    });
    let header = Metadata::new(None, infos.collect()).map_err(|error| error.to_string())?;
    let mut bytes = serde_json::to_vec(&header).map_err(|error| error.to_string())?;
    if let Some(metadata) = metadata {
        // The crate writes metadata in no fixed order: equal checkpoints would have different bytes.
        let ordered: BTreeMap<_, _> = metadata.into_iter().collect();
        let entry = serde_json::json!({ "__metadata__": ordered }).to_string();
        let comma = if tensors.is_empty() { "" } else { "," };
        bytes.splice(..1, format!("{}{comma}", &entry[..entry.len() - 1]).into_bytes());
    }
    bytes.resize(bytes.len().next_multiple_of(8), b' ');
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::tensor::TensorView;
    use safetensors::Dtype;

    fn scratch(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("exit-rl-files-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn safetensors_are_byte_for_byte_those_of_the_crate() {
        let folder = scratch("same");
        let (wide, narrow) = (vec![1u8; 24], vec![2u8; 6]);
        let views = || {
            vec![
                ("narrow".to_string(), TensorView::new(Dtype::BF16, vec![3], &narrow).unwrap()),
                ("b".to_string(), TensorView::new(Dtype::F32, vec![2, 3], &wide).unwrap()),
                ("a".to_string(), TensorView::new(Dtype::F32, vec![6], &wide).unwrap()),
            ]
        };
        let metadata = || Some(HashMap::from([("format".to_string(), "pt".to_string())]));
        let written = write_safetensors(&folder, "model.safetensors", views(), metadata()).unwrap();
        let bytes = std::fs::read(folder.join("model.safetensors")).unwrap();
        assert_eq!(bytes, safetensors::serialize(views(), metadata()).unwrap());
        assert_eq!(written.size, bytes.len() as u64);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn the_hash_is_that_of_the_whole_file() {
        let folder = scratch("hash");
        let written = write_bytes(&folder, "abc", b"abc").unwrap();
        // FIPS 180-2, appendix B.1.
        assert_eq!(written.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        let long = vec![7u8; 3 * CHUNK + 5];
        let written = write_bytes(&folder, "long", &long).unwrap();
        let expected: String = Sha256::digest(&long).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!((written.size, written.sha256), (long.len() as u64, expected));
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_an_error_that_names_the_file() {
        let error = write_bytes(Path::new("/dev"), "full", b"anything").unwrap_err();
        assert!(matches!(error, EngineError::Io { ref path, .. } if path == "/dev/full"), "{error:?}");
        assert!(error.to_string().contains("No space left"), "{error}");
    }
}
