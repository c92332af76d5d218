//! The fingerprint that ties an adapter to its base.

use crate::error::Result;
use crate::model::layout::NamedWeight;
use crate::model::parameters::Parameters;
use half::bf16;
use tch::{Device, Kind, Tensor};

/// Numbers sampled from each weight: another training run changes nearly all of them.
const SAMPLES: usize = 64;

/// The fingerprint of loaded weights, before an adapter is merged into them.
pub fn fingerprint(parameters: &Parameters) -> Result<String> {
    fingerprint_of(&parameters.layout.weights, |weight, places| {
        let places: Vec<i64> = places.iter().map(|place| (weight.offset + place) as i64).collect();
        let sample = parameters.master.index_select(0, &Tensor::from_slice(&places).to_device(parameters.device()));
        Ok(Vec::<f32>::try_from(&sample.to_kind(Kind::Float).f_to_device(Device::Cpu)?)?)
    })
}

/// A hash of the weights' names, shapes and a sample of their numbers, in 16 hexadecimal digits. `sample` returns the
/// numbers at flat indices of a weight; they are rounded to bf16 first, so that a model has one fingerprint in every
/// precision.
pub fn fingerprint_of(
    weights: &[NamedWeight],
    mut sample: impl FnMut(&NamedWeight, &[usize]) -> Result<Vec<f32>>,
) -> Result<String> {
    let mut hash = Fnv::default();
    for weight in weights {
        hash.add(weight.name.as_bytes());
        weight.shape.iter().for_each(|size| hash.add(&size.to_le_bytes()));
        let places: Vec<usize> = (0..SAMPLES).map(|sample| sample * weight.elements() / SAMPLES).collect();
        for value in sample(weight, &places)? {
            hash.add(&bf16::from_f32(value).to_le_bytes());
        }
    }
    Ok(format!("{:016x}", hash.0))
}

/// FNV-1a, 64 bits.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}
