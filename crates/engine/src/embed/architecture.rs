//! The network of a folder, by its `model_type`.

use super::encoder_config::EncoderConfig;
use super::encoder_weights::EncoderWeights;
use super::json_file::JsonFile;
use super::kernel_encoder::KernelEncoder;
use super::text_decoder::{KernelTextDecoder, TorchTextDecoder};
use super::text_encoder::{Placement, TextEncoder};
use super::torch_encoder::TorchEncoder;
use crate::error::Result;
use crate::io::notices::Notices;
use crate::kernels::decoder::KernelDecoder;
use crate::model::config::DecoderConfig;
use crate::model::parameters::Parameters;
use std::path::Path;

/// An encoder with its own config, or a decoder with the policy's.
pub enum Architecture {
    Encoder(EncoderConfig),
    Decoder(DecoderConfig),
}

impl Architecture {
    /// Reads the config.
    ///
    /// # Errors
    /// `ModelFile` for malformed settings, `ModelUnsupported` for those that are not computed.
    pub fn of(folder: &Path, config: &JsonFile, notices: &mut Notices) -> Result<Self> {
        match config.fields()?.text("model_type")? {
            Some("qwen2" | "qwen3" | "llama" | "mistral") => DecoderConfig::read(folder, notices).map(Self::Decoder),
            _ => EncoderConfig::parse(config, notices).map(Self::Encoder),
        }
    }

    /// Loads the weights onto the placement.
    pub fn load(self, folder: &Path, placement: &Placement, notices: &mut Notices) -> Result<Box<dyn TextEncoder>> {
        match self {
            Self::Encoder(config) => {
                let weights = EncoderWeights::read(folder, &config, notices)?;
                Ok(match &placement.kernels {
                    Some(pool) => Box::new(KernelEncoder::new(config, &weights, pool.clone())),
                    None => Box::new(TorchEncoder::new(config, &weights, placement)?),
                })
            }
            Self::Decoder(_) => {
                let parameters = Parameters::load_headless(folder, placement.device, placement.kind, notices)?;
                Ok(match &placement.kernels {
                    Some(pool) => {
                        Box::new(KernelTextDecoder { decoder: KernelDecoder::new(&parameters)?, pool: pool.clone() })
                    }
                    None => Box::new(TorchTextDecoder { parameters }),
                })
            }
        }
    }
}
