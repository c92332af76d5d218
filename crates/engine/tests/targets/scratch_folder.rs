//! A temporary folder for one input.

use std::path::{Path, PathBuf};

/// A folder, in memory where the system has /dev/shm; dropping it removes the folder.
pub struct ScratchFolder(pub PathBuf);

impl ScratchFolder {
    pub fn with(files: &[(&str, &[u8])]) -> Self {
        let memory = Path::new("/dev/shm");
        let root = if memory.is_dir() { memory.to_path_buf() } else { std::env::temp_dir() };
        let name = format!("exit-rl-fuzz-{}-{:?}", std::process::id(), std::thread::current().id());
        let folder = Self(root.join(name));
        for (name, bytes) in files {
            let file = folder.0.join(name);
            std::fs::create_dir_all(file.parent().unwrap_or(&folder.0)).expect("a folder for the fuzzer");
            std::fs::write(file, bytes).expect("a file for the fuzzer");
        }
        folder
    }
}

impl Drop for ScratchFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
