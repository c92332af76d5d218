//! `config.json` of the encoders: BERT (MiniLM among them) and ModernBERT, as one set of parameters.

use super::json_file::{require, JsonFile};
use crate::error::Result;
use crate::io::config_fields::ConfigFields;
use crate::io::key_rule::KeyRule;
use crate::io::notices::Notices;
use crate::model::activation::Activation;
use crate::model::config_keys::HARMLESS_KEYS;
use crate::model::foreign_keys::FOREIGN;
use serde_json::json;

/// The settings of an encoder.
#[derive(Debug, Clone, PartialEq)]
pub struct EncoderConfig {
    pub vocab_size: usize,
    pub hidden_size: usize,
    pub heads: usize,
    pub intermediate_size: usize,
    pub norm_eps: f64,
    pub activation: Activation,
    pub family: EncoderFamily,
    pub layers: Vec<LayerConfig>,
    pub context_length: usize,
}

/// The differences between the families.
#[derive(Debug, Clone, PartialEq)]
pub enum EncoderFamily {
    /// Learned positions, norms after each residual sum, a bias on every projection.
    Bert { types: usize },
    /// Rotary positions, norms before attention and MLP, a gated MLP.
    ModernBert { attention_bias: bool, mlp_bias: bool, norm_bias: bool },
}

/// The settings of one layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LayerConfig {
    /// A token attends to tokens at most this far away; None attends to all.
    pub window: Option<usize>,
    /// θ of the rotary embedding; None has no rotary embedding.
    pub theta: Option<f64>,
}

/// Most layers accepted: no model has as many, and a config beyond it is an accident or an attack.
const MAX_LAYERS: usize = 1024;

/// Keys that are read here, and keys of heads, training and dropout, which an embedder does not use.
const BERT_KEYS: [&str; 20] = [
    "add_cross_attention",
    "attention_probs_dropout_prob",
    "classifier_dropout",
    "directionality",
    "hidden_act",
    "hidden_dropout_prob",
    "hidden_size",
    "intermediate_size",
    "layer_norm_eps",
    "max_position_embeddings",
    "model_type",
    "num_attention_heads",
    "num_hidden_layers",
    "pooler_fc_size",
    "pooler_num_attention_heads",
    "pooler_num_fc_layers",
    "pooler_size_per_head",
    "pooler_type",
    "position_embedding_type",
    "type_vocab_size",
];
/// As `BERT_KEYS`, of ModernBERT.
const MODERNBERT_KEYS: [&str; 32] = [
    "attention_bias",
    "attention_dropout",
    "classifier_activation",
    "classifier_bias",
    "classifier_dropout",
    "classifier_pooling",
    "cls_token_id",
    "decoder_bias",
    "deterministic_flash_attn",
    "embedding_dropout",
    "global_attn_every_n_layers",
    "global_rope_theta",
    "hidden_activation",
    "hidden_size",
    "initializer_cutoff_factor",
    "intermediate_size",
    "layer_norm_eps",
    "layer_types",
    "local_attention",
    "local_rope_theta",
    "max_position_embeddings",
    "mlp_bias",
    "mlp_dropout",
    "model_type",
    "norm_bias",
    "norm_eps",
    "num_attention_heads",
    "num_hidden_layers",
    // Published folders state `absolute`, which nothing reads: positions are rotary.
    "position_embedding_type",
    "reference_compile",
    "rope_parameters",
    "repad_logits_with_grad",
];
/// Keys of both families.
const SHARED_KEYS: [&str; 9] = [
    "architectures",
    "is_decoder",
    "quantization_config",
    "rope_scaling",
    "sep_token_id",
    "sparse_pred_ignore_index",
    "sparse_prediction",
    "tie_word_embeddings",
    "vocab_size",
];

impl EncoderConfig {
    pub fn head_dim(&self) -> usize {
        self.hidden_size / self.heads
    }

    /// Whether norms precede attention and MLP.
    pub fn norm_first(&self) -> bool {
        matches!(self.family, EncoderFamily::ModernBert { .. })
    }

    /// # Errors
    /// `ModelFile` for malformed settings, `ModelUnsupported` for those that are not computed.
    pub fn parse(json: &JsonFile, notices: &mut Notices) -> Result<Self> {
        let fields = json.fields()?;
        for (key, supported) in [("quantization_config", "no quantisation"), ("rope_scaling", "no rope scaling")] {
            require(&fields, key, &[], supported)?;
        }
        let config = match fields.text("model_type")?.unwrap_or_default() {
            "bert" => bert(&fields, notices),
            "modernbert" => modernbert(&fields, notices),
            _ => Err(fields.unsupported("model_type", "bert, modernbert, qwen3, qwen2, llama and mistral")),
        }?;
        if !config.hidden_size.is_multiple_of(config.heads) || !config.head_dim().is_multiple_of(2) {
            return Err(fields.bad(format!("{} heads do not fit a width of {}", config.heads, config.hidden_size)));
        }
        Ok(config)
    }
}

/// Refuses keys that change the numbers, and notes those that nothing reads.
fn check_keys(fields: &ConfigFields, family: &[&str], notices: &mut Notices) -> Result<()> {
    let read = [family, &SHARED_KEYS[..]].concat();
    KeyRule { read: &read, harmless: &HARMLESS_KEYS, refused: &FOREIGN }.check(fields, notices)
}

fn layer_count(fields: &ConfigFields) -> Result<usize> {
    let layers = fields.needed_size("num_hidden_layers")?;
    if layers > MAX_LAYERS {
        return Err(fields.bad(format!("`num_hidden_layers` is {layers}, more than {MAX_LAYERS}")));
    }
    Ok(layers)
}

fn bert(fields: &ConfigFields, notices: &mut Notices) -> Result<EncoderConfig> {
    check_keys(fields, &BERT_KEYS, notices)?;
    require(fields, "position_embedding_type", &[json!("absolute")], "absolute")?;
    for flag in ["is_decoder", "add_cross_attention"] {
        require(fields, flag, &[json!(false)], "false")?;
    }
    let layer = LayerConfig { window: None, theta: None };
    Ok(EncoderConfig {
        vocab_size: fields.needed_size("vocab_size")?,
        hidden_size: fields.needed_size("hidden_size")?,
        heads: fields.needed_size("num_attention_heads")?,
        intermediate_size: fields.needed_size("intermediate_size")?,
        norm_eps: fields.positive("layer_norm_eps")?.unwrap_or(1e-12),
        activation: Activation::read(fields, "hidden_act", Activation::Gelu)?,
        family: EncoderFamily::Bert { types: fields.size("type_vocab_size")?.unwrap_or(2) },
        layers: vec![layer; layer_count(fields)?],
        context_length: fields.size("max_position_embeddings")?.unwrap_or(512),
    })
}

fn modernbert(fields: &ConfigFields, notices: &mut Notices) -> Result<EncoderConfig> {
    check_keys(fields, &MODERNBERT_KEYS, notices)?;
    require(fields, "is_decoder", &[json!(false)], "false")?;
    Ok(EncoderConfig {
        vocab_size: fields.needed_size("vocab_size")?,
        hidden_size: fields.needed_size("hidden_size")?,
        heads: fields.needed_size("num_attention_heads")?,
        intermediate_size: fields.needed_size("intermediate_size")?,
        norm_eps: fields.positive("norm_eps")?.unwrap_or(1e-5),
        activation: Activation::read(fields, "hidden_activation", Activation::Gelu)?,
        family: EncoderFamily::ModernBert {
            attention_bias: fields.flag("attention_bias")?,
            mlp_bias: fields.flag("mlp_bias")?,
            norm_bias: fields.flag("norm_bias")?,
        },
        layers: modernbert_layers(fields)?,
        context_length: fields.size("max_position_embeddings")?.unwrap_or(8192),
    })
}

/// Global and local layers: by `layer_types`, or every n-th global in folders from before transformers 5.
fn modernbert_layers(fields: &ConfigFields) -> Result<Vec<LayerConfig>> {
    let count = layer_count(fields)?;
    let global =
        LayerConfig { window: None, theta: Some(theta(fields, "full_attention", "global_rope_theta", 160_000.0)?) };
    let local = LayerConfig {
        window: Some(fields.size("local_attention")?.unwrap_or(128) / 2),
        theta: Some(theta(fields, "sliding_attention", "local_rope_theta", 10_000.0)?),
    };
    let Some(listed) = fields.get("layer_types") else {
        let every = fields.size("global_attn_every_n_layers")?.unwrap_or(3);
        return Ok((0..count).map(|layer| if layer % every == 0 { global } else { local }).collect());
    };
    let types = listed.as_array().filter(|types| types.len() == count);
    let types = types.ok_or_else(|| fields.wrong("layer_types", "a list with one name a layer"))?;
    let kind = |name: &serde_json::Value| match name.as_str() {
        Some("full_attention") => Ok(global),
        Some("sliding_attention") => Ok(local),
        _ => Err(fields.unsupported("layer_types", "full_attention and sliding_attention")),
    };
    types.iter().map(kind).collect()
}

/// θ from `rope_parameters.<kind>` (transformers 5) or from the older key.
fn theta(fields: &ConfigFields, kind: &str, old_key: &str, default: f64) -> Result<f64> {
    let nested = match fields.nested("rope_parameters")? {
        None => None,
        Some(kinds) => kinds.get(kind).and_then(|value| value.as_object()),
    };
    let Some(nested) = nested else { return Ok(fields.positive(old_key)?.unwrap_or(default)) };
    let known = |(key, value): (&String, &serde_json::Value)| match key.as_str() {
        "rope_theta" => value.as_f64().is_some_and(|theta| theta.is_finite() && theta > 0.0),
        "rope_type" | "type" => value == "default",
        _ => value.is_null(),
    };
    if !nested.iter().all(known) {
        return Err(
            fields.unsupported("rope_parameters", "the default rope with a positive rope_theta for each kind of layer")
        );
    }
    let theta = nested.get("rope_theta").and_then(|value| value.as_f64());
    Ok(theta.or(fields.positive(old_key)?).unwrap_or(default))
}
