//! The place of every weight in one flat tensor.
//!
//! With one flat tensor the optimizer, the gradient norm, the reference blend and saving are single operations, and weights
//! that are multiplied together (query, key, value; gate, up) are one matrix without a copy. Matrices come first, so that
//! weight decay covers a prefix.

use super::config::DecoderConfig;

/// A weight of the Hugging Face folder: some rows of a leaf.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedWeight {
    pub name: String,
    pub shape: Vec<i64>,
    /// First number in the flat tensor.
    pub offset: usize,
}

/// A tensor that the forward pass reads and autograd differentiates.
#[derive(Debug, Clone, PartialEq)]
pub struct Leaf {
    pub shape: Vec<i64>,
    pub offset: usize,
}

/// The leaves and the weights in them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Layout {
    pub leaves: Vec<Leaf>,
    pub weights: Vec<NamedWeight>,
    /// Length of the flat tensor.
    pub size: usize,
    /// Weight decay covers `..decayed`.
    pub decayed: usize,
}

/// The decoder's leaves as indices into `Layout::leaves`, under the names of the Hugging Face weights.
#[derive(Debug, Clone, PartialEq)]
pub struct DecoderLeaves {
    pub embed_tokens: usize,
    pub layers: Vec<LayerLeaves>,
    pub norm: usize,
    /// The index of `embed_tokens` where the head is tied.
    pub lm_head: usize,
}

/// The leaves of one layer. `qkv_proj` and `gate_up_proj` stack the projections that read the same input.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LayerLeaves {
    pub qkv_proj: usize,
    pub o_proj: usize,
    pub gate_up_proj: usize,
    pub down_proj: usize,
    pub input_layernorm: usize,
    pub post_attention_layernorm: usize,
    pub qkv_bias: Option<usize>,
    pub o_bias: Option<usize>,
    pub gate_up_bias: Option<usize>,
    pub down_bias: Option<usize>,
    /// (q_norm, k_norm).
    pub qk_norm: Option<(usize, usize)>,
}

/// Leaves start on 64-byte lines: every weight has the same alignment for vector kernels.
const ALIGNMENT: usize = 16;

/// The number of parameters of a config, without padding; 128 bits hold the largest sizes that a config may state.
pub fn elements(config: &DecoderConfig) -> u128 {
    let wide = |size: usize| size as u128;
    let (width, inner, dim) = (wide(config.hidden_size), wide(config.intermediate_size), wide(config.head_dim));
    let (query, key) = (wide(config.heads) * dim, wide(config.kv_heads) * dim);
    let biases = if config.qkv_bias { query + 2 * key } else { 0 }
        + if config.output_bias { width } else { 0 }
        + if config.mlp_bias { 2 * inner + width } else { 0 };
    let norms = 2 * width + if config.qk_norm { 2 * dim } else { 0 };
    let layer = width * (2 * query + 2 * key + 3 * inner) + biases + norms;
    let tables = if config.tied_head { 1 } else { 2 };
    tables * wide(config.vocab_size) * width + wide(config.layers) * layer + width
}

impl Layout {
    pub fn new(config: &DecoderConfig) -> (Self, DecoderLeaves) {
        let mut layout = Self::default();
        let width = config.hidden_size;
        let embed_tokens = layout.leaf(&[("model.embed_tokens.weight".into(), config.vocab_size)], Some(width));
        let mut layers: Vec<_> = (0..config.layers).map(|layer| layout.matrices(config, layer)).collect();
        let lm_head = if config.tied_head {
            embed_tokens
        } else {
            layout.leaf(&[("lm_head.weight".into(), config.vocab_size)], Some(width))
        };
        layout.decayed = layout.size;
        for (layer, leaves) in layers.iter_mut().enumerate() {
            layout.vectors(config, layer, leaves);
        }
        let norm = layout.leaf(&[("model.norm.weight".into(), width)], None);
        (layout, DecoderLeaves { embed_tokens, layers, norm, lm_head })
    }

    /// The leaf that holds a weight, and the weight's first number in it.
    pub fn place(&self, weight: &NamedWeight) -> (usize, usize) {
        let leaf = self.leaves.iter().rposition(|leaf| leaf.offset <= weight.offset).unwrap_or_default();
        (leaf, weight.offset - self.leaves[leaf].offset)
    }

    fn matrices(&mut self, config: &DecoderConfig, layer: usize) -> LayerLeaves {
        let name = |part: &str| format!("model.layers.{layer}.{part}.weight");
        let (width, query, key) = (config.hidden_size, config.attention_width(), config.kv_width());
        let qkv = [(name("self_attn.q_proj"), query), (name("self_attn.k_proj"), key), (name("self_attn.v_proj"), key)];
        let gate_up =
            [(name("mlp.gate_proj"), config.intermediate_size), (name("mlp.up_proj"), config.intermediate_size)];
        LayerLeaves {
            qkv_proj: self.leaf(&qkv, Some(width)),
            o_proj: self.leaf(&[(name("self_attn.o_proj"), width)], Some(query)),
            gate_up_proj: self.leaf(&gate_up, Some(width)),
            down_proj: self.leaf(&[(name("mlp.down_proj"), width)], Some(config.intermediate_size)),
            ..LayerLeaves::default()
        }
    }

    fn vectors(&mut self, config: &DecoderConfig, layer: usize, leaves: &mut LayerLeaves) {
        let name = |part: &str| format!("model.layers.{layer}.{part}");
        leaves.input_layernorm = self.leaf(&[(name("input_layernorm.weight"), config.hidden_size)], None);
        leaves.post_attention_layernorm =
            self.leaf(&[(name("post_attention_layernorm.weight"), config.hidden_size)], None);
        if config.qkv_bias {
            let key = config.kv_width();
            let parts = [
                (name("self_attn.q_proj.bias"), config.attention_width()),
                (name("self_attn.k_proj.bias"), key),
                (name("self_attn.v_proj.bias"), key),
            ];
            leaves.qkv_bias = Some(self.leaf(&parts, None));
        }
        if config.output_bias {
            leaves.o_bias = Some(self.leaf(&[(name("self_attn.o_proj.bias"), config.hidden_size)], None));
        }
        if config.mlp_bias {
            let inner = config.intermediate_size;
            let parts = [(name("mlp.gate_proj.bias"), inner), (name("mlp.up_proj.bias"), inner)];
            leaves.gate_up_bias = Some(self.leaf(&parts, None));
            leaves.down_bias = Some(self.leaf(&[(name("mlp.down_proj.bias"), config.hidden_size)], None));
        }
        if config.qk_norm {
            let query = self.leaf(&[(name("self_attn.q_norm.weight"), config.head_dim)], None);
            let key = self.leaf(&[(name("self_attn.k_norm.weight"), config.head_dim)], None);
            leaves.qk_norm = Some((query, key));
        }
    }

    /// Appends a leaf of `parts` (name, rows) stacked along the first axis, a vector without `columns`. Returns its index.
    fn leaf(&mut self, parts: &[(String, usize)], columns: Option<usize>) -> usize {
        let shape =
            |rows: usize| -> Vec<i64> { std::iter::once(rows).chain(columns).map(|size| size as i64).collect() };
        let offset = self.size;
        for (name, rows) in parts {
            self.weights.push(NamedWeight { name: name.clone(), shape: shape(*rows), offset: self.size });
            self.size += rows * columns.unwrap_or(1);
        }
        self.size = self.size.next_multiple_of(ALIGNMENT);
        self.leaves.push(Leaf { shape: shape(parts.iter().map(|(_, rows)| rows).sum()), offset });
        self.leaves.len() - 1
    }
}

impl NamedWeight {
    pub fn elements(&self) -> usize {
        self.shape.iter().product::<i64>() as usize
    }

    /// The shape in the type of safetensors.
    pub fn sizes(&self) -> Vec<usize> {
        self.shape.iter().map(|&size| size as usize).collect()
    }
}
