//! The weights of an encoder under the names of its folder, and their places in one flat tensor.

use super::encoder_config::{EncoderConfig, EncoderFamily};
use crate::error::{EngineError, Result};
use crate::io::notices::Notices;
use crate::model::layout::{Layout, NamedWeight};
use crate::model::weight_files::WeightFiles;
use std::path::Path;
use tch::{Device, Kind, Tensor};

/// The place of a matrix `[rows, columns]`, or of a vector as one column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    pub start: usize,
    pub rows: usize,
    pub columns: usize,
}

/// The weight and bias of a projection or a norm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Affine {
    pub weight: Span,
    pub bias: Option<Span>,
}

/// The weights of one layer.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerSpans {
    /// None in ModernBERT's first layer, whose input is normalised already.
    pub attention_norm: Option<Affine>,
    /// Query, key and value, stacked.
    pub qkv: Affine,
    pub output: Affine,
    pub mlp_norm: Affine,
    /// In a gated MLP: input and gate, stacked.
    pub up: Affine,
    pub down: Affine,
}

/// The weights of an encoder.
#[derive(Debug, Clone, PartialEq)]
pub struct EncoderSpans {
    pub word_embeddings: Span,
    pub position_embeddings: Option<Span>,
    pub token_type_embeddings: Option<Span>,
    pub embedding_norm: Affine,
    pub layers: Vec<LayerSpans>,
    pub final_norm: Option<Affine>,
}

/// The weights on the host, with the place of each.
pub struct EncoderWeights {
    flat: HostWeights,
    pub spans: EncoderSpans,
}

/// fp32 numbers on the host, filled from files.
pub struct HostWeights(Tensor);

impl HostWeights {
    /// Reads the weights of a layout. A config may describe more than memory holds: sizes that the files cannot contain are
    /// refused before they are allocated.
    pub fn read(folder: &Path, files: &WeightFiles, layout: &Layout) -> Result<Self> {
        const SMALLEST_WEIGHT: u64 = 2;
        if (layout.size as u64).saturating_mul(SMALLEST_WEIGHT) > files.bytes() {
            let (described, bytes) = (layout.size, files.bytes());
            let reason = format!("it describes {described} numbers, the safetensors files hold {bytes} bytes");
            return Err(EngineError::model_file(&folder.join("config.json"), reason));
        }
        files.check_shapes(layout)?;
        let flat = Tensor::f_zeros([layout.size as i64], (Kind::Float, Device::Cpu))?;
        files.copy_into(layout, &flat)?;
        Ok(Self(flat))
    }

    pub fn slice(&self, span: Span) -> &[f32] {
        // SAFETY: the tensor is contiguous fp32 on the host, and nothing writes to it after `read`.
        let all = unsafe { std::slice::from_raw_parts(self.0.data_ptr().cast::<f32>(), self.0.numel()) };
        &all[span.start..span.start + span.rows * span.columns]
    }
}

/// Opens the safetensors files of a folder; a pickle is refused with a hint.
pub fn open_weights(folder: &Path, notices: &mut Notices) -> Result<WeightFiles> {
    WeightFiles::open(folder, notices).map_err(|error| match error {
        EngineError::ModelFileMissing { .. } if folder.join("pytorch_model.bin").exists() => {
            let reason =
                "a pickle runs code when it is read, so it is not; save the model with safe_serialization=True";
            EngineError::model_file(&folder.join("pytorch_model.bin"), reason)
        }
        other => other,
    })
}

impl EncoderWeights {
    pub fn read(folder: &Path, config: &EncoderConfig, notices: &mut Notices) -> Result<Self> {
        let mut builder = LayoutBuilder { layout: Layout::default() };
        let mut files = open_weights(folder, notices)?;
        let (spans, prefix) = match config.family {
            EncoderFamily::Bert { types } => (builder.bert(config, types), "bert."),
            EncoderFamily::ModernBert { attention_bias, mlp_bias, norm_bias } => {
                (builder.modernbert(config, attention_bias, mlp_bias, norm_bias), "model.")
            }
        };
        // Folders saved from a model with a head prefix the encoder's names; old ones have gamma and beta.
        files.rename(|name| {
            let bare = name.strip_prefix(prefix).unwrap_or(name);
            bare.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")
        });
        Ok(Self { flat: HostWeights::read(folder, &files, &builder.layout)?, spans })
    }

    pub fn slice(&self, span: Span) -> &[f32] {
        self.flat.slice(span)
    }
}

/// Appends weights to a layout, in the order of the folder.
struct LayoutBuilder {
    layout: Layout,
}

impl LayoutBuilder {
    fn matrix(&mut self, name: &str, rows: usize, columns: usize) -> Span {
        self.weight(name, vec![rows as i64, columns as i64]);
        Span { start: self.layout.size - rows * columns, rows, columns }
    }

    fn vector(&mut self, name: &str, rows: usize) -> Span {
        self.weight(name, vec![rows as i64]);
        Span { start: self.layout.size - rows, rows, columns: 1 }
    }

    fn weight(&mut self, name: &str, shape: Vec<i64>) {
        // Sizes are at most 2^24 each, so a product of two fits; the sum over weights saturates instead of wrapping.
        let elements = shape.iter().product::<i64>() as usize;
        self.layout.weights.push(NamedWeight { name: name.into(), shape, offset: self.layout.size });
        self.layout.size = self.layout.size.saturating_add(elements);
    }

    fn affine(&mut self, name: &str, rows: usize, columns: usize, bias: bool) -> Affine {
        let weight = self.matrix(&format!("{name}.weight"), rows, columns);
        Affine { weight, bias: bias.then(|| self.vector(&format!("{name}.bias"), rows)) }
    }

    fn norm(&mut self, name: &str, width: usize, bias: bool) -> Affine {
        let weight = self.vector(&format!("{name}.weight"), width);
        Affine { weight, bias: bias.then(|| self.vector(&format!("{name}.bias"), width)) }
    }

    fn bert(&mut self, config: &EncoderConfig, types: usize) -> EncoderSpans {
        let width = config.hidden_size;
        EncoderSpans {
            word_embeddings: self.matrix("embeddings.word_embeddings.weight", config.vocab_size, width),
            position_embeddings: Some(self.matrix(
                "embeddings.position_embeddings.weight",
                config.context_length,
                width,
            )),
            token_type_embeddings: Some(self.matrix("embeddings.token_type_embeddings.weight", types, width)),
            embedding_norm: self.norm("embeddings.LayerNorm", width, true),
            layers: (0..config.layers.len()).map(|layer| self.bert_layer(config, layer)).collect(),
            final_norm: None,
        }
    }

    fn bert_layer(&mut self, config: &EncoderConfig, layer: usize) -> LayerSpans {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let name = |part: &str| format!("encoder.layer.{layer}.{part}");
        let heads = ["query", "key", "value"].map(|head| name(&format!("attention.self.{head}")));
        // Consecutive matrices of equal width are one stacked matrix.
        let weights = heads.clone().map(|head| self.matrix(&format!("{head}.weight"), width, width));
        let biases = heads.map(|head| self.vector(&format!("{head}.bias"), width));
        let stacked = |first: Span| Span { rows: 3 * width, ..first };
        LayerSpans {
            qkv: Affine { weight: stacked(weights[0]), bias: Some(stacked(biases[0])) },
            output: self.affine(&name("attention.output.dense"), width, width, true),
            attention_norm: Some(self.norm(&name("attention.output.LayerNorm"), width, true)),
            up: self.affine(&name("intermediate.dense"), inner, width, true),
            down: self.affine(&name("output.dense"), width, inner, true),
            mlp_norm: self.norm(&name("output.LayerNorm"), width, true),
        }
    }

    fn modernbert(&mut self, config: &EncoderConfig, attention: bool, mlp: bool, norm: bool) -> EncoderSpans {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let word_embeddings = self.matrix("embeddings.tok_embeddings.weight", config.vocab_size, width);
        let first_norm = self.norm("embeddings.norm", width, norm);
        let layers = (0..config.layers.len()).map(|layer| {
            let name = |part: &str| format!("layers.{layer}.{part}");
            LayerSpans {
                attention_norm: (layer > 0).then(|| self.norm(&name("attn_norm"), width, norm)),
                qkv: self.affine(&name("attn.Wqkv"), 3 * width, width, attention),
                output: self.affine(&name("attn.Wo"), width, width, attention),
                mlp_norm: self.norm(&name("mlp_norm"), width, norm),
                up: self.affine(&name("mlp.Wi"), 2 * inner, width, mlp),
                down: self.affine(&name("mlp.Wo"), width, inner, mlp),
            }
        });
        let layers = layers.collect();
        EncoderSpans {
            word_embeddings,
            position_embeddings: None,
            token_type_embeddings: None,
            embedding_norm: first_norm,
            layers,
            final_norm: Some(self.norm("final_norm", width, norm)),
        }
    }
}
