//! `config.json` of the encoders: BERT (MiniLM among them) and ModernBERT, as one set of parameters.

use super::json::{allow, JsonFile};
use crate::error::Result;
use crate::model::fields::Fields;
use crate::model::keys::refuse_unknown_beside;
use serde_json::json;

#[derive(Debug, Clone, PartialEq)]
pub struct EncoderConfig {
    pub vocab_size: usize,
    pub hidden_size: usize,
    pub heads: usize,
    pub intermediate_size: usize,
    pub norm_eps: f64,
    pub activation: Activation,
    pub family: Family,
    pub layers: Vec<LayerKind>,
    pub context_length: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Family {
    /// Learned positions, norms after each sum, biases everywhere.
    Bert { types: usize },
    /// Rotary positions, norms before, a gated MLP.
    ModernBert { attention_bias: bool, mlp_bias: bool, norm_bias: bool },
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LayerKind {
    /// A token sees tokens at most this far away; None sees all.
    pub window: Option<usize>,
    /// θ of the rotary embedding; None rotates nothing.
    pub theta: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    Gelu,
    GeluTanh,
    Relu,
    Silu,
}

/// Deeper models than any that exist: a config beyond this is an accident or an attack.
const MAX_LAYERS: usize = 1024;

/// Read here, or of the heads, the training and the dropout that an embedder does without.
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
const MODERNBERT_KEYS: [&str; 31] = [
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
    "reference_compile",
    "rope_parameters",
    "repad_logits_with_grad",
];
/// Of both families.
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

    /// Whether norms stand before attention and MLP.
    pub fn norm_first(&self) -> bool {
        matches!(self.family, Family::ModernBert { .. })
    }

    pub fn parse(json: &JsonFile) -> Result<Self> {
        let fields = json.fields()?;
        for (key, supported) in [("quantization_config", "no quantisation"), ("rope_scaling", "no rope scaling")] {
            allow(&fields, key, &[], supported)?;
        }
        let config = match fields.text("model_type")?.unwrap_or_default() {
            "bert" => bert(&fields),
            "modernbert" => modernbert(&fields),
            _ => Err(fields.unsupported("model_type", "bert, modernbert, qwen3, qwen2, llama and mistral")),
        }?;
        if !config.hidden_size.is_multiple_of(config.heads) || !config.head_dim().is_multiple_of(2) {
            return Err(fields.bad(format!("{} heads do not fit a width of {}", config.heads, config.hidden_size)));
        }
        Ok(config)
    }
}

fn layer_count(fields: &Fields) -> Result<usize> {
    let layers = fields.needed_size("num_hidden_layers")?;
    if layers > MAX_LAYERS {
        return Err(fields.bad(format!("`num_hidden_layers` is {layers}, more than {MAX_LAYERS}")));
    }
    Ok(layers)
}

fn bert(fields: &Fields) -> Result<EncoderConfig> {
    refuse_unknown_beside(fields, &[&BERT_KEYS[..], &SHARED_KEYS[..]].concat())?;
    allow(fields, "position_embedding_type", &[json!("absolute")], "absolute")?;
    for flag in ["is_decoder", "add_cross_attention"] {
        allow(fields, flag, &[json!(false)], "false")?;
    }
    let layer = LayerKind { window: None, theta: None };
    Ok(EncoderConfig {
        vocab_size: fields.needed_size("vocab_size")?,
        hidden_size: fields.needed_size("hidden_size")?,
        heads: fields.needed_size("num_attention_heads")?,
        intermediate_size: fields.needed_size("intermediate_size")?,
        norm_eps: fields.positive("layer_norm_eps")?.unwrap_or(1e-12),
        activation: activation(fields, "hidden_act")?,
        family: Family::Bert { types: fields.size("type_vocab_size")?.unwrap_or(2) },
        layers: vec![layer; layer_count(fields)?],
        context_length: fields.size("max_position_embeddings")?.unwrap_or(512),
    })
}

fn modernbert(fields: &Fields) -> Result<EncoderConfig> {
    refuse_unknown_beside(fields, &[&MODERNBERT_KEYS[..], &SHARED_KEYS[..]].concat())?;
    allow(fields, "is_decoder", &[json!(false)], "false")?;
    Ok(EncoderConfig {
        vocab_size: fields.needed_size("vocab_size")?,
        hidden_size: fields.needed_size("hidden_size")?,
        heads: fields.needed_size("num_attention_heads")?,
        intermediate_size: fields.needed_size("intermediate_size")?,
        norm_eps: fields.positive("norm_eps")?.unwrap_or(1e-5),
        activation: activation(fields, "hidden_activation")?,
        family: Family::ModernBert {
            attention_bias: fields.flag("attention_bias")?,
            mlp_bias: fields.flag("mlp_bias")?,
            norm_bias: fields.flag("norm_bias")?,
        },
        layers: modernbert_layers(fields)?,
        context_length: fields.size("max_position_embeddings")?.unwrap_or(8192),
    })
}

/// Global and local layers: by `layer_types`, or every n-th global as folders before transformers 5 say it.
fn modernbert_layers(fields: &Fields) -> Result<Vec<LayerKind>> {
    let count = layer_count(fields)?;
    let global =
        LayerKind { window: None, theta: Some(theta(fields, "full_attention", "global_rope_theta", 160_000.0)?) };
    let local = LayerKind {
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

/// `rope_parameters.<kind>` as transformers 5 writes it, or the older key.
fn theta(fields: &Fields, kind: &str, old_key: &str, default: f64) -> Result<f64> {
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
    let found = nested.get("rope_theta").and_then(|value| value.as_f64());
    Ok(found.or(fields.positive(old_key)?).unwrap_or(default))
}

fn activation(fields: &Fields, key: &str) -> Result<Activation> {
    match fields.text(key)?.unwrap_or("gelu") {
        "gelu" => Ok(Activation::Gelu),
        "gelu_new" | "gelu_pytorch_tanh" => Ok(Activation::GeluTanh),
        "relu" => Ok(Activation::Relu),
        "silu" | "swish" => Ok(Activation::Silu),
        _ => Err(fields.unsupported(key, "gelu, gelu_new, gelu_pytorch_tanh, relu and silu")),
    }
}
