//! What turns tokens into hidden states: an encoder or a decoder, on our kernels or on libtorch.

use super::config::EncoderConfig;
use super::encoder::TorchEncoder;
use super::json::JsonFile;
use super::kernels::{units, KernelEncoder};
use super::layout::EncoderWeights;
use crate::cpu::cache::KvCache;
use crate::cpu::decoder::CpuDecoder;
use crate::cpu::segment::{Segment, Workspace};
use crate::cpu::trainer::Pool;
use crate::error::Result;
use crate::model::attention::{causal_attention, merge_heads};
use crate::model::config::DecoderConfig;
use crate::model::decoder::Decoder;
use crate::model::parameters::Parameters;
use crate::model::rotary::RotaryTable;
use rayon::prelude::*;
use std::path::Path;
use tch::{Device, Kind, Tensor};

pub trait Network {
    fn width(&self) -> usize;
    /// Called before `states` with the longest text's length.
    fn reserve(&mut self, longest: usize) -> Result<()>;
    /// Hidden states `[tokens, width]` of each text; no text is empty.
    fn states(&self, texts: &[&[u32]]) -> Result<Vec<Vec<f32>>>;
}

/// Where and how a network computes.
#[derive(Clone)]
pub struct Placement {
    pub device: Device,
    pub kind: Kind,
    /// Our own kernels, with these threads; else libtorch.
    pub kernels: Option<Pool>,
}

/// The families: encoders by their own config, decoders by the policy's.
pub enum Architecture {
    Encoder(EncoderConfig),
    Decoder(DecoderConfig),
}

impl Architecture {
    pub fn of(folder: &Path, config: &JsonFile) -> Result<Self> {
        match config.fields()?.text("model_type")? {
            Some("qwen2" | "qwen3" | "llama" | "mistral") => DecoderConfig::read(folder).map(Self::Decoder),
            _ => EncoderConfig::parse(config).map(Self::Encoder),
        }
    }

    pub fn load(self, folder: &Path, placement: &Placement) -> Result<Box<dyn Network>> {
        match self {
            Self::Encoder(config) => {
                let weights = EncoderWeights::read(folder, &config)?;
                Ok(match &placement.kernels {
                    Some(pool) => Box::new(KernelEncoder::new(config, &weights, pool.clone())),
                    None => Box::new(TorchEncoder::new(config, &weights, placement)?),
                })
            }
            Self::Decoder(_) => {
                let parameters = Parameters::load_headless(folder, placement.device, placement.kind)?;
                Ok(match &placement.kernels {
                    Some(pool) => {
                        Box::new(KernelDecoder { decoder: CpuDecoder::new(&parameters)?, pool: pool.clone() })
                    }
                    None => Box::new(TorchDecoder { parameters }),
                })
            }
        }
    }
}

/// cos and sin of θ_i = base^(−2i/d) at every position below `positions`, as transformers computes them.
pub fn rotary_table(base: f64, dim: usize, positions: usize) -> RotaryTable {
    let frequencies: Vec<f32> =
        (0..dim / 2).map(|index| (1.0 / base.powf(2.0 * index as f64 / dim as f64)) as f32).collect();
    let angles = (0..positions)
        .flat_map(|position| frequencies.iter().map(move |frequency| f64::from(frequency * position as f32)));
    let (cos, sin) = angles.map(|angle| (angle.cos() as f32, angle.sin() as f32)).unzip();
    RotaryTable { cos, sin, positions, half: dim / 2 }
}

/// Texts that one padded pass takes: at most this many rows with the padding.
const PADDED_ROWS: usize = 16384;

/// Consecutive texts whose padded rows stay within the limit; the texts come sorted by length, so padding is little.
pub fn buckets<'a, 'b>(texts: &'b [&'a [u32]]) -> Vec<&'b [&'a [u32]]> {
    let mut buckets = Vec::new();
    let (mut start, mut longest) = (0, 0);
    for (at, text) in texts.iter().enumerate() {
        let wider = longest.max(text.len());
        if at > start && wider * (at + 1 - start) > PADDED_ROWS {
            buckets.push(&texts[start..at]);
            (start, longest) = (at, text.len());
        } else {
            longest = wider;
        }
    }
    if start < texts.len() {
        buckets.push(&texts[start..]);
    }
    buckets
}

/// Texts padded on the right to one length, `[B, T]`.
pub struct Padded {
    pub ids_bt: Tensor,
    pub lengths: Vec<usize>,
    pub longest: usize,
}

impl Padded {
    pub fn new(texts: &[&[u32]], device: Device) -> Self {
        let longest = texts.iter().map(|text| text.len()).max().unwrap_or(0);
        let padded = |text: &&[u32]| -> Vec<i64> {
            let padding = std::iter::repeat_n(0, longest - text.len());
            text.iter().map(|&token| i64::from(token)).chain(padding).collect()
        };
        let ids: Vec<i64> = texts.iter().flat_map(padded).collect();
        let ids_bt = Tensor::from_slice(&ids).view([texts.len() as i64, longest as i64]).to_device(device);
        Self { ids_bt, lengths: texts.iter().map(|text| text.len()).collect(), longest }
    }

    /// The rows of every text that are no padding, from `[B·T, D]`.
    pub fn unpad(&self, states_nd: &Tensor) -> Result<Vec<Vec<f32>>> {
        let width = states_nd.size()[1] as usize;
        let flat =
            Vec::<f32>::try_from(&states_nd.to_kind(Kind::Float).f_to_device(Device::Cpu)?.contiguous().view([-1]))?;
        let rows = flat.chunks_exact(self.longest * width).zip(&self.lengths);
        Ok(rows.map(|(text, &length)| text[..length * width].to_vec()).collect())
    }
}

/// A decoder on our kernels: every text is one prompt, computed to its last hidden state.
pub struct KernelDecoder {
    pub decoder: CpuDecoder,
    pub pool: Pool,
}

impl KernelDecoder {
    fn unit(&self, texts: &[&[u32]]) -> Vec<Vec<f32>> {
        let config = &self.decoder.config;
        let mut caches: Vec<KvCache> = texts.iter().map(|text| KvCache::new(config, text.len())).collect();
        let mut segments: Vec<Segment> =
            texts.iter().zip(&mut caches).map(|(tokens, own)| Segment { tokens, prefix: None, own }).collect();
        let mut workspace = Workspace::default();
        let mut rows = self.decoder.states(&mut segments, &mut workspace);
        let split = texts.iter().map(|text| {
            let (own, rest) = rows.split_at(text.len() * config.hidden_size);
            rows = rest;
            own.to_vec()
        });
        split.collect()
    }
}

impl Network for KernelDecoder {
    fn width(&self) -> usize {
        self.decoder.config.hidden_size
    }

    fn reserve(&mut self, longest: usize) -> Result<()> {
        self.decoder.reserve_positions(longest);
        Ok(())
    }

    fn states(&self, texts: &[&[u32]]) -> Result<Vec<Vec<f32>>> {
        let units = units(texts);
        Ok(match &self.pool {
            Some(pool) => pool.install(|| units.par_iter().flat_map_iter(|unit| self.unit(unit)).collect()),
            None => units.iter().flat_map(|unit| self.unit(unit)).collect(),
        })
    }
}

/// A decoder on libtorch. Padding stands on the right, where a causal model does not look.
struct TorchDecoder {
    parameters: Parameters,
}

impl TorchDecoder {
    fn bucket(&self, texts: &[&[u32]]) -> Result<Vec<Vec<f32>>> {
        let parameters = &self.parameters;
        let (decoder, padded) = (Decoder::new(parameters), Padded::new(texts, parameters.device()));
        let (batch, length) = (texts.len() as i64, padded.longest as i64);
        let positions = Tensor::arange(length, (Kind::Int64, parameters.device())).repeat([batch]);
        let rotary = decoder.rotary(&positions, padded.longest);
        let mut x_nd = decoder.embed(&padded.ids_bt.view([-1]));
        let split = |x: &Tensor| x.view([batch, length, x.size()[1], x.size()[2]]).transpose(1, 2);
        for (index, layer) in parameters.leaves.layers.iter().enumerate() {
            let window = parameters.config.windows.of(index);
            x_nd = decoder.layer(layer, x_nd, &rotary, |qkv| {
                merge_heads(&causal_attention(&split(&qkv.q), &split(&qkv.k), &split(&qkv.v), window))
            });
        }
        padded.unpad(&decoder.normalise(&x_nd, parameters.leaves.norm))
    }
}

impl Network for TorchDecoder {
    fn width(&self) -> usize {
        self.parameters.config.hidden_size
    }

    fn reserve(&mut self, _longest: usize) -> Result<()> {
        Ok(())
    }

    fn states(&self, texts: &[&[u32]]) -> Result<Vec<Vec<f32>>> {
        let passes = buckets(texts).into_iter().map(|bucket| tch::no_grad(|| self.bucket(bucket)));
        Ok(passes.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    }
}
