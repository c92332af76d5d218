//! Merges a base folder and an adapter folder into a model folder, with one weight in memory at a time.
//!
//! Shards keep their names, order and precision: each header is copied unchanged, and only the numbers of adapted weights
//! differ.

use super::fingerprint::fingerprint_of;
use super::peft;
use super::peft_folder::PeftFolder;
use crate::error::{EngineError, Result};
use crate::io::companions::write_companions;
use crate::io::new_file::{write_bytes, NewFile};
use crate::io::notices::Notices;
use crate::io::read_file::{read_optional, MAX_JSON};
use crate::io::tensor_file::{StoredTensor, TensorFile};
use crate::model::config::DecoderConfig;
use crate::model::layout::Layout;
use crate::model::model_files::{changed_config, head_change, open_model};
use crate::tokenizer::files::read_tokenizer_files;
use half::{bf16, f16};
use safetensors::Dtype;
use std::collections::BTreeMap;
use std::path::Path;
use tch::{Device, Kind, Tensor};

const INDEX: &str = "model.safetensors.index.json";

/// The outcome of a merge.
pub struct Merged {
    /// The number of adapted weights.
    pub weights: usize,
    /// One line for each thing that the folders hold and nobody reads.
    pub notices: Vec<String>,
}

/// W ← W₀ + s·B·A for every adapted weight.
///
/// # Errors
/// `model` for a base that is an adapter, `out` for a folder that holds a model, `NonFinite`, and those of reading.
pub fn merge_folder(base: &Path, adapter: &Path, out: &Path) -> Result<Merged> {
    if let Some(inner) = peft::base_of(base)? {
        let reason = format!("`{}` is an adapter of `{}`; name that folder", base.display(), inner.display());
        return Err(EngineError::invalid("model", reason));
    }
    let mut notices = Notices::default();
    let (config, files) = open_model(base, &mut notices)?;
    files.check_size(&config)?;
    let (layout, _) = Layout::new(&config);
    files.check(&layout, &mut notices)?;
    let folder = PeftFolder::open(adapter, &mut notices)?;
    let sample = |weight: &_, places: &[usize]| files.shard(weight)?.numbers_at(files.stored(weight)?, places);
    folder.check_base(&fingerprint_of(&layout.weights, sample)?)?;
    let places = folder.places(&layout)?;
    let modules: BTreeMap<_, _> =
        places.modules.iter().map(|module| (format!("{}.weight", module.path), module)).collect();
    let saved: BTreeMap<_, _> = places.saved.iter().map(|saved| (saved.name.as_str(), saved)).collect();
    prepare(out)?;
    for shard in files.shards() {
        merge_shard(shard, out, |name| match (modules.get(name), saved.get(name)) {
            (Some(module), _) => {
                let factors = folder.factors(module)?;
                let scale = module.scale;
                Ok(Change::Adapt(Box::new(move |base| factors.merged(base, scale))))
            }
            (_, Some(saved)) => Ok(Change::Replace(folder.saved(saved)?)),
            _ => Ok(Change::None),
        })?;
    }
    copy_companions(base, out, &config)?;
    Ok(Merged { weights: modules.len() + saved.len(), notices: notices.lines() })
}

/// W₀ to the adapted weight, both fp32 `[outputs, inputs]`.
type Adapted = Box<dyn Fn(&Tensor) -> Tensor>;

/// A change of one weight.
enum Change {
    None,
    Adapt(Adapted),
    Replace(Tensor),
}

/// Creates the folder; refuses one that holds a model, so that nothing is overwritten.
fn prepare(out: &Path) -> Result<()> {
    if out.join("config.json").exists() {
        return Err(EngineError::invalid("out", format!("`{}` holds a model already; choose another", out.display())));
    }
    std::fs::create_dir_all(out).map_err(|error| EngineError::io(out, error))
}

/// Writes a shard with each weight changed; the bytes of the others are copied.
fn merge_shard(shard: &TensorFile, out: &Path, change: impl Fn(&str) -> Result<Change>) -> Result<()> {
    let name = shard.path().file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut file = NewFile::create(out, &name)?;
    file.append(&shard.head()?)?;
    for (name, stored) in shard.in_order() {
        match change(name)? {
            Change::Adapt(adapted) => file.append(&merged(shard, name, stored, &adapted)?)?,
            Change::Replace(weight) => file.append(&bytes_of(name, stored, &weight)?)?,
            Change::None => shard.each_chunk(stored, |bytes| file.append(bytes))?,
        }
    }
    file.finish().map(drop)
}

/// The bytes of the adapted weight, computed in fp32, in the precision of the file.
fn merged(shard: &TensorFile, name: &str, stored: &StoredTensor, adapted: &Adapted) -> Result<Vec<u8>> {
    let shape: Vec<i64> = stored.shape.iter().map(|&size| size as i64).collect();
    let weight = Tensor::f_zeros([stored.elements() as i64], (Kind::Float, Device::Cpu))?;
    shard.copy_into(name, &weight)?;
    bytes_of(name, stored, &adapted(&weight.view(shape.as_slice())))
}

/// The bytes of a weight in the precision of the file.
fn bytes_of(name: &str, stored: &StoredTensor, weight: &Tensor) -> Result<Vec<u8>> {
    let values = Vec::<f32>::try_from(&weight.reshape([-1]))?;
    let bytes = match stored.dtype {
        Dtype::BF16 => rounded(&values, bf16::from_f32, bf16::is_finite, bf16::to_le_bytes),
        Dtype::F16 => rounded(&values, f16::from_f32, f16::is_finite, f16::to_le_bytes),
        _ => rounded(&values, |value| value, f32::is_finite, f32::to_le_bytes),
    };
    bytes.ok_or_else(|| EngineError::NonFinite { what: format!("`{name}` with its adapter") })
}

/// The bytes of the rounded numbers; None where one is not finite: half precision overflows long before fp32.
fn rounded<Number: Copy, const WIDTH: usize>(
    values: &[f32],
    round: impl Fn(f32) -> Number,
    is_finite: impl Fn(Number) -> bool,
    bytes: impl Fn(Number) -> [u8; WIDTH],
) -> Option<Vec<u8>> {
    let mut all = Vec::with_capacity(values.len() * WIDTH);
    for number in values.iter().map(|&value| round(value)) {
        if !is_finite(number) {
            return None;
        }
        all.extend(bytes(number));
    }
    Some(all)
}

/// `config.json` comes last: a folder without it does not count as a model.
fn copy_companions(base: &Path, out: &Path, config: &DecoderConfig) -> Result<()> {
    write_companions(out, &read_tokenizer_files(base)?)?;
    if let Some(bytes) = read_optional(base, INDEX, MAX_JSON)? {
        write_bytes(out, INDEX, &bytes)?;
    }
    let changes: Vec<_> = head_change(config).into_iter().collect();
    write_bytes(out, "config.json", &changed_config(base, &changes)?).map(drop)
}
