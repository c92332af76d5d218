//! An encoder on libtorch: every device and precision.
//!
//! Shapes: B texts · T tokens with padding · N = B·T · D width · H heads · d head width.

use super::encoder_config::EncoderConfig;
use super::encoder_weights::{Affine, EncoderWeights, Span};
use super::text_batches::{padded_batches, Padded};
use super::text_encoder::{rotary_table, Placement, TextEncoder};
use crate::error::Result;
use crate::model::attention::merge_heads;
use tch::{Device, Kind, Tensor};

/// The weight and bias of a projection or a norm.
struct AffineTensors {
    weight: Tensor,
    bias: Option<Tensor>,
}

/// The weights of one layer.
struct Layer {
    attention_norm: Option<AffineTensors>,
    qkv: AffineTensors,
    output: AffineTensors,
    mlp_norm: AffineTensors,
    up: AffineTensors,
    down: AffineTensors,
}

/// An encoder with its weights as tensors.
pub struct TorchEncoder {
    config: EncoderConfig,
    device: Device,
    kind: Kind,
    word_embeddings: Tensor,
    position_embeddings: Option<Tensor>,
    token_type_embeddings: Option<Tensor>,
    embedding_norm: AffineTensors,
    layers: Vec<Layer>,
    final_norm: Option<AffineTensors>,
}

impl TorchEncoder {
    pub fn new(config: EncoderConfig, weights: &EncoderWeights, placement: &Placement) -> Result<Self> {
        let tensor = |span: Span| -> Result<Tensor> {
            let flat = Tensor::from_slice(weights.slice(span)).f_to_device(placement.device)?.to_kind(placement.kind);
            Ok(if span.columns == 1 { flat } else { flat.view([span.rows as i64, span.columns as i64]) })
        };
        let affine_tensors = |affine: &Affine| -> Result<AffineTensors> {
            Ok(AffineTensors { weight: tensor(affine.weight)?, bias: affine.bias.map(tensor).transpose()? })
        };
        let spans = &weights.spans;
        let layers = spans.layers.iter().map(|layer| {
            Ok(Layer {
                attention_norm: layer.attention_norm.as_ref().map(affine_tensors).transpose()?,
                qkv: affine_tensors(&layer.qkv)?,
                output: affine_tensors(&layer.output)?,
                mlp_norm: affine_tensors(&layer.mlp_norm)?,
                up: affine_tensors(&layer.up)?,
                down: affine_tensors(&layer.down)?,
            })
        });
        Ok(Self {
            device: placement.device,
            kind: placement.kind,
            word_embeddings: tensor(spans.word_embeddings)?,
            position_embeddings: spans.position_embeddings.map(tensor).transpose()?,
            token_type_embeddings: spans.token_type_embeddings.map(tensor).transpose()?,
            embedding_norm: affine_tensors(&spans.embedding_norm)?,
            layers: layers.collect::<Result<_>>()?,
            final_norm: spans.final_norm.as_ref().map(affine_tensors).transpose()?,
            config,
        })
    }

    /// Final hidden states, `[B·T, D]`.
    fn forward(&self, padded: &Padded) -> Tensor {
        let mut x = self.embed(padded);
        let padding_mask = self.padding_mask(padded);
        for (layer, kind) in self.layers.iter().zip(&self.config.layers) {
            let mask = self.mask(&padding_mask, padded.longest, kind.window);
            x = self.attention(layer, x, padded, &mask, kind.theta);
            x = self.mlp(layer, x);
        }
        self.final_norm.as_ref().map_or_else(|| x.shallow_clone(), |norm| self.normalise(norm, &x))
    }

    /// Word, position and type embeddings, normalised, `[B·T, D]`.
    fn embed(&self, padded: &Padded) -> Tensor {
        let lookup = |table: &Tensor, ids: &Tensor| Tensor::embedding(table, ids, -1, false, false);
        let mut x_btd = lookup(&self.word_embeddings, &padded.ids_bt);
        if let (Some(positions), Some(types)) = (&self.position_embeddings, &self.token_type_embeddings) {
            x_btd = x_btd + types.get(0) + positions.narrow(0, 0, padded.longest as i64);
        }
        self.normalise(&self.embedding_norm, &x_btd.view([-1, self.config.hidden_size as i64]))
    }

    /// Additive mask with −∞ at keys of padding, `[B, 1, 1, T]`.
    fn padding_mask(&self, padded: &Padded) -> Tensor {
        let row =
            |&length: &usize| (0..padded.longest).map(move |key| if key < length { 0f32 } else { f32::NEG_INFINITY });
        let mask: Vec<f32> = padded.lengths.iter().flat_map(row).collect();
        let shape = [padded.lengths.len() as i64, 1, 1, padded.longest as i64];
        Tensor::from_slice(&mask).view(shape).to_device(self.device).to_kind(self.kind)
    }

    /// The mask of padding and sliding window. A padding row far from every token attends to all keys: its result is
    /// discarded, but must not be NaN.
    fn mask(&self, padding_mask: &Tensor, longest: usize, window: Option<usize>) -> Tensor {
        let Some(window) = window else { return padding_mask.shallow_clone() };
        let places = Tensor::arange(longest as i64, (Kind::Int64, self.device));
        let far = (places.unsqueeze(0) - places.unsqueeze(1)).abs().gt(window as i64);
        let mask = padding_mask.masked_fill(&far, f64::NEG_INFINITY);
        let fully_masked = mask.isinf().all_dim(-1, true);
        mask.masked_fill(&fully_masked, 0.0)
    }

    fn attention(&self, layer: &Layer, x_nd: Tensor, padded: &Padded, mask: &Tensor, theta: Option<f64>) -> Tensor {
        let first = layer.attention_norm.as_ref().filter(|_| self.config.norm_first());
        let input = first.map_or_else(|| x_nd.shallow_clone(), |norm| self.normalise(norm, &x_nd));
        let (heads, dim) = (self.config.heads as i64, self.config.head_dim() as i64);
        let shape = [padded.lengths.len() as i64, padded.longest as i64, 3, heads, dim];
        let parts = linear(&layer.qkv, &input).view(shape).permute([2, 0, 3, 1, 4]).unbind(0);
        let (q, k) = match theta {
            None => (parts[0].shallow_clone(), parts[1].shallow_clone()),
            Some(theta) => self.rotate(theta, padded.longest, &parts[0], &parts[1]),
        };
        let attended =
            Tensor::scaled_dot_product_attention(&q, &k, &parts[2], Some(mask), 0.0, false, None::<f64>, false);
        let sum = x_nd + linear(&layer.output, &merge_heads(&attended));
        match &layer.attention_norm {
            Some(norm) if !self.config.norm_first() => self.normalise(norm, &sum),
            _ => sum,
        }
    }

    /// Rotates pairs (i, i + d/2) in fp32, as transformers does.
    fn rotate(&self, theta: f64, longest: usize, q: &Tensor, k: &Tensor) -> (Tensor, Tensor) {
        let table = rotary_table(theta, self.config.head_dim(), longest);
        let tensor = |values: &[f32]| {
            Tensor::from_slice(values)
                .view([table.positions as i64, table.half as i64])
                .to_device(self.device)
                .to_kind(self.kind)
        };
        let (cos, sin) = (tensor(&table.cos), tensor(&table.sin));
        let apply = |x: &Tensor| {
            let halves = x.to_kind(Kind::Float).chunk(2, -1);
            let (first, second) = (&halves[0], &halves[1]);
            Tensor::cat(&[first * &cos - second * &sin, second * &cos + first * &sin], -1).to_kind(self.kind)
        };
        (apply(q), apply(k))
    }

    fn mlp(&self, layer: &Layer, x_nd: Tensor) -> Tensor {
        let first = self.config.norm_first();
        let input = if first { self.normalise(&layer.mlp_norm, &x_nd) } else { x_nd.shallow_clone() };
        let up = linear(&layer.up, &input);
        let activated = if up.size()[1] == self.config.intermediate_size as i64 {
            self.config.activation.apply(&up)
        } else {
            let halves = up.chunk(2, -1);
            self.config.activation.apply(&halves[0]) * &halves[1]
        };
        let sum = x_nd + linear(&layer.down, &activated);
        if first {
            sum
        } else {
            self.normalise(&layer.mlp_norm, &sum)
        }
    }

    fn normalise(&self, norm: &AffineTensors, x: &Tensor) -> Tensor {
        let width = [self.config.hidden_size as i64];
        x.layer_norm(width, Some(&norm.weight), norm.bias.as_ref(), self.config.norm_eps, false)
    }
}

fn linear(affine_tensors: &AffineTensors, x_nd: &Tensor) -> Tensor {
    x_nd.linear(&affine_tensors.weight, affine_tensors.bias.as_ref())
}

impl TextEncoder for TorchEncoder {
    fn width(&self) -> usize {
        self.config.hidden_size
    }

    fn reserve(&mut self, _longest: usize) -> Result<()> {
        Ok(())
    }

    fn states(&self, texts: &[&[u32]]) -> Result<Vec<Vec<f32>>> {
        let pass = |batch: &[&[u32]]| {
            let padded = Padded::new(batch, self.device);
            padded.unpad(&self.forward(&padded))
        };
        let passes = padded_batches(texts).into_iter().map(|batch| tch::no_grad(|| pass(batch)));
        Ok(passes.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    }
}
