//! A snapshot that JavaScript holds and writes once.

use crate::answer::promise;
use crate::convert::checked::positive;
use crate::errors::to_napi;
use exit_rl_engine::engine_thread::spawn_writer;
use exit_rl_engine::error::EngineError;
use exit_rl_engine::guard::guarded;
use exit_rl_engine::io::new_file;
use exit_rl_engine::snapshot::Snapshot;
use napi::bindgen_prelude::*;
use napi_derive::napi;
use std::path::Path;

/// A copy of a policy in host memory. Writing it frees the memory.
#[napi]
pub struct NativeSnapshot(pub(crate) Option<Snapshot>);

#[napi(object)]
pub struct WrittenFile {
    /// Relative to the folder.
    pub name: String,
    pub size: f64,
    /// In hexadecimal.
    pub sha256: String,
}

#[napi]
impl NativeSnapshot {
    /// Writes a Hugging Face folder and, when the snapshot holds training state, its `training.safetensors`, on a thread of
    /// its own. Weights go into files of at most `maxShardBytes`. Resolves when every file is on the disk.
    #[napi(ts_return_type = "Promise<Array<WrittenFile>>")]
    pub fn write(&mut self, env: &Env, folder: String, max_shard_bytes: f64) -> Result<Object<'static>> {
        let most: u64 = positive("maxShardBytes", max_shard_bytes).map_err(to_napi)?;
        let snapshot = self
            .0
            .take()
            .ok_or_else(|| to_napi(EngineError::invalid("snapshot", "it is already written; take another snapshot")))?;
        promise(env, move |answer| {
            spawn_writer(move || {
                let written = guarded(|| snapshot.write(Path::new(&folder), most));
                drop(snapshot);
                answer.settle(written.map(|files| files.into_iter().map(WrittenFile::from).collect::<Vec<_>>()));
            })
        })
    }
}

impl From<new_file::WrittenFile> for WrittenFile {
    fn from(file: new_file::WrittenFile) -> Self {
        Self { name: file.name, size: file.size as f64, sha256: file.sha256 }
    }
}
