//! The activation of the gated MLP, by its name in `config.json`.

use crate::error::Result;
use crate::io::config_fields::ConfigFields;
use tch::Tensor;

/// f in down(f(gate(x)) · up(x)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    Silu,
    /// x Φ(x).
    Gelu,
    /// 0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³))).
    GeluTanh,
    /// x · sigmoid(1.702 x).
    QuickGelu,
    Relu,
}

/// Names in transformers' table of activations.
const NAMES: [(&str, Activation); 10] = [
    ("silu", Activation::Silu),
    ("swish", Activation::Silu),
    ("gelu", Activation::Gelu),
    ("gelu_python", Activation::Gelu),
    ("gelu_new", Activation::GeluTanh),
    ("gelu_fast", Activation::GeluTanh),
    ("gelu_pytorch_tanh", Activation::GeluTanh),
    ("gelu_python_tanh", Activation::GeluTanh),
    ("quick_gelu", Activation::QuickGelu),
    ("relu", Activation::Relu),
];

impl Activation {
    /// The activation under `key`, or the default of the family.
    ///
    /// # Errors
    /// `ModelUnsupported` for a name that is not computed.
    pub fn read(config: &ConfigFields, key: &str, default: Self) -> Result<Self> {
        let Some(name) = config.text(key)? else { return Ok(default) };
        let known = NAMES.iter().find(|(known, _)| *known == name).map(|&(_, activation)| activation);
        known.ok_or_else(|| config.unsupported(key, &NAMES.map(|(known, _)| known).join(", ")))
    }

    /// f of every number, on libtorch.
    pub fn apply(self, x: &Tensor) -> Tensor {
        match self {
            Self::Silu => x.silu(),
            Self::Gelu => x.gelu("none"),
            Self::GeluTanh => x.gelu("tanh"),
            Self::QuickGelu => x * (x * 1.702).sigmoid(),
            Self::Relu => x.relu(),
        }
    }
}
