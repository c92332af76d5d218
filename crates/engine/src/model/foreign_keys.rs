//! Keys of `config.json` that change the numbers in some family of transformers or in published code, and that the families
//! here do not read: a folder that sets one holds weights made for it. Each has the values with which it changes nothing.

use crate::io::config_fields::ConfigFields;
use crate::io::key_rule::{number, off, Neutral, RefusedKey};

const fn texts(key: &'static str, neutral: &'static [&'static str]) -> RefusedKey {
    RefusedKey { key, neutral: Neutral::Texts(neutral) }
}

const fn computed(key: &'static str, neutral: fn(&ConfigFields) -> Option<f64>) -> RefusedKey {
    RefusedKey { key, neutral: Neutral::Computed(neutral) }
}

/// Weights that are stored or computed in another form, or taken from elsewhere.
const STORAGE: [RefusedKey; 8] = [
    off("compression_config"),
    off("fusion_config"),
    off("per_layer_config"),
    off("quantization"),
    off("quantization_config"),
    off("sparsity_config"),
    off("text_config"),
    off("transformers_weights"),
];

/// Scores and logits that are capped or scaled, embeddings and residuals that are multiplied.
const SCALES: [RefusedKey; 38] = [
    number("attention_in_multiplier", 1.0),
    off("attention_logit_cap"),
    computed("attention_multiplier", |config| head_dim(config).map(|dim| dim.powf(-0.5))),
    number("attention_out_multiplier", 1.0),
    number("attention_value_scale", 1.0),
    off("attn_logit_softcapping"),
    number("attn_output_multiplier", 1.0),
    off("attn_temperature_tuning"),
    off("clip_qkv"),
    computed("dim_model_base", |config| config.number("hidden_size").ok().flatten()),
    number("embed_scale", 1.0),
    number("embedding_multiplier", 1.0),
    number("embedding_multiplier_scale", 1.0),
    number("embedding_scale", 1.0),
    off("final_logit_softcapping"),
    off("gate_soft_cap"),
    number("key_multiplier", 1.0),
    number("lm_head_multiplier", 1.0),
    off("logit_softcap"),
    number("logit_scale", 1.0),
    number("logits_mup_width_multiplier", 1.0),
    number("logits_scaling", 1.0),
    off("logits_soft_cap"),
    number("mlp_multipliers", 1.0),
    off("mup_enabled"),
    off("output_logit_soft_cap"),
    number("output_multiplier_scale", 1.0),
    computed("query_pre_attn_scalar", head_dim),
    off("rescale_embeddings"),
    number("residual_multiplier", 1.0),
    number("residual_scale", 1.0),
    off("scale_depth"),
    number("scale_emb", 1.0),
    off("scale_embedding"),
    computed("softmax_scale", |config| head_dim(config).map(|dim| dim.powf(-0.5))),
    off("swiglu_limit"),
    off("use_logn_attn"),
    off("use_mup"),
];

/// Positions: part of a head rotated, layers without rotation, other bases, no rotation at all.
const POSITIONS: [RefusedKey; 22] = [
    off("alibi"),
    off("global_rope_theta"),
    off("layer_rope_theta"),
    off("learned_pos_emb"),
    off("local_rope_theta"),
    off("no_rope_layer_interval"),
    number("no_rope_layers", 1.0),
    off("nope_layer_interval"),
    texts("position_embedding_type", &["rope", "rotary", "rotary_embedding"]),
    off("rope_interleave"),
    off("rope_interleaved"),
    off("rope_local_base_freq"),
    number("rope_percent", 1.0),
    number("rope_ratio", 1.0),
    computed("rotary_dim", head_dim),
    computed("rotary_emb_base", |config| config.number("rope_theta").ok().flatten().or(Some(10_000.0))),
    off("rotary_emb_interleaved"),
    number("rotary_pct", 1.0),
    number("rotary_percent", 1.0),
    off("use_alibi"),
    off("use_dynamic_ntk"),
    off("use_mrope"),
];

/// Attention that sees other tokens.
const ATTENTION: [RefusedKey; 15] = [
    off("attention_chunk_size"),
    off("attention_window_size"),
    off("bidirectional"),
    RefusedKey { key: "is_causal", neutral: Neutral::True },
    off("global_attn_every_n_layers"),
    off("is_encoder_decoder"),
    off("kv_sharing_modes"),
    off("local_attention"),
    off("num_kv_shared_layers"),
    off("prefix_lm"),
    off("sliding_window_pattern"),
    off("sliding_window_size"),
    off("sliding_windows"),
    off("use_bidirectional_attention"),
    off("window_size"),
];

/// Other layers: experts, latent attention, state spaces, loops.
const LAYERS: [RefusedKey; 36] = [
    off("activation_sparsity_pattern"),
    off("add_cross_attention"),
    off("altup_num_inputs"),
    off("attn_config"),
    off("attn_layer_period"),
    off("block_configs"),
    off("block_types"),
    off("cross_attention_layers"),
    off("ffn_config"),
    off("full_attention_interval"),
    off("full_attn_idxs"),
    off("hidden_size_per_layer_input"),
    off("hybrid_override_pattern"),
    off("kv_lora_rank"),
    off("laurel_rank"),
    off("layers_block_type"),
    off("learnable_sink_init"),
    off("linear_num_value_heads"),
    off("loop_num_passes"),
    off("mamba_d_state"),
    off("mamba_num_heads"),
    off("mlp_only_layers"),
    off("moe"),
    off("moe_intermediate_size"),
    number("moe_num_experts", 0.0),
    off("n_recurrent_loops"),
    number("n_routed_experts", 0.0),
    off("num_attention_heads_per_layer"),
    number("num_experts", 0.0),
    number("num_experts_per_tok", 0.0),
    number("num_local_experts", 0.0),
    off("q_lora_rank"),
    off("shared_expert_intermediate_size"),
    off("ssm_state_size"),
    off("use_attention_gate"),
    off("use_attention_sinks"),
];

/// Norms, biases and activations in other places.
const PARTS: [RefusedKey; 22] = [
    texts("activation_function", &["silu", "swish"]),
    off("add_bias_linear"),
    off("add_qkv_bias"),
    off("apply_residual_connection_post_layernorm"),
    off("attention_out_bias"),
    texts("hidden_activation", &["silu", "swish"]),
    off("lm_head_bias"),
    texts("mlp_hidden_act", &["silu", "swish"]),
    off("norm_bias"),
    off("norm_head"),
    texts("norm_type", &["rms", "rmsnorm", "rms_norm", "RMSNorm"]),
    off("parallel_attn"),
    off("parallel_residual"),
    off("post_norm"),
    off("qk_layer_norm"),
    off("qk_layernorm"),
    off("use_bias"),
    off("use_parallel_residual"),
    off("use_post_norm"),
    off("use_qkv_norm"),
    off("use_sandwich_norm"),
    off("word_embed_proj_dim"),
];

/// Keys for parts that some families here compute and others do not.
const OF_SOME: [RefusedKey; 4] = [off("qk_norm"), off("qkv_bias"), off("use_qk_norm"), off("use_qkv_bias")];

/// All of them, in groups.
pub const FOREIGN: [&[RefusedKey]; 7] = [&STORAGE, &SCALES, &POSITIONS, &ATTENTION, &LAYERS, &PARTS, &OF_SOME];

/// Names of RMSNorm over the heads: they say what Qwen3 computes.
pub const QK_NORM: [&str; 2] = ["qk_norm", "use_qk_norm"];
/// Names of a bias on query, key and value: they say what Qwen2 computes.
pub const QKV_BIAS: [&str; 3] = ["add_qkv_bias", "qkv_bias", "use_qkv_bias"];

/// Width of a head, as the families derive it.
fn head_dim(config: &ConfigFields) -> Option<f64> {
    let given = |key: &str| config.number(key).ok().flatten();
    given("head_dim").or_else(|| Some(given("hidden_size")? / given("num_attention_heads")?))
}
