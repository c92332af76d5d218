//! The levels of the Rust half: a file depends on lower levels and on its own module only, and no dependency is circular.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A module is a file of `src` or the folder of that name. ARCHITECTURE.md shows the same table.
const LEVELS: [&[&str]; 12] = [
    /*  0 */ &["error", "philox", "simd"],
    /*  1 */ &["guard", "host_copy", "diversity", "sampler"],
    /*  2 */ &["io", "placement"],
    /*  3 */ &["tokenizer"],
    /*  4 */ &["model"],
    /*  5 */ &["batch", "snapshot"],
    /*  6 */ &["kernels"],
    /*  7 */ &["backend"],
    /*  8 */ &["generate", "train", "embed"],
    /*  9 */ &["policy"],
    /* 10 */ &["memory", "engine_thread"],
    /* 11 */ &["lib"],
];

/// The files of a crate by their module path (`model::lora::peft`; the root is `lib`), and the files that each one uses.
struct Crate {
    uses: BTreeMap<String, BTreeSet<String>>,
}

impl Crate {
    fn read(source: &Path) -> Self {
        let texts: BTreeMap<String, String> = rust_files(source)
            .into_iter()
            .map(|file| {
                let inside = file.strip_prefix(source).expect("a file of the folder").with_extension("");
                let module = inside.to_str().expect("a name in ASCII").replace('/', "::");
                (module, code(&std::fs::read_to_string(&file).expect("a file of ours")))
            })
            .collect();
        let macros: BTreeMap<String, String> =
            texts.iter().flat_map(|(file, text)| macros(text).map(|name| (name, file.clone()))).collect();
        let uses = texts.iter().map(|(file, text)| (file.clone(), used(file, text, &texts, &macros))).collect();
        Self { uses }
    }

    /// A path of dependencies from `start` back to itself; None when there is none.
    fn circle_from<'a>(&'a self, start: &'a str) -> Option<Vec<&'a str>> {
        let (mut seen, mut ways) = (BTreeSet::new(), vec![vec![start]]);
        while let Some(way) = ways.pop() {
            for target in &self.uses[way[way.len() - 1]] {
                let longer: Vec<&str> = way.iter().copied().chain([target.as_str()]).collect();
                if target == start {
                    return Some(longer);
                }
                if seen.insert(target) {
                    ways.push(longer);
                }
            }
        }
        None
    }

    fn circles(&self) -> Vec<String> {
        self.uses.keys().filter_map(|file| self.circle_from(file)).map(|way| way.join(" → ")).collect()
    }

    fn upward(&self) -> Vec<String> {
        let arrows = self.uses.iter().flat_map(|(file, targets)| targets.iter().map(move |target| (file, target)));
        let wrong = arrows.filter(|(file, target)| module(file) != module(target) && level(target) >= level(file));
        wrong.map(|(file, target)| format!("{file} ({:?}) → {target} ({:?})", level(file), level(target))).collect()
    }
}

fn module(file: &str) -> &str {
    file.split("::").next().unwrap_or(file)
}

fn level(file: &str) -> Option<usize> {
    LEVELS.iter().position(|modules| modules.contains(&module(file)))
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder of ours");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .flat_map(|path| match path.is_dir() {
            true => rust_files(&path),
            false => vec![path].into_iter().filter(|path| path.extension().is_some_and(|end| end == "rs")).collect(),
        })
        .collect()
}

/// Removes line comments and collapses white space to single blanks.
fn code(text: &str) -> String {
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
}

fn macros(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split("#[macro_export] macro_rules! ").skip(1).map(|rest| word(rest).to_string())
}

fn word(text: &str) -> &str {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_').next().unwrap_or_default()
}

/// Every file that a text's paths name, from `crate`, `super` or a child module of the file.
fn used(
    file: &str,
    text: &str,
    files: &BTreeMap<String, String>,
    macros: &BTreeMap<String, String>,
) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let parent = file.rsplit_once("::").map_or("", |(parent, _)| parent);
    // In an inline module `super` is the file itself, and `super::super` its parent.
    let body = text.split("mod tests {").next().unwrap_or_default();
    let own = if file == "lib" { "" } else { file };
    let mut starts = vec![("crate::".to_string(), String::new()), ("super::".to_string(), parent.to_string())];
    let children = files.keys().filter_map(|other| other.strip_prefix(&join(own, ""))).map(word);
    starts.extend(children.map(|child| (format!("{child}::"), join(own, child))).collect::<BTreeSet<_>>());
    for (start, base) in starts {
        let text = if start == "super::" { body } else { text };
        for (at, _) in text.match_indices(&start).filter(|&(at, _)| begins_a_path(text, at)) {
            for path in paths(&text[at + start.len()..], 0).0 {
                found.extend(file_of(&join(&base, &path), files, macros));
            }
        }
    }
    found.remove(file);
    found
}

fn join(base: &str, path: &str) -> String {
    if base.is_empty() {
        path.into()
    } else {
        format!("{base}::{path}")
    }
}

fn begins_a_path(text: &str, at: usize) -> bool {
    !text[..at].ends_with(|letter: char| letter.is_alphanumeric() || letter == '_' || letter == ':')
}

/// The paths of a use tree or of a path in an expression, and the position after them.
fn paths(text: &str, from: usize) -> (Vec<String>, usize) {
    if !text[from..].starts_with('{') {
        let name = word(&text[from..]);
        let end = from + name.len();
        if !text[end..].starts_with("::") {
            return (vec![name.to_string()], end);
        }
        let (rest, after) = paths(text, end + 2);
        return (rest.iter().map(|rest| join(name, rest)).collect(), after);
    }
    let (mut found, mut at) = (Vec::new(), from + 1);
    while !text[at..].starts_with('}') {
        at += text[at..].len() - text[at..].trim_start_matches([' ', ',']).len();
        if text[at..].starts_with('}') {
            break;
        }
        let (inner, after) = paths(text, at);
        found.extend(inner);
        at = after.max(at + 1);
    }
    (found, at + 1)
}

/// The file whose module is the longest prefix of a path; a macro is at the root, whatever file defines it.
fn file_of(path: &str, files: &BTreeMap<String, String>, macros: &BTreeMap<String, String>) -> Option<String> {
    if let Some(file) = macros.get(word(path)) {
        return Some(file.clone());
    }
    let mut module = path.strip_suffix("::self").unwrap_or(path);
    while !files.contains_key(module) {
        module = module.rsplit_once("::")?.0;
    }
    Some(module.into())
}

fn engine() -> Crate {
    Crate::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
}

#[test]
fn every_file_belongs_to_a_level() {
    let engine = engine();
    assert!(engine.uses.len() > 100, "only {} files were found", engine.uses.len());
    let stray: Vec<_> = engine.uses.keys().filter(|file| level(file).is_none()).collect();
    assert!(stray.is_empty(), "{stray:?}");
}

#[test]
fn a_file_depends_on_lower_levels_and_its_own_module_only() {
    let upward = engine().upward();
    assert!(upward.is_empty(), "{} dependencies point upward:\n{}", upward.len(), upward.join("\n"));
}

#[test]
fn no_dependency_is_circular() {
    let circles = engine().circles();
    assert!(circles.is_empty(), "{} files depend on themselves:\n{}", circles.len(), circles.join("\n"));
}

#[test]
fn no_dependency_is_circular_in_the_binding() {
    let binding = Crate::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../binding/src"));
    assert!(binding.uses.len() > 10);
    let circles = binding.circles();
    assert!(circles.is_empty(), "{}", circles.join("\n"));
}

/// Without these the tests above would pass whatever the files contain.
#[test]
fn the_parser_finds_every_kind_of_path() {
    let engine = engine();
    let uses = |file: &str, target: &str| engine.uses[file].contains(target);
    assert!(uses("policy::load", "policy"), "super::{{Policy}}");
    assert!(uses("policy", "policy::options"), "a child module");
    assert!(uses("engine_thread", "guard"), "a tree of names");
    assert!(uses("kernels::decoder", "simd::isa"), "an exported macro");
    assert!(uses("embed::stages", "simd::gelu"), "a path inside an expression");
    assert!(uses("model::lora::merge", "io::companions"), "a path three names long");
    assert!(!uses("error", "guard"), "a comment is not a dependency");
}

#[test]
fn architecture_md_shows_the_same_levels() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ARCHITECTURE.md");
    let Ok(page) = std::fs::read_to_string(page) else { return };
    let rows = page.lines().filter_map(|line| line.strip_prefix("| Rust ")).map(|row| {
        let (level, rest) = row.split_once(" | ").expect("a row has columns");
        let modules = rest.split(" | ").next().unwrap_or_default();
        let names: BTreeSet<&str> = modules
            .split('`')
            .skip(1)
            .step_by(2)
            .map(|name| name.trim_end_matches(['/']).trim_end_matches(".rs"))
            .collect();
        (level.parse::<usize>().expect("a number"), names)
    });
    let shown: Vec<_> = rows.collect();
    let levels = LEVELS.iter().map(|modules| modules.iter().copied().collect::<BTreeSet<_>>());
    assert_eq!(shown, levels.enumerate().collect::<Vec<_>>());
}
