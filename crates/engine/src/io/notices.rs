//! Lines about what a folder holds and nobody reads, for the caller of a load, who shows them.

use std::path::Path;

/// Keys that one line names; a file of thousands is an accident.
const MOST_NAMED: usize = 40;
/// Characters of a name in a line: a hostile one may be megabytes long.
const MOST_CHARACTERS: usize = 80;

/// The lines of one load, each once, in the order in which they arise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notices(Vec<String>);

impl Notices {
    /// One line, without a full stop. It begins with the file that it is about, in backticks.
    pub fn add(&mut self, line: impl Into<String>) {
        let line = line.into();
        if !self.0.contains(&line) {
            self.0.push(line);
        }
    }

    /// One line for all keys of a file that nothing reads; none without keys.
    pub fn ignored_keys(&mut self, file: &Path, keys: &[&str]) {
        if keys.is_empty() {
            return;
        }
        let file = file.display();
        self.add(format!("`{file}`: {} {} ignored, no code of this family reads {}", names(keys), is(keys), it(keys)));
    }

    pub fn lines(self) -> Vec<String> {
        self.0
    }
}

fn is(keys: &[&str]) -> &'static str {
    if keys.len() == 1 {
        "is"
    } else {
        "are"
    }
}

fn it(keys: &[&str]) -> &'static str {
    if keys.len() == 1 {
        "it"
    } else {
        "them"
    }
}

/// Names in backticks, with commas; control characters are escaped, since the line goes to a terminal.
pub fn names(all: &[&str]) -> String {
    let shown = |name: &&str| {
        let name = shortened(&name.escape_debug().to_string());
        format!("`{name}`")
    };
    let named: Vec<String> = all.iter().take(MOST_NAMED).map(shown).collect();
    match all.len().checked_sub(MOST_NAMED) {
        None | Some(0) => named.join(", "),
        Some(more) => format!("{} and {more} more", named.join(", ")),
    }
}

/// At most `MOST_CHARACTERS` characters of a text.
pub fn shortened(text: &str) -> String {
    match text.char_indices().nth(MOST_CHARACTERS) {
        None => text.into(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_all_keys_of_a_file_once() {
        let mut notices = Notices::default();
        let file = Path::new("m/config.json");
        notices.ignored_keys(file, &[]);
        notices.ignored_keys(file, &["a", "b\u{1b}"]);
        notices.ignored_keys(file, &["a", "b\u{1b}"]);
        notices.ignored_keys(file, &["a"]);
        let lines = notices.lines();
        assert_eq!(lines[0], "`m/config.json`: `a`, `b\\u{1b}` are ignored, no code of this family reads them");
        assert_eq!(lines[1], "`m/config.json`: `a` is ignored, no code of this family reads it");
        assert_eq!(lines.len(), 2);
    }

    #[test]
    fn hostile_names_stay_short() {
        let long = "x".repeat(1000);
        assert_eq!(names(&[&long]).chars().count(), MOST_CHARACTERS + 3);
        assert!(names(&vec!["k"; 1000]).ends_with("`k` and 960 more"));
    }
}
