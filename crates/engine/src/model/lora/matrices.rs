//! The modules that an adapter changes, and the places of its tensors in its flat tensor.

use super::saved::{named_weights, SavedWeight};
use super::settings::LoraSettings;
use crate::error::{EngineError, Result};
use crate::model::layout::{Layout, NamedWeight};
use tch::Tensor;

/// The linear modules of a layer, by the last word of their path: what PEFT's `all-linear` means here.
pub const LINEAR_MODULES: [&str; 7] = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];

/// The adapter of one module: W ← W₀ + s·B·A, where W is some rows of a leaf.
#[derive(Debug, Clone, PartialEq)]
pub struct AdaptedModule {
    /// Path of the module, such as `model.layers.0.self_attn.q_proj`.
    pub path: String,
    pub leaf: usize,
    /// First row of the module in the leaf.
    pub row: usize,
    pub outputs: usize,
    pub inputs: usize,
    pub rank: usize,
    /// s.
    pub scale: f64,
    /// Offset of A `[r, inputs]` in the flat tensor.
    pub a: usize,
    /// Offset of B `[outputs, r]`.
    pub b: usize,
    /// Offset of the magnitudes m `[outputs]` of DoRA.
    pub m: Option<usize>,
}

/// A, B and, with DoRA, m of one module.
pub struct Factors {
    pub a: Tensor,
    pub b: Tensor,
    pub m: Option<Tensor>,
}

/// The places of an adapter's tensors.
#[derive(Debug, Default, PartialEq)]
pub struct Places {
    pub modules: Vec<AdaptedModule>,
    pub saved: Vec<SavedWeight>,
    /// Length of the flat tensor.
    pub size: usize,
    /// Weight decay covers `..decayed`: all but the vectors of saved modules, as PEFT with transformers' trainer.
    pub decayed: usize,
}

/// Tensors start on 64-byte lines, as weights do.
const ALIGNMENT: usize = 16;

impl Places {
    /// Reserves `length` numbers; returns their offset.
    pub(super) fn reserve(&mut self, length: usize) -> usize {
        let offset = self.size;
        self.size = (offset + length).next_multiple_of(ALIGNMENT);
        offset
    }

    fn module(&mut self, layout: &Layout, weight: &NamedWeight, path: &str, settings: &LoraSettings) {
        let (outputs, inputs) = (weight.shape[0] as usize, weight.shape[1] as usize);
        let (leaf, start) = layout.place(weight);
        let rank = settings.rank_of(path);
        let (a, b) = (self.reserve(rank * inputs), self.reserve(outputs * rank));
        let m = settings.dora.then(|| self.reserve(outputs));
        let (path, row, scale) = (path.to_string(), start / inputs, settings.scale_of(path));
        self.modules.push(AdaptedModule { path, leaf, row, outputs, inputs, rank, scale, a, b, m });
    }
}

/// The linear modules whose path is `wanted` and the saved modules of the settings, in the order of the layout.
pub fn places(layout: &Layout, settings: &LoraSettings, wanted: impl Fn(&str) -> bool) -> Places {
    let mut places = Places::default();
    for weight in &layout.weights {
        if let Some(path) = module_of(weight).filter(|path| wanted(path)) {
            places.module(layout, weight, path, settings);
        }
    }
    places.decayed = places.size;
    for weight in named_weights(layout, &settings.modules_to_save) {
        let offset = places.reserve(weight.elements());
        places.saved.push(SavedWeight::new(layout, weight, offset));
        if weight.shape.len() == 2 {
            places.decayed = places.size;
        }
    }
    places
}

/// The path of the linear module that a weight belongs to; None for embeddings, norms and biases.
pub fn module_of(weight: &NamedWeight) -> Option<&str> {
    let module = weight.name.strip_suffix(".weight")?;
    let is_linear = weight.shape.len() == 2 && last_word(module) != "embed_tokens";
    is_linear.then_some(module)
}

/// The last word of a module's path.
pub fn last_word(module: &str) -> &str {
    module.rsplit('.').next().unwrap_or(module)
}

/// As in PEFT, a target matches the whole path of a module or its end after a dot.
pub fn is_target(module: &str, targets: &[String]) -> bool {
    targets.iter().any(|target| module == target || module.ends_with(&format!(".{target}")))
}

/// The places of a new adapter.
///
/// # Errors
/// `lora.<key>` for a target, a pattern or a saved module that the model does not have: the run would silently train less.
pub fn new_places(layout: &Layout, settings: &LoraSettings) -> Result<Places> {
    let all: Vec<String> = LINEAR_MODULES.map(String::from).to_vec();
    let targets = settings.targets.as_ref().unwrap_or(&all);
    check_targets(layout, targets)?;
    super::saved::check(layout, &settings.modules_to_save).map_err(|reason| bad("modulesToSave", reason))?;
    let places = places(layout, settings, |module| is_target(module, targets));
    let modules: Vec<&str> = places.modules.iter().map(|module| module.path.as_str()).collect();
    for (key, unused) in [
        ("rankPattern", settings.rank_pattern.unused(&modules)),
        ("alphaPattern", settings.alpha_pattern.unused(&modules)),
    ] {
        if let Some(pattern) = unused {
            return Err(bad(key, format!("`{pattern}` matches no adapted module")));
        }
    }
    check_patterns(&places, settings).map_err(|(key, reason)| bad(key, reason))?;
    check_saved(&places).map_err(|reason| bad("modulesToSave", reason))?;
    Ok(places)
}

fn bad(key: &str, reason: String) -> EngineError {
    EngineError::invalid(&format!("lora.{key}"), reason)
}

/// Refuses patterns that give one module two values. The error is the key, in our spelling, and the reason.
pub(super) fn check_patterns(
    places: &Places,
    settings: &LoraSettings,
) -> std::result::Result<(), (&'static str, String)> {
    let paths = || places.modules.iter().map(|module| module.path.as_str());
    match (settings.rank_pattern.conflict(paths()), settings.alpha_pattern.conflict(paths())) {
        (Some(reason), _) => Err(("rankPattern", reason)),
        (_, Some(reason)) => Err(("alphaPattern", reason)),
        _ => Ok(()),
    }
}

/// Refuses a module that is both adapted and saved.
pub(super) fn check_saved(places: &Places) -> std::result::Result<(), String> {
    let both = places.modules.iter().find(|module| places.saved.iter().any(|saved| saved.leaf == module.leaf));
    both.map_or(Ok(()), |module| Err(format!("`{}` is adapted as well; name it once", module.path)))
}

fn check_targets(layout: &Layout, targets: &[String]) -> Result<()> {
    let modules: Vec<&str> = layout.weights.iter().filter_map(module_of).collect();
    for target in targets {
        if !modules.iter().any(|module| is_target(module, std::slice::from_ref(target))) {
            let known = LINEAR_MODULES.join(", ");
            let reason = format!("`{target}` is not a linear module of this model, which has {known}, or `all-linear`");
            return Err(EngineError::invalid("lora.targetModules", reason));
        }
    }
    Ok(())
}

/// A, B and m of a module under PEFT's names, with their offsets in the flat tensor.
pub(super) fn matrix_weights(module: &AdaptedModule) -> Vec<(NamedWeight, usize)> {
    let AdaptedModule { path, rank, outputs, inputs, .. } = module;
    let weight = |tensor: &str, shape: &[usize]| NamedWeight {
        name: format!("base_model.model.{path}.{tensor}"),
        shape: shape.iter().map(|&size| size as i64).collect(),
        offset: 0,
    };
    let factors = [
        (weight("lora_A.weight", &[*rank, *inputs]), module.a),
        (weight("lora_B.weight", &[*outputs, *rank]), module.b),
    ];
    let magnitudes = module.m.map(|m| (weight("lora_magnitude_vector", &[*outputs]), m));
    factors.into_iter().chain(magnitudes).collect()
}

/// The factors of every module: views of the flat tensor.
pub(super) fn matrix_views(modules: &[AdaptedModule], flat: &Tensor) -> Vec<Factors> {
    let view = |offset: usize, shape: &[usize]| {
        let shape: Vec<i64> = shape.iter().map(|&size| size as i64).collect();
        flat.narrow(0, offset as i64, shape.iter().product()).view(shape.as_slice()).detach()
    };
    let factors = |module: &AdaptedModule| Factors {
        a: view(module.a, &[module.rank, module.inputs]),
        b: view(module.b, &[module.outputs, module.rank]),
        m: module.m.map(|m| view(m, &[module.outputs])),
    };
    modules.iter().map(factors).collect()
}

impl Factors {
    /// V = W₀ + s·B·A. `base` is W₀ in fp32, `[outputs, inputs]`.
    pub fn direction(&self, base: &Tensor, scale: f64) -> Tensor {
        base + self.b.mm(&self.a) * scale
    }

    /// The adapted weight: V, or with DoRA m · V/‖V‖ by rows.
    pub fn merged(&self, base: &Tensor, scale: f64) -> Tensor {
        let v = self.direction(base, scale);
        match &self.m {
            None => v,
            Some(m) => {
                let gain = m / row_norms(&v);
                v * gain.unsqueeze(1)
            }
        }
    }

    /// `share` of what the adapter adds to W₀: s·B·A without DoRA.
    pub fn difference(&self, base: &Tensor, scale: f64, share: f64) -> Tensor {
        match self.m {
            None => self.b.mm(&self.a) * (share * scale),
            Some(_) => (self.merged(base, scale) - base) * share,
        }
    }

    pub(super) fn require_grad(&mut self, grads: &Self) -> Result<()> {
        require_grad(&mut self.a, &grads.a)?;
        require_grad(&mut self.b, &grads.b)?;
        match (&mut self.m, &grads.m) {
            (Some(m), Some(grad)) => require_grad(m, grad),
            _ => Ok(()),
        }
    }
}

/// Makes a tensor a leaf of autograd that accumulates into `grad`.
pub(super) fn require_grad(tensor: &mut Tensor, grad: &Tensor) -> Result<()> {
    *tensor = tensor.set_requires_grad(true);
    exit_rl_shim::set_grad(tensor, grad).map_err(EngineError::torch)
}

impl AdaptedModule {
    /// The rows of the module in its leaf.
    pub(super) fn rows(&self, leaf: &Tensor) -> Tensor {
        leaf.narrow(0, self.row as i64, self.outputs as i64)
    }
}

/// ‖V‖ by rows, `[outputs]`.
pub(super) fn row_norms(v: &Tensor) -> Tensor {
    v.linalg_norm(2.0, [1i64].as_slice(), false, tch::Kind::Float)
}
