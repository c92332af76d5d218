//! The safetensors files of a folder as one set of weights: `model.safetensors`, or the shards that
//! `model.safetensors.index.json` names. Opening reads headers only.

use super::config::DecoderConfig;
use super::layout::{elements, Layout, NamedWeight};
use crate::error::{EngineError, Result};
use crate::io::notices::{names as names_of, Notices};
use crate::io::read_file::{read_optional, MAX_JSON};
use crate::io::tensor_file::{StoredTensor, TensorFile};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use tch::Tensor;

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
/// Shards of a folder, all open at once; the largest real models have under 200.
const MAX_SHARDS: usize = 512;

/// The open safetensors files of a folder.
pub struct WeightFiles {
    folder: PathBuf,
    shards: Vec<TensorFile>,
    /// The shard of each weight.
    shard_of: BTreeMap<String, usize>,
}

impl WeightFiles {
    /// Opens the files. As in transformers, the index names the files, and their headers say what they hold; where it states
    /// otherwise a notice says so.
    ///
    /// # Errors
    /// `ModelFileMissing`, or `ModelFile` for a header or index that is malformed and for a weight in two files.
    pub fn open(folder: &Path, notices: &mut Notices) -> Result<Self> {
        // A single file overrides an index, as in transformers.
        let single = folder.join(SINGLE).exists();
        if single && folder.join(INDEX).exists() {
            notices.add(format!("`{}`: it is not read, because `{SINGLE}` is there", folder.join(INDEX).display()));
        }
        let index = if single { None } else { read_optional(folder, INDEX, MAX_JSON)? };
        let map = index.map(|bytes| weight_map(&folder.join(INDEX), &bytes)).transpose()?;
        let names: BTreeSet<&str> = match &map {
            None => BTreeSet::from([SINGLE]),
            Some(map) => map.values().map(String::as_str).collect(),
        };
        let shards = names.iter().map(|name| TensorFile::open(folder, name)).collect::<Result<Vec<_>>>()?;
        let mut shard_of = BTreeMap::new();
        for (index, (shard, file)) in shards.iter().zip(&names).enumerate() {
            for name in shard.tensors.keys() {
                if shard_of.insert(name.clone(), index).is_some() {
                    return Err(EngineError::model_file(&folder.join(file), format!("`{name}` is in two files")));
                }
            }
        }
        if let Some(map) = &map {
            note_index(&folder.join(INDEX), map, &shard_of, &names, notices);
        }
        Ok(Self { folder: folder.into(), shards, shard_of })
    }

    /// Bytes of all numbers.
    pub fn bytes(&self) -> u64 {
        self.shards.iter().flat_map(|shard| shard.tensors.values()).map(StoredTensor::bytes).sum()
    }

    /// Refuses a config that describes more numbers than the files can hold, before anything of its size is allocated.
    pub fn check_size(&self, config: &DecoderConfig) -> Result<()> {
        let (described, bytes) = (elements(config), self.bytes());
        // Every supported dtype has at least two bytes.
        if 2 * described <= u128::from(bytes) {
            return Ok(());
        }
        let reason = format!("config.json describes {described} numbers, the safetensors files hold {bytes} bytes");
        Err(EngineError::model_file(&self.folder, reason))
    }

    pub fn has(&self, name: &str) -> bool {
        self.shard_of.contains_key(name)
    }

    /// Whether two weights, which the files hold, have the same numbers.
    pub fn equal(&self, name: &str, other: &str) -> Result<bool> {
        self.shards[self.shard_of[name]].equals(name, &self.shards[self.shard_of[other]], other)
    }

    /// The names of all weights.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.shard_of.keys().map(String::as_str)
    }

    /// Renames all weights.
    pub fn rename(&mut self, rename: impl Fn(&str) -> String) {
        for shard in &mut self.shards {
            let tensors = std::mem::take(&mut shard.tensors);
            shard.tensors = tensors.into_iter().map(|(name, tensor)| (rename(&name), tensor)).collect();
        }
        let shard_of = std::mem::take(&mut self.shard_of);
        self.shard_of = shard_of.into_iter().map(|(name, shard)| (rename(&name), shard)).collect();
    }

    /// Checks that every weight of the layout exists in its shape.
    pub fn check_shapes(&self, layout: &Layout) -> Result<()> {
        for weight in &layout.weights {
            let stored = self.stored(weight)?;
            let found: Vec<i64> = stored.shape.iter().map(|&size| size as i64).collect();
            if found != weight.shape {
                return Err(EngineError::WeightShape {
                    weight: weight.name.clone(),
                    expected: weight.shape.clone(),
                    found,
                });
            }
        }
        Ok(())
    }

    /// As `check_shapes`, and refuses weights of the decoder that nothing reads: a bias without its flag in the config would
    /// be dropped in silence. Weights of other parts, such as a value head, are noted.
    pub fn check(&self, layout: &Layout, notices: &mut Notices) -> Result<()> {
        self.check_shapes(layout)?;
        let known: BTreeSet<&str> = layout.weights.iter().map(|weight| weight.name.as_str()).collect();
        // Rotary tables of old folders, and the second name of a tied head.
        let derived = |name: &str| name.ends_with(".rotary_emb.inv_freq") || name == "lm_head.weight";
        let names = self.names().filter(|name| !known.contains(name) && !derived(name));
        let (inside, outside): (Vec<_>, Vec<_>) =
            names.partition(|name| name.starts_with("model.") || name.starts_with("lm_head."));
        if let Some(name) = inside.first() {
            let reason = format!("weight `{name}` is not part of the model that config.json describes");
            return Err(EngineError::model_file(&self.folder, reason));
        }
        if !outside.is_empty() {
            let folder = self.folder.display();
            notices
                .add(format!("`{folder}`: not read, because no part of the decoder has them: {}", names_of(&outside)));
        }
        Ok(())
    }

    /// Fills the flat tensor, shard by shard.
    pub fn copy_into(&self, layout: &Layout, flat: &Tensor) -> Result<()> {
        let mut weights: Vec<&NamedWeight> = layout.weights.iter().collect();
        weights.sort_by_key(|weight| self.shard_of.get(&weight.name));
        for weight in weights {
            let target = flat.f_narrow(0, weight.offset as i64, weight.elements() as i64)?;
            self.shard(weight)?.copy_into(&weight.name, &target)?;
        }
        Ok(())
    }

    pub fn shards(&self) -> &[TensorFile] {
        &self.shards
    }

    /// The shard that holds a weight.
    pub fn shard(&self, weight: &NamedWeight) -> Result<&TensorFile> {
        let missing =
            || EngineError::WeightMissing { weight: weight.name.clone(), folder: self.folder.display().to_string() };
        self.shard_of.get(&weight.name).map(|&index| &self.shards[index]).ok_or_else(missing)
    }

    pub fn stored(&self, weight: &NamedWeight) -> Result<&StoredTensor> {
        Ok(&self.shard(weight)?.tensors[&weight.name])
    }
}

/// Notes weights that the index puts in another file than the one that holds them, or in none.
fn note_index(
    index: &Path,
    map: &BTreeMap<String, String>,
    shard_of: &BTreeMap<String, usize>,
    files: &BTreeSet<&str>,
    notices: &mut Notices,
) {
    let files: Vec<&str> = files.iter().copied().collect();
    let held = |name: &String| shard_of.get(name).map(|&shard| files[shard]);
    let all: BTreeSet<&String> = map.keys().chain(shard_of.keys()).collect();
    let wrong = all.into_iter().filter(|name| map.get(*name).map(String::as_str) != held(name));
    let wrong: Vec<&str> = wrong.map(String::as_str).collect();
    if !wrong.is_empty() {
        let index = index.display();
        notices.add(format!("`{index}`: its `weight_map` differs from the files, which count: {}", names_of(&wrong)));
    }
}

/// `weight_map` of the index: weight to file name, which must lie in the folder.
fn weight_map(index: &Path, bytes: &[u8]) -> Result<BTreeMap<String, String>> {
    let bad = |reason: String| EngineError::model_file(index, reason);
    let json: Value = serde_json::from_slice(bytes).map_err(|error| bad(error.to_string()))?;
    let map = json.get("weight_map").and_then(Value::as_object).filter(|map| !map.is_empty());
    let map = map.ok_or_else(|| bad("`weight_map` names no files".into()))?;
    let files = map.iter().map(|(weight, file)| match file.as_str() {
        Some(name) if !name.ends_with(".safetensors") || name.contains(['/', '\\']) || name.starts_with('.') => {
            Err(bad(format!("`weight_map` puts `{weight}` in `{name}`, which is not a safetensors file of the folder")))
        }
        Some(name) => Ok((weight.clone(), name.to_string())),
        None => Err(bad(format!("`weight_map` has {file} for `{weight}`, not a file"))),
    });
    let files = files.collect::<Result<BTreeMap<_, _>>>()?;
    let count = files.values().collect::<BTreeSet<_>>().len();
    if count > MAX_SHARDS {
        return Err(bad(format!("`weight_map` names {count} files; at most {MAX_SHARDS} are read")));
    }
    Ok(files)
}
