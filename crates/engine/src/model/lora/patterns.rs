//! PEFT's `rank_pattern` and `alpha_pattern`: values for the modules whose path a regular expression matches.

use regex::{Regex, RegexBuilder};

/// Bound of a compiled pattern: a folder may state any.
const MAX_COMPILED: usize = 1 << 20;

/// Values by pattern. As in PEFT, a pattern matches the whole path of a module or its end after a dot.
#[derive(Debug, Clone)]
pub struct Patterns<Value>(Vec<(String, Regex, Value)>);

impl<Value> Default for Patterns<Value> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<Value: PartialEq> PartialEq for Patterns<Value> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<Value> Patterns<Value> {
    /// # Errors
    /// The reason why a pattern is not a regular expression of this engine, which has no look-around.
    pub fn new(values: impl IntoIterator<Item = (String, Value)>) -> Result<Self, String> {
        let compile = |(pattern, value): (String, Value)| match RegexBuilder::new(&format!(r"^(?:.*\.)?(?:{pattern})$"))
            .size_limit(MAX_COMPILED)
            .build()
        {
            Ok(regex) => Ok((pattern, regex, value)),
            Err(_) => Err(format!("`{pattern}` is not a regular expression without look-around")),
        };
        values.into_iter().map(compile).collect::<Result<_, _>>().map(Self)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(pattern, _, value)| (pattern.as_str(), value))
    }

    /// The value of the first pattern that matches the path of a module.
    pub fn of(&self, module: &str) -> Option<&Value> {
        self.0.iter().find(|(_, regex, _)| regex.is_match(module)).map(|(_, _, value)| value)
    }
}

impl<Value: PartialEq> Patterns<Value> {
    /// Two patterns that match one module with different values: which one PEFT takes depends on the order of the file,
    /// which its own saving changes. None where there are no two.
    pub fn conflict<'a>(&self, mut modules: impl Iterator<Item = &'a str>) -> Option<String> {
        modules.find_map(|module| {
            let mut matching = self.0.iter().filter(|(_, regex, _)| regex.is_match(module));
            let (first, _, value) = matching.next()?;
            let (other, ..) = matching.find(|(_, _, other)| other != value)?;
            Some(format!("`{first}` and `{other}` both match `{module}`, with different values"))
        })
    }

    /// A pattern that matches none of the modules.
    pub fn unused(&self, modules: &[&str]) -> Option<&str> {
        let matches = |regex: &Regex| modules.iter().any(|module| regex.is_match(module));
        self.0.iter().find(|(_, regex, _)| !matches(regex)).map(|(pattern, ..)| pattern.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const Q0: &str = "model.layers.0.self_attn.q_proj";
    const Q1: &str = "model.layers.1.self_attn.q_proj";

    fn patterns(values: &[(&str, usize)]) -> Patterns<usize> {
        Patterns::new(values.iter().map(|&(pattern, value)| (pattern.to_string(), value))).unwrap()
    }

    /// PEFT's own rule: `re.match(rf"(.*\.)?({key})$", module)`.
    #[test]
    fn a_pattern_matches_a_path_or_its_end_after_a_dot() {
        let of = |pattern: &str, module: &str| patterns(&[(pattern, 7)]).of(module).copied();
        assert_eq!(of("q_proj", Q0), Some(7));
        assert_eq!(of("proj", Q0), None);
        assert_eq!(of("^model.layers.0.self_attn.q_proj", Q0), Some(7));
        assert_eq!(of("^self_attn.q_proj", Q0), None);
        assert_eq!(of(r".*layers\.1.*q_proj", Q1), Some(7));
        assert_eq!(of(r".*layers\.1.*q_proj", Q0), None);
        assert_eq!(of("k_proj|q_proj", Q1), Some(7));
    }

    #[test]
    fn patterns_that_conflict_are_named() {
        let both = patterns(&[("layers.0.self_attn.q_proj", 2), ("q_proj", 3)]);
        assert_eq!(both.conflict([Q1].into_iter()), None);
        assert!(both.conflict([Q1, Q0].into_iter()).is_some_and(|reason| reason.contains(Q0)));
        assert_eq!(patterns(&[(".*layers.0.*", 2), ("q_proj", 2)]).conflict([Q0].into_iter()), None);
    }

    #[test]
    fn a_pattern_without_a_module_or_with_look_around_is_named() {
        assert_eq!(patterns(&[("q_proj", 2), ("qproj", 2)]).unused(&[Q0]), Some("qproj"));
        assert!(Patterns::new([("(?!q).*".to_string(), 1)]).is_err());
        assert!(Patterns::new([("(".to_string(), 1)]).is_err());
    }
}
