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

/// The values, beside null, false and empty ones, with which a key changes nothing.
#[derive(Clone, Copy)]
pub enum Neutral {
    /// No others.
    Off,
    /// This number, or a list of it.
    Number(f64),
    /// True alone: false changes the numbers.
    True,
    /// These texts.
    Texts(&'static [&'static str]),
    /// One of two numbers.
    Either(f64, f64),
    /// The number 1, and the number that follows from other keys.
    Computed(fn(&ConfigFields) -> Option<f64>),
}

/// A key without a neutral value.
pub const fn off(key: &'static str) -> RefusedKey {
    RefusedKey { key, neutral: Neutral::Off }
}

/// A key whose neutral value is a number.
pub const fn number(key: &'static str, neutral: f64) -> RefusedKey {
    RefusedKey { key, neutral: Neutral::Number(neutral) }
}

impl Neutral {
    /// Whether a value changes nothing.
    pub fn fits(self, value: &Value) -> bool {
        match self {
            Self::True => *value == Value::Bool(true),
            _ if !switches_on(value) => true,
            Self::Off => false,
            Self::Number(number) => equals(value, number),
            Self::Either(one, other) => equals(value, one) || equals(value, other),
            Self::Texts(texts) => texts.iter().any(|text| value == text),
            Self::Computed(_) => equals(value, 1.0),
        }
    }

    /// With the number that follows from other keys.
    fn resolved(self, fields: &ConfigFields) -> Self {
        match self {
            Self::Computed(number) => number(fields).map_or(self, |number| Self::Either(number, 1.0)),
            other => other,
        }
    }

    /// Completes "supports only".
    fn words(self) -> String {
        match self {
            Self::Off => "its absence, null or false".into(),
            Self::Number(number) | Self::Either(number, _) => format!("its absence or {number}"),
            Self::True => "its absence or true".into(),
            Self::Texts(texts) => format!("its absence or {}", texts.join(", ")),
            Self::Computed(_) => "its absence or 1".into(),
        }
    }
}

/// Whether a value is the number, to fp32, or a list of nothing else.
fn equals(value: &Value, number: f64) -> bool {
    match value {
        Value::Array(items) => items.iter().all(|item| equals(item, number)),
        Value::Bool(flag) => f64::from(u8::from(*flag)) == number,
        value => value.as_f64().is_some_and(|found| (found - number).abs() <= 1e-6 * number.abs()),
    }
}

impl KeyRule<'_> {
    /// Refuses the first key, in alphabetical order, that changes numbers and is not computed here; notes the ignored ones.
    ///
    /// # Errors
    /// `ModelUnsupported` with the key and its value.
    pub fn check(&self, fields: &ConfigFields, notices: &mut Notices) -> Result<()> {
        let mut ignored: Vec<&str> = Vec::new();
        let known = |key: &str| self.read.contains(&key) || self.harmless.contains(&key);
        let mut keys: Vec<&String> = fields.object.keys().filter(|key| !known(key)).collect();
        keys.sort_unstable();
        for key in keys {
            let Some(value) = fields.get(key) else { continue };
            let refused = self.refused.iter().copied().flatten().find(|refused| refused.key == key);
            match refused.map(|refused| refused.neutral.resolved(fields)) {
                None => ignored.push(key),
                Some(neutral) if neutral.fits(value) => {}
                Some(neutral) => return Err(fields.unsupported(key, &neutral.words())),
            }
        }
        let ignored: Vec<String> = ignored.into_iter().map(|key| fields.name(key)).collect();
        notices.ignored_keys(fields.file(), &ignored.iter().map(String::as_str).collect::<Vec<_>>());
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::path::Path;

    const REFUSED: [RefusedKey; 5] = [
        off("cap"),
        number("scale", 1.0),
        RefusedKey { key: "causal", neutral: Neutral::True },
        RefusedKey { key: "norm", neutral: Neutral::Texts(&["rms"]) },
        RefusedKey { key: "width_scale", neutral: Neutral::Computed(|fields| fields.number("width").ok().flatten()) },
    ];

    fn checked(json: &Value) -> (Result<()>, Vec<String>) {
        let fields = ConfigFields::new(json, Path::new("c.json")).unwrap();
        let mut notices = Notices::default();
        let rule = KeyRule { read: &["width"], harmless: &["name"], refused: &[&REFUSED] };
        (rule.check(&fields, &mut notices), notices.lines())
    }

    #[test]
    fn neutral_values_pass_without_a_notice() {
        let neutral = json!({ "cap": null, "scale": 1, "causal": true, "norm": "rms", "width_scale": 8, "width": 8 });
        assert_eq!(checked(&neutral), (Ok(()), vec![]));
        let listed = json!({ "cap": [], "scale": [1.0, true], "norm": "", "width_scale": 1.0, "name": 3 });
        assert_eq!(checked(&listed), (Ok(()), vec![]));
    }

    #[test]
    fn other_values_are_refused_by_name() {
        for (key, value) in [
            ("cap", json!(30)),
            ("scale", json!(0.5)),
            ("scale", json!([1, 0])),
            ("scale", json!("1.0")),
            ("causal", json!(false)),
            ("norm", json!("layer")),
            ("width_scale", json!(2)),
        ] {
            let (result, lines) = checked(&json!({ key: value, "width": 8, "note": 1 }));
            assert!(result.unwrap_err().to_string().contains(&format!("`{key}` is")), "{key}");
            assert_eq!(lines, Vec::<String>::new());
        }
    }

    #[test]
    fn unknown_keys_are_named_in_order() {
        let (result, lines) = checked(&json!({ "z": {}, "b": false, "absent": null, "a": 1 }));
        assert_eq!((result, lines.len()), (Ok(()), 1));
        assert!(lines[0].contains("`a`, `b`, `z` are ignored"), "{}", lines[0]);
    }
}
