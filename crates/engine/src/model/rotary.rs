//! Rotary position embedding: its settings in `config.json`, in both spellings, and its tables, as transformers computes
//! them.

use crate::error::Result;
use crate::io::config_fields::ConfigFields;
use crate::io::key_rule::{number, off, KeyRule, RefusedKey};
use crate::io::notices::Notices;
use std::f64::consts::PI;

/// The base θ and the rescaling of frequencies for longer contexts.
#[derive(Debug, Clone, PartialEq)]
pub struct RopeConfig {
    pub theta: f64,
    pub scaling: RopeScaling,
}

#[derive(Debug, Clone, PartialEq)]
pub enum RopeScaling {
    None,
    Linear {
        factor: f64,
    },
    /// Llama 3.1: divides the frequencies of long wavelengths by `factor`, keeps those of short ones, with a ramp between.
    Llama3 {
        factor: f64,
        low_freq_factor: f64,
        high_freq_factor: f64,
        original_context: f64,
    },
    /// YaRN (arXiv 2309.00071): as Llama3 with a ramp over dimensions, and scaled queries and keys.
    Yarn {
        factor: f64,
        original_context: f64,
        beta_fast: f64,
        beta_slow: f64,
        truncate: bool,
        /// Multiplies cos and sin.
        attention_factor: f64,
    },
}

/// Keys that every rope_type reads.
const COMMON: [&str; 5] =
    ["rope_type", "type", "rope_theta", "partial_rotary_factor", "original_max_position_embeddings"];
/// Keys that some rope_type reads, and names of layers with settings of their own: refused where this one does not.
const FOREIGN: [RefusedKey; 22] = [
    off("alpha"),
    number("attention_factor", 1.0),
    number("attn_factor", 1.0),
    off("beta_fast"),
    off("beta_slow"),
    off("chunked_attention"),
    number("extrapolation_factor", 1.0),
    number("factor", 1.0),
    off("full_attention"),
    off("high_freq_factor"),
    off("linear_attention"),
    off("long_factor"),
    off("low_freq_factor"),
    off("mrope_interleaved"),
    off("mrope_section"),
    off("mscale"),
    off("mscale_all_dim"),
    off("short_factor"),
    off("short_mscale"),
    off("long_mscale"),
    off("sliding_attention"),
    off("truncate"),
];
const YARN: [&str; 7] =
    ["factor", "attention_factor", "beta_fast", "beta_slow", "mscale", "mscale_all_dim", "truncate"];

impl RopeConfig {
    /// transformers 5 writes `rope_parameters`, earlier versions `rope_theta` and `rope_scaling`. As in transformers,
    /// `rope_scaling` overrides `rope_parameters`.
    pub fn read(config: &ConfigFields, context: usize, notices: &mut Notices) -> Result<Self> {
        let nested = match config.nested("rope_scaling")? {
            Some(scaling) if !scaling.object.is_empty() => Some(scaling),
            _ => config.nested("rope_parameters")?,
        };
        let theta = nested.map_or(Ok(None), |rope| rope.positive("rope_theta"))?;
        let theta = theta.or(config.positive("rope_theta")?).unwrap_or(10_000.0);
        refuse_partial(config)?;
        let Some(rope) = nested else { return Ok(Self { theta, scaling: RopeScaling::None }) };
        refuse_partial(&rope)?;
        let scaling = Scaling { rope, original: original_context(config, &rope, context)?, context }.read(notices)?;
        Ok(Self { theta, scaling })
    }
}

fn refuse_partial(fields: &ConfigFields) -> Result<()> {
    match fields.number("partial_rotary_factor")? {
        None | Some(1.0) => Ok(()),
        Some(_) => Err(fields.unsupported("partial_rotary_factor", "1")),
    }
}

/// The context length before rescaling: of the config, of the rope settings, or `max_position_embeddings`, in the order of
/// transformers.
fn original_context(config: &ConfigFields, rope: &ConfigFields, context: usize) -> Result<f64> {
    let key = "original_max_position_embeddings";
    Ok(config.positive(key)?.or(rope.positive(key)?).unwrap_or(context as f64))
}

/// Reads the rescaling.
struct Scaling<'a> {
    rope: ConfigFields<'a>,
    /// Context length before rescaling.
    original: f64,
    context: usize,
}

impl Scaling<'_> {
    fn read(&self, notices: &mut Notices) -> Result<RopeScaling> {
        let rope = &self.rope;
        let key = if rope.get("rope_type").is_some() { "rope_type" } else { "type" };
        let scaling = match rope.text(key)?.unwrap_or("default") {
            "default" => (RopeScaling::None, &[][..]),
            "linear" => (RopeScaling::Linear { factor: self.required("factor")? }, &["factor"][..]),
            "llama3" => (self.llama3()?, &["factor", "low_freq_factor", "high_freq_factor"][..]),
            "yarn" => (self.yarn()?, &YARN[..]),
            "dynamic" => (self.dynamic(notices)?, &["factor"][..]),
            _ => return Err(rope.unsupported(key, "default, dynamic, linear, llama3 and yarn")),
        };
        let (scaling, read) = scaling;
        KeyRule { read: &[&COMMON, read].concat(), harmless: &[], refused: &[&FOREIGN] }.check(rope, notices)?;
        Ok(scaling)
    }

    /// Dynamic NTK raises θ with the length of a sequence, from `max_position_embeddings` on (transformers'
    /// `_compute_dynamic_ntk_parameters`). That many tokens are the context here, so θ stays as it is: keys in a cache were
    /// rotated for shorter sequences, and no sequence would have the log-probabilities that it was sampled with.
    fn dynamic(&self, notices: &mut Notices) -> Result<RopeScaling> {
        self.required("factor")?;
        let (file, context) = (self.rope.file().display(), self.context);
        notices.add(format!(
            "`{file}`: dynamic rope scaling begins beyond `max_position_embeddings`, {context} tokens, which are the context here"
        ));
        Ok(RopeScaling::None)
    }

    fn llama3(&self) -> Result<RopeScaling> {
        let (low_freq_factor, high_freq_factor) =
            (self.required("low_freq_factor")?, self.required("high_freq_factor")?);
        if high_freq_factor <= low_freq_factor {
            return Err(self.rope.wrong("high_freq_factor", "above low_freq_factor"));
        }
        let (factor, original_context) = (self.required("factor")?, self.original);
        Ok(RopeScaling::Llama3 { factor, low_freq_factor, high_freq_factor, original_context })
    }

    /// m(s, c) = 0.1 c ln s + 1 for s > 1, else 1; the attention factor is m(factor, 1), or
    /// m(factor, mscale) / m(factor, mscale_all_dim) where both are given (transformers' `_compute_yarn_parameters`).
    fn yarn(&self) -> Result<RopeScaling> {
        let rope = &self.rope;
        // An explicit null means the ratio of the context lengths.
        let explicit_null = rope.object.get("factor").is_some_and(serde_json::Value::is_null);
        let factor = if explicit_null { self.context as f64 / self.original } else { self.required("factor")? };
        let lengthened = |scale: f64| if factor <= 1.0 { 1.0 } else { 0.1 * scale * factor.ln() + 1.0 };
        let given = |key: &str| -> Result<Option<f64>> { Ok(rope.number(key)?.filter(|&number| number != 0.0)) };
        let default = match (given("mscale")?, given("mscale_all_dim")?) {
            (Some(scale), Some(all)) => lengthened(scale) / lengthened(all),
            _ => lengthened(1.0),
        };
        Ok(RopeScaling::Yarn {
            factor,
            original_context: self.original,
            beta_fast: given("beta_fast")?.unwrap_or(32.0),
            beta_slow: given("beta_slow")?.unwrap_or(1.0),
            truncate: !rope.object.contains_key("truncate") || rope.flag("truncate")?,
            attention_factor: rope.positive("attention_factor")?.unwrap_or(default),
        })
    }

    fn required(&self, key: &str) -> Result<f64> {
        self.rope.positive(key)?.ok_or_else(|| self.rope.wrong(key, "a number above 0, which this rope_type needs"))
    }
}

/// cos and sin of every position below `positions`, each `[positions, head_dim / 2]`.
#[derive(Debug, Clone, Default)]
pub struct RotaryTable {
    pub cos: Vec<f32>,
    pub sin: Vec<f32>,
    pub positions: usize,
    pub half: usize,
}

impl RotaryTable {
    pub fn new(rope: &RopeConfig, head_dim: usize, positions: usize) -> Self {
        let frequencies = inverse_frequencies(rope, head_dim);
        let half = frequencies.len();
        let attention_factor = match rope.scaling {
            RopeScaling::Yarn { attention_factor, .. } => attention_factor as f32,
            _ => 1.0,
        };
        let angles = (0..positions)
            .flat_map(|position| frequencies.iter().map(move |frequency| (frequency * position as f32) as f64));
        let (cos, sin) =
            angles.map(|angle| (angle.cos() as f32 * attention_factor, angle.sin() as f32 * attention_factor)).unzip();
        Self { cos, sin, positions, half }
    }
}

/// θ_i = base^(−2i/d), rescaled for a longer context, `[head_dim / 2]`.
fn inverse_frequencies(rope: &RopeConfig, head_dim: usize) -> Vec<f32> {
    let dim = head_dim as f64;
    let ramp = yarn_ramp(rope, dim);
    (0..head_dim / 2)
        .map(|index| (index, 1.0 / rope.theta.powf(2.0 * index as f64 / dim)))
        .map(|(index, frequency)| scaled(frequency, &rope.scaling, ramp.value(index)) as f32)
        .collect()
}

/// The rescaled frequency; `interpolated` is YaRN's weight of the divided frequency.
fn scaled(frequency: f64, scaling: &RopeScaling, interpolated: f64) -> f64 {
    match *scaling {
        RopeScaling::None => frequency,
        RopeScaling::Linear { factor } => frequency / factor,
        RopeScaling::Yarn { factor, .. } => frequency / factor * interpolated + frequency * (1.0 - interpolated),
        RopeScaling::Llama3 { factor, low_freq_factor, high_freq_factor, original_context } => {
            let wavelength = 2.0 * PI / frequency;
            if wavelength < original_context / high_freq_factor {
                return frequency;
            }
            if wavelength > original_context / low_freq_factor {
                return frequency / factor;
            }
            let smooth = (original_context / wavelength - low_freq_factor) / (high_freq_factor - low_freq_factor);
            (1.0 - smooth) * frequency / factor + smooth * frequency
        }
    }
}

/// Rises from 0 at dimension `low` to 1 at `high`.
struct Ramp {
    low: f64,
    high: f64,
}

impl Ramp {
    fn value(&self, index: usize) -> f64 {
        ((index as f64 - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }
}

/// The ramp between the dimensions that turn `beta_fast` and `beta_slow` times within the original context:
/// d(β) = dim · ln(context / 2πβ) / (2 ln base).
fn yarn_ramp(rope: &RopeConfig, dim: f64) -> Ramp {
    let RopeScaling::Yarn { original_context, beta_fast, beta_slow, truncate, .. } = rope.scaling else {
        return Ramp { low: 0.0, high: 1.0 };
    };
    let turning = |beta: f64| dim * (original_context / (beta * 2.0 * PI)).ln() / (2.0 * rope.theta.ln());
    let (low, high) = (turning(beta_fast), turning(beta_slow));
    let (low, high) = if truncate { (low.floor(), high.ceil()) } else { (low, high) };
    let (low, high) = (low.max(0.0), high.min(dim - 1.0));
    // A step instead of a ramp where both meet, without dividing by zero.
    Ramp { low, high: if low == high { high + 0.001 } else { high } }
}
