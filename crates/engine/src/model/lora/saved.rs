//! Modules that are trained in full beside an adapter: PEFT's `modules_to_save`.

use crate::model::layout::{Layout, NamedWeight};
use tch::Tensor;

/// A weight that replaces that of the base.
#[derive(Debug, Clone, PartialEq)]
pub struct SavedWeight {
    pub name: String,
    /// The leaf that is this weight alone.
    pub leaf: usize,
    pub shape: Vec<i64>,
    /// Offset in the adapter's flat tensor.
    pub offset: usize,
    /// Whether the head is tied to it.
    pub ties_head: bool,
}

const HEAD: &str = "lm_head.weight";
const EMBEDDINGS: &str = "model.embed_tokens.weight";

/// The path of a module that can be saved: embeddings, head and norms. Projections have adapters instead.
fn savable(weight: &NamedWeight) -> Option<&str> {
    let is_table = [EMBEDDINGS, HEAD].contains(&weight.name.as_str());
    weight.name.strip_suffix(".weight").filter(|_| is_table || weight.shape.len() == 1)
}

/// As in PEFT, a name matches every module whose path ends with it.
fn is_named(path: &str, names: &[String]) -> bool {
    names.iter().any(|name| path.ends_with(name.as_str()))
}

pub(super) fn is_tied(layout: &Layout) -> bool {
    !layout.weights.iter().any(|weight| weight.name == HEAD)
}

/// The weights of the named modules: matrices, which weight decay covers, then vectors.
pub(super) fn named_weights<'a>(layout: &'a Layout, names: &[String]) -> Vec<&'a NamedWeight> {
    let named = |weight: &&NamedWeight| savable(weight).is_some_and(|path| is_named(path, names));
    let (mut weights, vectors): (Vec<_>, Vec<_>) =
        layout.weights.iter().filter(named).partition(|weight| weight.shape.len() == 2);
    weights.extend(vectors);
    weights
}

/// The reason why a name cannot be saved.
pub(super) fn check(layout: &Layout, names: &[String]) -> Result<(), String> {
    for name in names {
        let one = std::slice::from_ref(name);
        let named = |path: Option<&str>| path.is_some_and(|path| is_named(path, one));
        let module = |weight: &NamedWeight| named(weight.name.rsplit_once('.').map(|(path, _)| path));
        if layout.weights.iter().any(|weight| module(weight) && savable(weight).is_none()) {
            return Err(format!("`{name}` names a projection; name it as a target module"));
        }
        if !layout.weights.iter().any(|weight| named(savable(weight))) {
            let tied = if is_tied(layout) && is_named("lm_head", one) {
                "; the head of this model is tied to the embeddings: name `embed_tokens`, which trains both"
            } else {
                ""
            };
            return Err(format!(
                "`{name}` is no module of this model; embeddings, the head and norms can be named{tied}"
            ));
        }
    }
    Ok(())
}

impl SavedWeight {
    /// A weight of the layout at an offset of the adapter's flat tensor.
    pub(super) fn new(layout: &Layout, weight: &NamedWeight, offset: usize) -> Self {
        let (leaf, _) = layout.place(weight);
        let ties_head = weight.name == EMBEDDINGS && is_tied(layout);
        Self { name: weight.name.clone(), leaf, shape: weight.shape.clone(), offset, ties_head }
    }

    pub(super) fn numbers(&self) -> i64 {
        self.shape.iter().product()
    }

    /// The weight in a tensor of the adapter's layout, in its own shape.
    pub(super) fn in_flat(&self, flat: &Tensor) -> Tensor {
        flat.narrow(0, self.offset as i64, self.numbers()).view(self.shape.as_slice()).detach()
    }

    /// The names in PEFT's file. Embeddings that are tied to the head are stored under both, as PEFT does with
    /// `ensure_weight_tying`.
    pub(super) fn file_weights(&self) -> Vec<NamedWeight> {
        let names = std::iter::once(self.name.as_str()).chain(self.ties_head.then_some(HEAD));
        let weight = |name: &str| NamedWeight {
            name: format!("base_model.model.{name}"),
            shape: self.shape.clone(),
            offset: self.offset,
        };
        names.map(weight).collect()
    }
}
