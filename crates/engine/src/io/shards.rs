//! Weights in files of bounded size with an index, as transformers writes them.

use crate::error::{EngineError, Result};
use crate::io::new_file::{write_bytes, write_safetensors, WrittenFile};
use safetensors::tensor::View;
use serde_json::{json, Map};
use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

pub const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// Writes `model.safetensors`, or shards of at most `most` bytes and their index. A larger weight gets a shard to itself.
/// Weight files of an earlier save are removed, or a reader would load them together with these.
pub fn write_weights<V: View>(
    folder: &Path,
    weights: Vec<(String, V)>,
    metadata: &HashMap<String, String>,
    most: u64,
) -> Result<Vec<WrittenFile>> {
    let sizes: Vec<u64> = weights.iter().map(|(_, view)| view.data_len() as u64).collect();
    let shards = split(&sizes, most);
    let mut written = Vec::new();
    let mut places = Map::new();
    let parameters: usize = weights.iter().map(|(_, view)| view.shape().iter().product::<usize>()).sum();
    let mut rest = weights.into_iter();
    for (index, shard) in shards.iter().enumerate() {
        let name = file_name(index, shards.len());
        let tensors: Vec<(String, V)> = rest.by_ref().take(shard.len()).collect();
        places.extend(tensors.iter().map(|(weight, _)| (weight.clone(), name.clone().into())));
        written.push(write_safetensors(folder, &name, tensors, Some(metadata.clone()))?);
    }
    if shards.len() > 1 {
        let total = json!({ "total_parameters": parameters, "total_size": sizes.iter().sum::<u64>() });
        // serde_json keeps maps sorted: the same weights give the same bytes.
        let index = json!({ "metadata": total, "weight_map": places });
        let text = serde_json::to_vec_pretty(&index).map_err(|error| EngineError::io(&folder.join(INDEX), error))?;
        written.push(write_bytes(folder, INDEX, &text)?);
    }
    remove_stale(folder, &written)?;
    Ok(written)
}

/// Splits weights into consecutive shards of at most `most` bytes.
fn split(sizes: &[u64], most: u64) -> Vec<Range<usize>> {
    let mut shards: Vec<Range<usize>> = Vec::new();
    let mut filled = 0;
    for (index, &size) in sizes.iter().enumerate() {
        match shards.last_mut() {
            Some(shard) if filled + size <= most => shard.end = index + 1,
            _ => {
                shards.push(index..index + 1);
                filled = 0;
            }
        }
        filled += size;
    }
    shards
}

fn file_name(index: usize, count: usize) -> String {
    if count == 1 {
        return SINGLE.into();
    }
    format!("model-{:05}-of-{count:05}.safetensors", index + 1)
}

fn remove_stale(folder: &Path, written: &[WrittenFile]) -> Result<()> {
    let entries = std::fs::read_dir(folder).map_err(|error| EngineError::io(folder, error))?;
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let shard = name.starts_with("model-") && name.contains("-of-") && name.ends_with(".safetensors");
        let weights = shard || name == SINGLE || name == INDEX;
        if weights && !written.iter().any(|file| file.name == name) {
            std::fs::remove_file(entry.path()).map_err(|error| EngineError::io(&entry.path(), error))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_hold_as_much_as_they_may() {
        assert_eq!(split(&[4, 4, 4, 20, 1, 2], 9), vec![0..2, 2..3, 3..4, 4..6]);
        assert_eq!(split(&[4, 4], 8), vec![0..2]);
        assert_eq!(split(&[9, 9], 1), vec![0..1, 1..2]);
    }
}
