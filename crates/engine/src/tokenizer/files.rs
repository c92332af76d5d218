//! The files of a model folder that define its tokenizer; a saved folder receives unchanged copies.

use super::MAX_TOKENIZER;
use crate::error::{EngineError, Result};
use crate::io::companions::{Companions, CHAT_TEMPLATES};
use crate::io::read_file::{missing_or_unreadable, read_optional};
use std::io::ErrorKind;
use std::path::Path;

const NAMES: [&str; 9] = [
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
    "chat_template.jinja",
    "generation_config.json",
];

/// Named chat templates of a folder; real ones have one or two.
const MAX_TEMPLATES: usize = 64;

/// The tokenizer files that the folder has.
pub fn read_tokenizer_files(folder: &Path) -> Result<Companions> {
    let mut files = Companions::new();
    for name in NAMES {
        if let Some(bytes) = read_optional(folder, name, MAX_TOKENIZER)? {
            files.push((name.into(), bytes));
        }
    }
    for name in chat_templates(folder)? {
        if let Some(bytes) = read_optional(folder, &name, MAX_TOKENIZER)? {
            files.push((name.into(), bytes));
        }
    }
    Ok(files)
}

/// Paths of the named chat templates, sorted.
fn chat_templates(folder: &Path) -> Result<Vec<String>> {
    let inner = folder.join(CHAT_TEMPLATES);
    let entries = match std::fs::read_dir(&inner) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(Vec::new()),
        Err(error) => return Err(missing_or_unreadable(folder, CHAT_TEMPLATES, error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| EngineError::model_file(&inner, error))?;
        let name = entry.file_name();
        if let Some(name) = name.to_str().filter(|name| name.ends_with(".jinja")) {
            names.push(format!("{CHAT_TEMPLATES}/{name}"));
        }
        if names.len() > MAX_TEMPLATES {
            return Err(EngineError::model_file(&inner, format!("it holds more than {MAX_TEMPLATES} templates")));
        }
    }
    names.sort();
    Ok(names)
}
