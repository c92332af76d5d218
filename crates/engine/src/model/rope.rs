//! The rotary position embedding a config asks for, in both spellings.

use super::fields::Fields;
use super::keys::says_something;
use crate::error::Result;

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
    /// Llama 3.1: long wavelengths are divided by `factor`, short ones kept, a ramp between.
    Llama3 {
        factor: f64,
        low_freq_factor: f64,
        high_freq_factor: f64,
        original_context: f64,
    },
    /// YaRN (arXiv 2309.00071): as Llama3 with a ramp over dimensions, and longer queries and keys.
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

/// Keys that some kind of scaling reads.
const COMMON: [&str; 5] =
    ["rope_type", "type", "rope_theta", "partial_rotary_factor", "original_max_position_embeddings"];
const YARN: [&str; 7] =
    ["factor", "attention_factor", "beta_fast", "beta_slow", "mscale", "mscale_all_dim", "truncate"];

impl RopeConfig {
    /// transformers 5 writes `rope_parameters`; earlier versions `rope_theta` and `rope_scaling`, which win as there.
    pub fn read(config: &Fields, context: usize) -> Result<Self> {
        let nested = match config.nested("rope_scaling")? {
            Some(scaling) if !scaling.object.is_empty() => Some(scaling),
            _ => config.nested("rope_parameters")?,
        };
        let theta = nested.map_or(Ok(None), |rope| rope.positive("rope_theta"))?;
        let theta = theta.or(config.positive("rope_theta")?).unwrap_or(10_000.0);
        refuse_partial(config)?;
        let Some(rope) = nested else { return Ok(Self { theta, scaling: RopeScaling::None }) };
        refuse_partial(&rope)?;
        let scaling = Scaling { rope, original: original_context(config, &rope, context)?, context }.read()?;
        Ok(Self { theta, scaling })
    }
}

fn refuse_partial(fields: &Fields) -> Result<()> {
    match fields.number("partial_rotary_factor")? {
        None | Some(1.0) => Ok(()),
        Some(_) => Err(fields.unsupported("partial_rotary_factor", "1")),
    }
}

/// The context before it was lengthened: beside the rope settings, in them, or the model's own, in transformers' order.
fn original_context(config: &Fields, rope: &Fields, context: usize) -> Result<f64> {
    let key = "original_max_position_embeddings";
    Ok(config.positive(key)?.or(rope.positive(key)?).unwrap_or(context as f64))
}

struct Scaling<'a> {
    rope: Fields<'a>,
    original: f64,
    context: usize,
}

impl Scaling<'_> {
    fn read(&self) -> Result<RopeScaling> {
        let rope = &self.rope;
        let key = if rope.get("rope_type").is_some() { "rope_type" } else { "type" };
        let scaling = match rope.text(key)?.unwrap_or("default") {
            "default" => (RopeScaling::None, &[][..]),
            "linear" => (RopeScaling::Linear { factor: self.needed("factor")? }, &["factor"][..]),
            "llama3" => (self.llama3()?, &["factor", "low_freq_factor", "high_freq_factor"][..]),
            "yarn" => (self.yarn()?, &YARN[..]),
            _ => return Err(rope.unsupported(key, "default, linear, llama3 and yarn")),
        };
        let (scaling, read) = scaling;
        let strange = |key: &&String| !COMMON.contains(&key.as_str()) && !read.contains(&key.as_str());
        let strange =
            rope.object.iter().filter(|(key, value)| strange(key) && says_something(value)).map(|(key, _)| key);
        match strange.min() {
            None => Ok(scaling),
            Some(key) => Err(rope.unsupported(key, "its absence with this rope_type")),
        }
    }

    fn llama3(&self) -> Result<RopeScaling> {
        let (low_freq_factor, high_freq_factor) = (self.needed("low_freq_factor")?, self.needed("high_freq_factor")?);
        if high_freq_factor <= low_freq_factor {
            return Err(self.rope.wrong("high_freq_factor", "above low_freq_factor"));
        }
        let (factor, original_context) = (self.needed("factor")?, self.original);
        Ok(RopeScaling::Llama3 { factor, low_freq_factor, high_freq_factor, original_context })
    }

    /// m(s, c) = 0.1 c ln s + 1 for s > 1, else 1; the attention factor is m(factor, 1), or
    /// m(factor, mscale) / m(factor, mscale_all_dim) where both are given (transformers' `_compute_yarn_parameters`).
    fn yarn(&self) -> Result<RopeScaling> {
        let rope = &self.rope;
        // An explicit null asks for the ratio of the contexts.
        let explicit_null = rope.object.get("factor").is_some_and(serde_json::Value::is_null);
        let factor = if explicit_null { self.context as f64 / self.original } else { self.needed("factor")? };
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

    fn needed(&self, key: &str) -> Result<f64> {
        self.rope.positive(key)?.ok_or_else(|| self.rope.wrong(key, "a number above 0, which this rope_type needs"))
    }
}
