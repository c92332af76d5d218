//! The modules that an adapter changes, and the places of their LoRA matrices A and B in its flat tensor.

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
    /// Offset of A `[r, inputs]` in the flat tensor.
    pub a: usize,
    /// Offset of B `[outputs, r]`.
    pub b: usize,
}

/// A and B start on 64-byte lines, as weights do.
const ALIGNMENT: usize = 16;

/// The linear modules whose path is `wanted`, in the order of the layout, and the length of the flat tensor.
pub fn adapted_modules(layout: &Layout, rank: usize, wanted: impl Fn(&str) -> bool) -> (Vec<AdaptedModule>, usize) {
    let (mut modules, mut size) = (Vec::new(), 0);
    for weight in layout.weights.iter().filter(|weight| module_of(weight).is_some_and(&wanted)) {
        let leaf = layout.leaves.iter().rposition(|leaf| leaf.offset <= weight.offset).unwrap_or_default();
        let (outputs, inputs) = (weight.shape[0] as usize, weight.shape[1] as usize);
        let row = (weight.offset - layout.leaves[leaf].offset) / inputs;
        let a = size;
        let b = (a + rank * inputs).next_multiple_of(ALIGNMENT);
        size = (b + outputs * rank).next_multiple_of(ALIGNMENT);
        let path = module_of(weight).unwrap_or_default().to_string();
        modules.push(AdaptedModule { path, leaf, row, outputs, inputs, a, b });
    }
    (modules, size)
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

/// Refuses a target that matches no module of the model: the run would silently train fewer modules.
///
/// # Errors
/// `lora.targetModules`, with the modules that the model has.
pub fn check_targets(layout: &Layout, targets: &[String]) -> Result<()> {
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

/// Names of A and B in PEFT's file.
fn matrix_names(module: &str) -> (String, String) {
    let name = |matrix: &str| format!("base_model.model.{module}.{matrix}.weight");
    (name("lora_A"), name("lora_B"))
}

/// A and B of a module under PEFT's names, with their offsets in the flat tensor.
pub(super) fn matrix_weights(module: &AdaptedModule, rank: usize) -> [(NamedWeight, usize); 2] {
    let (a, b) = matrix_names(&module.path);
    let weight = |name: String, rows: usize, columns: usize| NamedWeight {
        name,
        shape: vec![rows as i64, columns as i64],
        offset: 0,
    };
    [(weight(a, rank, module.inputs), module.a), (weight(b, module.outputs, rank), module.b)]
}

/// (A, B) of every module: views of the flat tensor.
pub(super) fn matrix_views(modules: &[AdaptedModule], rank: usize, flat: &Tensor) -> Vec<(Tensor, Tensor)> {
    let view = |offset: usize, rows: usize, columns: usize| {
        flat.narrow(0, offset as i64, (rows * columns) as i64).view([rows as i64, columns as i64]).detach()
    };
    modules.iter().map(|module| (view(module.a, rank, module.inputs), view(module.b, module.outputs, rank))).collect()
}
