//! The sliding windows of a decoder's layers, as its family reads them.

use super::family::Family;
use crate::error::Result;
use crate::io::config_fields::ConfigFields;

/// Sliding windows of the layers: a query at position p attends to the keys at p − size + 1 ..= p.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerWindows {
    /// None where no layer has a window.
    size: Option<usize>,
    layers: Windowed,
}

#[derive(Debug, Clone, PartialEq)]
enum Windowed {
    /// Layers from this one on.
    From(usize),
    /// True for each layer with a window.
    Listed(Vec<bool>),
}

impl LayerWindows {
    pub const NONE: Self = Self { size: None, layers: Windowed::From(0) };

    /// Mistral has one window for all layers; Qwen has it with `use_sliding_window`, for layers from `max_window_layers` on or
    /// by `layer_types`; Llama has none.
    pub fn read(config: &ConfigFields, family: Family, layers: usize, context: usize) -> Result<Self> {
        let listed = layer_types(config, layers)?;
        match family {
            Family::Llama => {
                // transformers ignores both keys in this family; a window that holds the context changes nothing.
                if config.flag("use_sliding_window")? {
                    return Err(config.unsupported("use_sliding_window", "false in this family"));
                }
                let window = config.get("sliding_window").filter(|&value| value != false);
                if window.is_some() && config.size("sliding_window")?.is_none_or(|window| window < context) {
                    return Err(config.unsupported("sliding_window", "null in this family"));
                }
                check_layer_types(config, Self::NONE, listed)
            }
            Family::Mistral => {
                if config.flag("use_sliding_window")? {
                    return Err(config.unsupported("use_sliding_window", "`sliding_window` alone in this family"));
                }
                let every_layer = match config.object.contains_key("sliding_window") {
                    true => config.size("sliding_window")?,
                    false => Some(4096),
                };
                check_layer_types(config, Self { size: every_layer, layers: Windowed::From(0) }, listed)
            }
            Family::Qwen2 | Family::Qwen3 => Self::qwen(config, listed),
        }
    }

    fn qwen(config: &ConfigFields, listed: Option<Vec<bool>>) -> Result<Self> {
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

    /// The window of a layer.
    pub fn of(&self, layer: usize) -> Option<usize> {
        let windowed = match &self.layers {
            Windowed::From(first) => layer >= *first,
            Windowed::Listed(list) => list[layer],
        };
        self.size.filter(|_| windowed)
    }

    /// The size that all windows share; None without windows.
    pub fn size(&self) -> Option<usize> {
        self.size
    }
}

/// `max_window_layers`, the number of leading layers without a window, which may be 0.
fn first_windowed(config: &ConfigFields) -> Result<usize> {
    match config.get("max_window_layers") {
        None => Ok(28),
        Some(value) => match value.as_u64() {
            Some(count) => Ok(count as usize),
            None => Err(config.wrong("max_window_layers", "a whole number")),
        },
    }
}

/// Refuses a `layer_types` that differs from `windows` in families where transformers ignores it.
fn check_layer_types(config: &ConfigFields, windows: LayerWindows, listed: Option<Vec<bool>>) -> Result<LayerWindows> {
    match listed {
        Some(list) if list.iter().any(|&windowed| windowed != windows.size.is_some()) => {
            Err(config.unsupported("layer_types", "the attention that this family has in every layer"))
        }
        _ => Ok(windows),
    }
}

/// True per layer for `sliding_attention`.
fn layer_types(config: &ConfigFields, layers: usize) -> Result<Option<Vec<bool>>> {
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
