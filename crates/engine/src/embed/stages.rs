//! The modules after the pooling: Dense and Normalize.

use super::encoder_weights::{open_weights, HostWeights, Span};
use super::json_file::{flag_or, refuse_other_keys, require, JsonFile};
use super::kernel_linear::KernelLinear;
use crate::error::Result;
use crate::io::config_fields::ConfigFields;
use crate::io::notices::Notices;
use crate::model::layout::{Layout, NamedWeight};
use crate::simd::isa::Instructions;
use serde_json::{json, Value};
use std::path::Path;

/// A module after the pooling.
pub enum Stage {
    Dense(Box<Dense>),
    Normalize,
}

/// y = f(x Wᵀ + b), plus x or its projection with `use_residual`.
pub struct Dense {
    linear: KernelLinear,
    activation: fn(f32) -> f32,
    residual: Option<Residual>,
    pub inputs: usize,
    pub outputs: usize,
}

enum Residual {
    /// x itself.
    Same,
    Projected(KernelLinear),
}

impl Stage {
    /// Applies the stage to one vector.
    pub fn apply(&self, vector: Vec<f32>) -> Vec<f32> {
        match self {
            Self::Dense(dense) => dense.apply(&vector),
            Self::Normalize => normalise(vector),
        }
    }

    /// Width of the output for an input of width `inputs`.
    pub fn outputs(&self, inputs: usize) -> usize {
        match self {
            Self::Dense(dense) => dense.outputs,
            Self::Normalize => inputs,
        }
    }
}

/// x / max(‖x‖, 1e-12), torch's F.normalize.
fn normalise(mut vector: Vec<f32>) -> Vec<f32> {
    let norm = vector.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt().max(1e-12);
    vector.iter_mut().for_each(|value| *value = (f64::from(*value) / norm) as f32);
    vector
}

/// Checks the features that a module reads and writes: the sentence embedding is the only one here.
pub fn check_features(json: &ConfigFields) -> Result<()> {
    for key in ["module_input_name", "module_output_name"] {
        require(json, key, &[json!("sentence_embedding")], "sentence_embedding")?;
    }
    Ok(())
}

impl Dense {
    /// # Errors
    /// `ModelFile` for malformed settings, `ModelUnsupported` for those that are not computed, and those of the weights.
    pub fn load(folder: &Path) -> Result<Self> {
        let file = JsonFile::read(folder, "config.json")?;
        let json = file.fields()?;
        refuse_other_keys(
            &json,
            &[
                "in_features",
                "out_features",
                "bias",
                "activation_function",
                "module_input_name",
                "module_output_name",
                "use_residual",
            ],
        )?;
        check_features(&json)?;
        let (inputs, outputs) = (json.needed_size("in_features")?, json.needed_size("out_features")?);
        let residual = json.flag("use_residual")?;
        let mut layout = Layout::default();
        let mut append = |name: &str, rows: usize, columns: usize, matrix: bool| {
            let start = layout.size;
            let shape = if matrix { vec![rows as i64, columns as i64] } else { vec![rows as i64] };
            layout.weights.push(NamedWeight { name: name.into(), shape, offset: start });
            layout.size = start.saturating_add(rows * columns);
            Span { start, rows, columns }
        };
        let weight = append("linear.weight", outputs, inputs, true);
        let bias = flag_or(&json, "bias", true)?.then(|| append("linear.bias", outputs, 1, false));
        let projection = (residual && inputs != outputs).then(|| append("residual.weight", outputs, inputs, true));
        let weights = HostWeights::read(folder, &open_weights(folder, &mut Notices::default())?, &layout)?;
        let linear = |weight: Span, bias: Option<Span>| {
            let bias = bias.map(|span| weights.slice(span).to_vec());
            KernelLinear::pack(weights.slice(weight), bias, outputs, inputs, Instructions::detect())
        };
        Ok(Self {
            activation: activation(&json)?,
            residual: match projection {
                Some(weight) => Some(Residual::Projected(linear(weight, None))),
                None => residual.then_some(Residual::Same),
            },
            linear: linear(weight, bias),
            inputs,
            outputs,
        })
    }

    fn apply(&self, x: &[f32]) -> Vec<f32> {
        let mut out = self.linear.product(x);
        out.iter_mut().for_each(|value| *value = (self.activation)(*value));
        match &self.residual {
            None => {}
            Some(Residual::Same) => out.iter_mut().zip(x).for_each(|(slot, value)| *slot += value),
            Some(Residual::Projected(linear)) => {
                out.iter_mut().zip(linear.product(x)).for_each(|(slot, value)| *slot += value);
            }
        }
        out
    }
}

/// The torch.nn class of `activation_function`; Tanh, the default of sentence-transformers, where absent.
fn activation(json: &ConfigFields) -> Result<fn(f32) -> f32> {
    let path = json.get("activation_function").map_or(Some("torch.nn.Tanh"), Value::as_str).unwrap_or_default();
    let known: fn(f32) -> f32 = match (path.starts_with("torch.nn."), path.rsplit('.').next().unwrap_or_default()) {
        (true, "Identity") => |x| x,
        (true, "Tanh") => f32::tanh,
        (true, "ReLU") => |x| x.max(0.0),
        (true, "GELU") => crate::simd::gelu::gelu,
        (true, "SiLU") => crate::simd::math::silu,
        (true, "Sigmoid") => |x| 1.0 / (1.0 + (-x).exp()),
        _ => {
            return Err(
                json.unsupported("activation_function", "torch.nn's Identity, Tanh, ReLU, GELU, SiLU and Sigmoid")
            )
        }
    };
    Ok(known)
}
