//! A decoder as an encoder of texts, on libtorch.

use super::padded_texts::{buckets, Padded};
use super::text_encoder::TextEncoder;
use crate::error::Result;
use crate::model::attention::{causal_attention, merge_heads};
use crate::model::decoder::Decoder;
use crate::model::parameters::Parameters;
use tch::{Kind, Tensor};

/// Padding stands on the right, where a causal model does not look.
pub struct TorchTextDecoder {
    pub parameters: Parameters,
}

impl TorchTextDecoder {
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

impl TextEncoder for TorchTextDecoder {
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
