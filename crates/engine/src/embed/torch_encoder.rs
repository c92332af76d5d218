//! An encoder on libtorch: every device and precision.
//!
//! Shapes: B texts · T tokens with padding · N = B·T · D width · H heads · d head width.

use super::config::{Activation, EncoderConfig};
use super::layout::{Affine, EncoderWeights, Span};
use super::padded_texts::{buckets, Padded};
use super::text_encoder::{rotary_table, Placement, TextEncoder};
use crate::error::Result;
use crate::model::attention::merge_heads;
use tch::{Device, Kind, Tensor};

struct Pair {
    weight: Tensor,
    bias: Option<Tensor>,
}

struct Layer {
    attention_norm: Option<Pair>,
    qkv: Pair,
    output: Pair,
    mlp_norm: Pair,
    up: Pair,
    down: Pair,
}

pub struct TorchEncoder {
    config: EncoderConfig,
    device: Device,
    kind: Kind,
    words: Tensor,
    positions: Option<Tensor>,
    types: Option<Tensor>,
    norm: Pair,
    layers: Vec<Layer>,
    final_norm: Option<Pair>,
}

impl TorchEncoder {
    pub fn new(config: EncoderConfig, weights: &EncoderWeights, placement: &Placement) -> Result<Self> {
        let tensor = |span: Span| -> Result<Tensor> {
            let flat = Tensor::from_slice(weights.slice(span)).f_to_device(placement.device)?.to_kind(placement.kind);
            Ok(if span.columns == 1 { flat } else { flat.view([span.rows as i64, span.columns as i64]) })
        };
        let pair = |affine: &Affine| -> Result<Pair> {
            Ok(Pair { weight: tensor(affine.weight)?, bias: affine.bias.map(tensor).transpose()? })
        };
        let spans = &weights.spans;
        let layers = spans.layers.iter().map(|layer| {
            Ok(Layer {
                attention_norm: layer.attention_norm.as_ref().map(pair).transpose()?,
                qkv: pair(&layer.qkv)?,
                output: pair(&layer.output)?,
                mlp_norm: pair(&layer.mlp_norm)?,
                up: pair(&layer.up)?,
                down: pair(&layer.down)?,
            })
        });
        Ok(Self {
            device: placement.device,
            kind: placement.kind,
            words: tensor(spans.words)?,
            positions: spans.positions.map(tensor).transpose()?,
            types: spans.types.map(tensor).transpose()?,
            norm: pair(&spans.norm)?,
            layers: layers.collect::<Result<_>>()?,
            final_norm: spans.final_norm.as_ref().map(pair).transpose()?,
            config,
        })
    }

    /// `[B·T, D]`
    fn forward(&self, padded: &Padded) -> Tensor {
        let mut x = self.embed(padded);
        let hidden_keys = self.hidden_keys(padded);
        for (layer, kind) in self.layers.iter().zip(&self.config.layers) {
            let mask = self.mask(&hidden_keys, padded.longest, kind.window);
            x = self.attention(layer, x, padded, &mask, kind.theta);
            x = self.mlp(layer, x);
        }
        self.final_norm.as_ref().map_or_else(|| x.shallow_clone(), |norm| self.normalise(norm, &x))
    }

    fn embed(&self, padded: &Padded) -> Tensor {
        let lookup = |table: &Tensor, ids: &Tensor| Tensor::embedding(table, ids, -1, false, false);
        let mut x_btd = lookup(&self.words, &padded.ids_bt);
        if let (Some(positions), Some(types)) = (&self.positions, &self.types) {
            x_btd = x_btd + types.get(0) + positions.narrow(0, 0, padded.longest as i64);
        }
        self.normalise(&self.norm, &x_btd.view([-1, self.config.hidden_size as i64]))
    }

    /// −∞ at keys that are padding, `[B, 1, 1, T]`.
    fn hidden_keys(&self, padded: &Padded) -> Tensor {
        let row =
            |&length: &usize| (0..padded.longest).map(move |key| if key < length { 0f32 } else { f32::NEG_INFINITY });
        let mask: Vec<f32> = padded.lengths.iter().flat_map(row).collect();
        let shape = [padded.lengths.len() as i64, 1, 1, padded.longest as i64];
        Tensor::from_slice(&mask).view(shape).to_device(self.device).to_kind(self.kind)
    }

    /// Keys hidden from each query by padding and window. A row of padding far from every token sees all: what comes of
    /// it is thrown away, but must not be NaN.
    fn mask(&self, hidden_keys: &Tensor, longest: usize, window: Option<usize>) -> Tensor {
        let Some(window) = window else { return hidden_keys.shallow_clone() };
        let places = Tensor::arange(longest as i64, (Kind::Int64, self.device));
        let far = (places.unsqueeze(0) - places.unsqueeze(1)).abs().gt(window as i64);
        let mask = hidden_keys.masked_fill(&far, f64::NEG_INFINITY);
        let blind = mask.isinf().all_dim(-1, true);
        mask.masked_fill(&blind, 0.0)
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
            self.activate(&up)
        } else {
            let halves = up.chunk(2, -1);
            self.activate(&halves[0]) * &halves[1]
        };
        let sum = x_nd + linear(&layer.down, &activated);
        if first {
            sum
        } else {
            self.normalise(&layer.mlp_norm, &sum)
        }
    }

    fn activate(&self, x: &Tensor) -> Tensor {
        match self.config.activation {
            Activation::Gelu => x.gelu("none"),
            Activation::GeluTanh => x.gelu("tanh"),
            Activation::Relu => x.relu(),
            Activation::Silu => x.silu(),
        }
    }

    fn normalise(&self, norm: &Pair, x: &Tensor) -> Tensor {
        let width = [self.config.hidden_size as i64];
        x.layer_norm(width, Some(&norm.weight), norm.bias.as_ref(), self.config.norm_eps, false)
    }
}

fn linear(pair: &Pair, x_nd: &Tensor) -> Tensor {
    x_nd.linear(&pair.weight, pair.bias.as_ref())
}

impl TextEncoder for TorchEncoder {
    fn width(&self) -> usize {
        self.config.hidden_size
    }

    fn reserve(&mut self, _longest: usize) -> Result<()> {
        Ok(())
    }

    fn states(&self, texts: &[&[u32]]) -> Result<Vec<Vec<f32>>> {
        let pass = |bucket: &[&[u32]]| {
            let padded = Padded::new(bucket, self.device);
            padded.unpad(&self.forward(&padded))
        };
        let passes = buckets(texts).into_iter().map(|bucket| tch::no_grad(|| pass(bucket)));
        Ok(passes.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    }
}
