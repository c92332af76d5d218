//! The modules of a sentence-transformers folder and their settings, under the names before and since version 5.4.

use super::json_file::{refuse_other_keys, require, JsonFile};
use super::pooling::{Pooling, PoolingMode};
use super::stages::{check_features, Dense, Stage};
use crate::error::{EngineError, Result};
use serde_json::{json, Value};
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// A folder's modules, read before the weights of the network.
pub struct Modules {
    /// The folder of the transformer.
    pub transformer: PathBuf,
    /// None in a plain transformers folder, whose pooling follows from its architecture.
    pub pooling: Option<PathBuf>,
    pub stages: Vec<Stage>,
    pub sentence: SentenceConfig,
    pub prompts: Prompts,
}

/// Settings of sentence_bert_config.json.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SentenceConfig {
    pub max_seq_length: Option<usize>,
    pub lower_case: bool,
}

/// Settings of config_sentence_transformers.json.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Prompts {
    pub named: BTreeMap<String, String>,
    pub default: Option<String>,
    /// `truncate_dim`: entries of a vector that are kept.
    pub truncate_dimension: Option<usize>,
}

/// The supported modules.
enum ModuleKind {
    Transformer,
    Pooling,
    Dense,
    Normalize,
}

impl Modules {
    /// # Errors
    /// `ModelFile` for a malformed pipeline, `ModelUnsupported` for modules and settings that are not computed.
    pub fn read(folder: &Path) -> Result<Self> {
        if !folder.join("modules.json").exists() {
            return Ok(Self {
                transformer: folder.to_path_buf(),
                pooling: None,
                stages: vec![],
                sentence: SentenceConfig::default(),
                prompts: Prompts::default(),
            });
        }
        let json = JsonFile::read(folder, "modules.json")?;
        let entries = json.value.as_array().ok_or_else(|| json.bad("it holds no list of modules"))?;
        let modules = entries.iter().map(|entry| module(folder, &json, entry)).collect::<Result<Vec<_>>>()?;
        let mut rest = modules.into_iter();
        let (Some((ModuleKind::Transformer, transformer)), Some((ModuleKind::Pooling, pooling))) =
            (rest.next(), rest.next())
        else {
            return Err(json.bad("the modules must begin with Transformer and Pooling"));
        };
        let stages = rest.map(|(kind, path)| stage(&json, kind, &path)).collect::<Result<_>>()?;
        Ok(Self {
            sentence: SentenceConfig::read(&transformer)?,
            prompts: Prompts::read(folder)?,
            transformer,
            pooling: Some(pooling),
            stages,
        })
    }

    /// Settings of the pooling module; without one, the last token of a causal model and the mean of any other.
    pub fn pooling(&self, width: usize, causal: bool) -> Result<Pooling> {
        match &self.pooling {
            Some(folder) => Pooling::parse(&JsonFile::read(folder, "config.json")?, width),
            None => Ok(Pooling::of(if causal { PoolingMode::LastToken } else { PoolingMode::Mean })),
        }
    }
}

/// ModuleKind and folder of an entry `{idx, name, path, type}`.
fn module(folder: &Path, json: &JsonFile, entry: &Value) -> Result<(ModuleKind, PathBuf)> {
    let (path, kind) = (entry["path"].as_str().unwrap_or_default(), entry["type"].as_str().unwrap_or_default());
    if Path::new(path).components().any(|part| !matches!(part, Component::Normal(_))) {
        return Err(json.bad(format!("`{path}` leads out of the folder")));
    }
    // `sentence_transformers.models.Pooling`, or since 5.4 `sentence_transformers.….modules.pooling.Pooling`.
    let known = kind.starts_with("sentence_transformers.");
    let kind = match kind.rsplit('.').next().filter(|_| known) {
        Some("Transformer") => ModuleKind::Transformer,
        Some("Pooling") => ModuleKind::Pooling,
        Some("Dense") => ModuleKind::Dense,
        Some("Normalize") => ModuleKind::Normalize,
        _ => {
            let supported = "sentence-transformers' Transformer, Pooling, Dense and Normalize";
            return Err(json.unsupported("type", &format!("`{kind}`"), supported));
        }
    };
    Ok((kind, folder.join(path)))
}

fn stage(json: &JsonFile, kind: ModuleKind, folder: &Path) -> Result<Stage> {
    match kind {
        ModuleKind::Dense => Ok(Stage::Dense(Box::new(Dense::load(folder)?))),
        ModuleKind::Normalize => {
            // Version 5.4 added its settings; older folders lack the file or the whole folder.
            let config = JsonFile::read_or_empty(folder, "config.json")?;
            refuse_other_keys(&config.fields()?, &["module_input_name", "module_output_name"])?;
            check_features(&config.fields()?)?;
            Ok(Stage::Normalize)
        }
        ModuleKind::Transformer | ModuleKind::Pooling => {
            Err(json.bad("after Pooling only Dense and Normalize may follow"))
        }
    }
}

/// sentence_bert_config.json and its names for other architectures.
const SENTENCE_FILES: [&str; 7] = [
    "sentence_bert_config.json",
    "sentence_roberta_config.json",
    "sentence_distilbert_config.json",
    "sentence_camembert_config.json",
    "sentence_albert_config.json",
    "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",
];

impl SentenceConfig {
    fn read(transformer: &Path) -> Result<Self> {
        let file = SENTENCE_FILES.into_iter().find(|file| transformer.join(file).exists());
        let Some(file) = file else { return Ok(Self::default()) };
        let file = JsonFile::read(transformer, file)?;
        let json = &file.fields()?;
        refuse_other_keys(
            json,
            &[
                "max_seq_length",
                "do_lower_case",
                "transformer_task",
                "modality_config",
                "module_output_name",
                "unpad_inputs",
            ],
        )?;
        require(json, "transformer_task", &[json!("feature-extraction")], "feature-extraction")?;
        require(json, "module_output_name", &[json!("token_embeddings")], "token_embeddings")?;
        let text_only = json!({ "text": { "method": "forward", "method_output_name": "last_hidden_state" } });
        require(
            json,
            "modality_config",
            &[text_only],
            "text by forward's last_hidden_state (no chat messages, images or sound)",
        )?;
        Ok(Self { max_seq_length: json.size("max_seq_length")?, lower_case: json.flag("do_lower_case")? })
    }
}

impl Prompts {
    fn read(folder: &Path) -> Result<Self> {
        let file = JsonFile::read_or_empty(folder, "config_sentence_transformers.json")?;
        let json = file.fields()?;
        let mut named = BTreeMap::new();
        if let Some(prompts) = json.nested("prompts")? {
            for name in prompts.object.keys() {
                named.insert(name.clone(), prompts.text(name)?.unwrap_or_default().to_string());
            }
        }
        let default = json.text("default_prompt_name")?.map(ToString::to_string);
        Ok(Self { named, default, truncate_dimension: json.size("truncate_dim")? })
    }

    /// The prompt of every text: `prompt`, or the one named `name`, or the folder's default.
    ///
    /// # Errors
    /// `promptName` for an unknown name, with the names of the folder.
    pub fn resolve(&self, prompt: Option<&str>, name: Option<&str>) -> Result<String> {
        let name = match (prompt, name.or(self.default.as_deref())) {
            (Some(prompt), _) => return Ok(prompt.to_string()),
            (None, None) => return Ok(String::new()),
            (None, Some(name)) => name,
        };
        let known = || self.named.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let unknown =
            || EngineError::invalid("promptName", format!("`{name}` is none of the folder's prompts ({})", known()));
        self.named.get(name).cloned().ok_or_else(unknown)
    }
}
