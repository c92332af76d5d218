//! The contents of a policy's checkpoint in host memory. A copy pauses training while it is made, and is written on another
//! thread while training continues; without a copy training waits until the files are written.

use crate::error::Result;
use crate::host_copy::HostTensor;
use crate::io::companions::{write_companions, Companions};
use crate::io::new_file::{write_safetensors, WrittenFile};
use crate::io::shards::{write_weights, SINGLE};
use crate::model::layout::NamedWeight;
use crate::model::lora::adapter::Adapter;
use crate::model::lora::peft;
use crate::model::parameters::Parameters;
use half::bf16;
use safetensors::tensor::View;
use safetensors::Dtype;
use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use tch::{Device, Kind, Tensor};

/// Optimizer state, unrounded weights and the reference policy.
pub const TRAINING_FILE: &str = "training.safetensors";

pub struct Snapshot {
    pub companions: Arc<Companions>,
    pub weights: Weights,
    /// None when only the model is saved.
    pub training: Option<Training>,
}

/// The flat fp32 parameters of a model or an adapter, and their division into the tensors of its file.
pub struct Weights {
    file: &'static str,
    weights: Vec<NamedWeight>,
    kind: Kind,
    master: Arc<HostTensor>,
    metadata: HashMap<String, String>,
}

pub struct Training {
    pub tensors: Vec<(String, Arc<HostTensor>)>,
    pub metadata: HashMap<String, String>,
}

impl Snapshot {
    /// Writes a Hugging Face folder and, when there is one, the training state. Weights go into files of at most
    /// `shard_bytes`.
    pub fn write(&self, folder: &Path, shard_bytes: u64) -> Result<Vec<WrittenFile>> {
        let mut written = write_companions(folder, &self.companions)?;
        written.extend(self.weights.write(folder, shard_bytes)?);
        if let Some(Training { tensors, metadata }) = &self.training {
            let views = tensors.iter().map(|(name, tensor)| (name.clone(), tensor.as_ref())).collect();
            written.push(write_safetensors(folder, TRAINING_FILE, views, Some(metadata.clone()))?);
        }
        Ok(written)
    }
}

impl Weights {
    pub fn of_model(parameters: &Parameters, master: Arc<HostTensor>) -> Self {
        let weights = parameters.layout.weights.clone();
        Self { file: SINGLE, weights, kind: parameters.kind(), master, metadata: pytorch() }
    }

    pub fn of_adapter(adapter: &Adapter, base_fingerprint: &str, master: Arc<HostTensor>) -> Self {
        let mut metadata = pytorch();
        metadata.insert(peft::BASE_FINGERPRINT.into(), base_fingerprint.into());
        Self { file: peft::WEIGHTS, weights: adapter.weights(), kind: Kind::Float, master, metadata }
    }

    fn write(&self, folder: &Path, shard_bytes: u64) -> Result<Vec<WrittenFile>> {
        let weights = self.weights.iter().map(|weight| (weight.name.clone(), self.weight(weight))).collect();
        if self.file == SINGLE {
            return write_weights(folder, weights, &self.metadata, shard_bytes);
        }
        Ok(vec![write_safetensors(folder, self.file, weights, Some(self.metadata.clone()))?])
    }

    fn weight(&self, weight: &NamedWeight) -> WeightView<'_> {
        let held = self.master.dtype;
        let width = held.bitsize() / 8;
        let bytes = &self.master.bytes()[width * weight.offset..width * (weight.offset + weight.elements())];
        let dtype = if self.kind == Kind::Float { Dtype::F32 } else { Dtype::BF16 };
        WeightView { shape: weight.sizes(), held, dtype, bytes }
    }
}

/// Writes a Hugging Face folder from the weights in place; from another device it copies one weight at a time.
pub fn write_live(
    folder: &Path,
    companions: &Companions,
    parameters: &Parameters,
    shard_bytes: u64,
) -> Result<Vec<WrittenFile>> {
    let mut written = write_companions(folder, companions)?;
    let weights = parameters.layout.weights.iter();
    let weights = weights
        .map(|weight| (weight.name.clone(), LiveWeight { weight, shape: weight.sizes(), flat: parameters.computed() }))
        .collect();
    written.extend(write_weights(folder, weights, &pytorch(), shard_bytes)?);
    Ok(written)
}

/// Names PyTorch as the framework: transformers refuses files that name none.
fn pytorch() -> HashMap<String, String> {
    HashMap::from([("format".to_string(), "pt".to_string())])
}

/// One weight in a policy's flat tensor, which must not change while it is written.
struct LiveWeight<'a> {
    weight: &'a NamedWeight,
    shape: Vec<usize>,
    flat: &'a Tensor,
}

impl View for LiveWeight<'_> {
    fn dtype(&self) -> Dtype {
        if self.flat.kind() == Kind::Float {
            Dtype::F32
        } else {
            Dtype::BF16
        }
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let weight = self.flat.narrow(0, self.weight.offset as i64, self.weight.elements() as i64);
        // SAFETY: a narrow of a flat tensor is contiguous; on the host it shares memory that lives as long as `flat`.
        let bytes = |tensor: &Tensor| unsafe {
            std::slice::from_raw_parts(tensor.data_ptr().cast::<u8>().cast_const(), self.data_len())
        };
        if self.flat.device() == Device::Cpu {
            return Cow::Borrowed(bytes(&weight));
        }
        Cow::Owned(bytes(&weight.to_device(Device::Cpu)).to_vec())
    }

    fn data_len(&self) -> usize {
        self.weight.elements() * self.flat.kind().elt_size_in_bytes()
    }
}

/// One weight of the flat fp32 copy, rounded when it is written if the model computes in bf16.
struct WeightView<'a> {
    held: Dtype,
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: &'a [u8],
}

impl View for WeightView<'_> {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        if self.dtype == self.held {
            return Cow::Borrowed(self.bytes);
        }
        let words = self.bytes.chunks_exact(4);
        let values = words.map(|word| f32::from_le_bytes(word.try_into().expect("chunks_exact yields four bytes")));
        Cow::Owned(values.flat_map(|value| bf16::from_f32(value).to_le_bytes()).collect())
    }

    fn data_len(&self) -> usize {
        if self.dtype == self.held {
            self.bytes.len()
        } else {
            self.bytes.len() / 2
        }
    }
}
