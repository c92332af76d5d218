//! Lines about what a folder holds and nobody reads, for the caller of a load, who shows them.

use std::path::{Path, PathBuf};

/// Keys that one line names; a file of thousands is an accident.
const MOST_NAMED: usize = 40;
/// Characters of a name in a line: a hostile one may be megabytes long.
const MOST_CHARACTERS: usize = 80;

/// The lines of one load, each once, in the order in which they arise; a file's ignored keys are one line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notices {
    lines: Vec<String>,
    /// The ignored keys of each file.
    ignored: Vec<(PathBuf, Vec<String>)>,
}

impl Notices {
    /// One line, without a full stop. It begins with the file that it is about, in backticks.
    pub fn add(&mut self, line: impl Into<String>) {
        let line = line.into();
        if !self.lines.contains(&line) {
            self.lines.push(line);
        }
    }

    /// Keys of a file that nothing reads.
    pub fn ignored_keys(&mut self, file: &Path, keys: &[&str]) {
        if keys.is_empty() {
            return;
        }
        let at = self.ignored.iter().position(|(known, _)| known == file).unwrap_or_else(|| {
            self.ignored.push((file.into(), Vec::new()));
            self.ignored.len() - 1
        });
        let all = &mut self.ignored[at].1;
        for key in keys {
            if !all.iter().any(|known| known == key) {
                all.push((*key).into());
            }
        }
    }

    /// The lines of ignored keys, then the others.
    pub fn lines(self) -> Vec<String> {
        let ignored = self.ignored.iter().map(|(file, keys)| {
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            format!(
                "`{}`: {} {} ignored, no code of this family reads {}",
                file.display(),
                names(&keys),
                is(&keys),
                it(&keys)
            )
        });
        ignored.chain(self.lines.iter().cloned()).collect()
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
        notices.add("later");
        notices.ignored_keys(file, &["a", "b\u{1b}"]);
        notices.ignored_keys(file, &["a", "nested.c"]);
        notices.ignored_keys(Path::new("m/other.json"), &["a"]);
        notices.add("later");
        let expected = [
            "`m/config.json`: `a`, `b\\u{1b}`, `nested.c` are ignored, no code of this family reads them",
            "`m/other.json`: `a` is ignored, no code of this family reads it",
            "later",
        ];
        assert_eq!(notices.lines(), expected);
    }

    #[test]
    fn hostile_names_stay_short() {
        let long = "x".repeat(1000);
        assert_eq!(names(&[&long]).chars().count(), MOST_CHARACTERS + 3);
        assert!(names(&vec!["k"; 1000]).ends_with("`k` and 960 more"));
    }
}
