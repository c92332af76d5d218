//! The one rule for keys of a JSON file beside the weights: read, refused where the value changes numbers, or ignored with
//! a notice.

use super::config_fields::ConfigFields;
use super::notices::Notices;
use crate::error::Result;
use serde_json::Value;

/// The fate of each key of a file. Keys that are not listed are ignored, and one notice names them.
#[derive(Clone, Copy)]
pub struct KeyRule<'a> {
    /// Keys that the reader reads or checks itself.
    pub read: &'a [&'a str],
    /// Keys that change no number, whatever their value: names, bookkeeping, settings of other programs. No notice.
    pub harmless: &'a [&'a str],
    /// Keys that change numbers somewhere and are not computed here.
    pub refused: &'a [&'a [RefusedKey]],
}

/// A key that is refused by name unless its value leaves the numbers as they are.
#[derive(Clone, Copy)]
pub struct RefusedKey {
    pub key: &'static str,
    pub neutral: Neutral,
}

/// The values, beside null, with which a key changes nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Neutral {
    /// False and empty values.
    Off,
    /// Also this number.
    Number(f64),
    /// Also this text.
    Text(&'static str),
}

impl Neutral {
    fn fits(self, value: &Value) -> bool {
        let equal = match self {
            Self::Off => false,
            Self::Number(number) => value.as_f64() == Some(number),
            Self::Text(text) => value == text,
        };
        equal || !switches_on(value)
    }

    fn words(self) -> String {
        match self {
            Self::Off => "its absence, null or false".into(),
            Self::Number(number) => format!("its absence or {number}"),
            Self::Text(text) => format!("its absence or {text}"),
        }
    }
}

impl KeyRule<'_> {
    /// Refuses the first key, in alphabetical order, that changes numbers and is not computed here; notes the ignored ones.
    ///
    /// # Errors
    /// `ModelUnsupported` with the key and its value.
    pub fn check(&self, fields: &ConfigFields, notices: &mut Notices) -> Result<()> {
        let mut keys: Vec<&str> = fields.object.keys().map(String::as_str).collect();
        keys.sort_unstable();
        keys.retain(|key| !self.read.contains(key) && fields.get(key).is_some());
        for key in &keys {
            let refused = self.refused.iter().copied().flatten().find(|refused| refused.key == *key);
            if let Some(refused) = refused.filter(|refused| !refused.neutral.fits(&fields.object[*key])) {
                return Err(fields.unsupported(key, &refused.neutral.words()));
            }
        }
        let refusable = |key: &str| self.refused.iter().copied().flatten().any(|refused| refused.key == key);
        keys.retain(|key| !self.harmless.contains(key) && !refusable(key));
        notices.ignored_keys(fields.file(), &keys);
        Ok(())
    }
}

/// False for null, false and empty values.
pub fn switches_on(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(object) => !object.is_empty(),
        _ => true,
    }
}
