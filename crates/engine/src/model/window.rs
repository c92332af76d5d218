//! Sliding windows: which layers see only the last positions.

use super::family::Family;
use super::fields::Fields;
use crate::error::Result;

/// A windowed layer's query at position p sees the keys at p − size + 1 ..= p.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerWindows {
    /// None where no layer has a window.
    size: Option<usize>,
    layers: Windowed,
}

#[derive(Debug, Clone, PartialEq)]
enum Windowed {
    /// This layer and all after it.
    From(usize),
    Listed(Vec<bool>),
}

impl LayerWindows {
    pub const NONE: Self = Self { size: None, layers: Windowed::From(0) };

    /// Mistral has one window for all layers; Qwen switches it on, for layers from `max_window_layers` or as listed.
    pub fn read(config: &Fields, family: Family, layers: usize) -> Result<Self> {
        let listed = layer_types(config, layers)?;
        match family {
            Family::Llama => {
                for key in ["sliding_window", "use_sliding_window"] {
                    if config.get(key).is_some_and(|value| value != false) {
                        return Err(config.unsupported(key, "null in this family"));
                    }
                }
                without_list(config, Self::NONE, listed)
            }
            Family::Mistral => {
                if config.flag("use_sliding_window")? {
                    return Err(config.unsupported("use_sliding_window", "`sliding_window` alone in this family"));
                }
                let every_layer = match config.object.contains_key("sliding_window") {
                    true => config.size("sliding_window")?,
                    false => Some(4096),
                };
                without_list(config, Self { size: every_layer, layers: Windowed::From(0) }, listed)
            }
            Family::Qwen2 | Family::Qwen3 => Self::qwen(config, listed),
        }
    }

    fn qwen(config: &Fields, listed: Option<Vec<bool>>) -> Result<Self> {
        let on = config.flag("use_sliding_window")?;
        let size = match config.object.contains_key("sliding_window") {
            true => config.size("sliding_window")?,
            false => Some(4096),
        };
        let size = size.filter(|_| on);
        let listed = match listed {
            None => Windowed::From(first_windowed(config)?),
            Some(list) if size.is_none() && list.contains(&true) => {
                return Err(config.unsupported("layer_types", "full_attention without a sliding window"))
            }
            Some(list) => Windowed::Listed(list),
        };
        Ok(Self { size, layers: listed })
    }

    pub fn of(&self, layer: usize) -> Option<usize> {
        let windowed = match &self.layers {
            Windowed::From(first) => layer >= *first,
            Windowed::Listed(list) => list[layer],
        };
        self.size.filter(|_| windowed)
    }

    /// The one size of all windows, where there are any.
    pub fn size(&self) -> Option<usize> {
        self.size
    }
}

/// `max_window_layers` counts layers without a window and may be 0.
fn first_windowed(config: &Fields) -> Result<usize> {
    match config.get("max_window_layers") {
        None => Ok(28),
        Some(value) => match value.as_u64() {
            Some(count) => Ok(count as usize),
            None => Err(config.wrong("max_window_layers", "a whole number")),
        },
    }
}

/// Where transformers ignores `layer_types`, the list must say what is computed anyway.
fn without_list(config: &Fields, windows: LayerWindows, listed: Option<Vec<bool>>) -> Result<LayerWindows> {
    match listed {
        Some(list) if list.iter().any(|&windowed| windowed != windows.size.is_some()) => {
            Err(config.unsupported("layer_types", "the attention that this family has in every layer"))
        }
        _ => Ok(windows),
    }
}

/// True per layer for `sliding_attention`.
fn layer_types(config: &Fields, layers: usize) -> Result<Option<Vec<bool>>> {
    let Some(value) = config.get("layer_types") else { return Ok(None) };
    let list = value.as_array().filter(|list| list.len() == layers);
    let list = list.ok_or_else(|| config.wrong("layer_types", "a list with one name a layer"))?;
    let windowed = list.iter().map(|name| match name.as_str() {
        Some("full_attention" | "attention") => Ok(false),
        Some("sliding_attention") => Ok(true),
        _ => Err(config.unsupported("layer_types", "full_attention and sliding_attention")),
    });
    windowed.collect::<Result<_>>().map(Some)
}
