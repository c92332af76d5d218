//! A sentence-transformers folder: which modules it has and what they are set to. Names before and since version 5.4.

use super::json::{allow, only, JsonFile};
use super::pooling::{Pooling, PoolingMode};
use super::stages::{check_features, Dense, Stage};
use crate::error::{EngineError, Result};
use serde_json::{json, Value};
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// A folder's modules, in order, before weights of the network are read.
pub struct Modules {
    /// The transformer's own folder.
    pub transformer: PathBuf,
    /// None: a plain transformers folder, whose pooling follows from its architecture.
    pub pooling: Option<PathBuf>,
    pub stages: Vec<Stage>,
    pub sentence: SentenceConfig,
    pub prompts: Prompts,
}

/// sentence_bert_config.json.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SentenceConfig {
    pub max_seq_length: Option<usize>,
    pub lower_case: bool,
}

/// config_sentence_transformers.json.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Prompts {
    pub named: BTreeMap<String, String>,
    pub default: Option<String>,
    /// Entries of a vector that are kept.
    pub truncate_dimension: Option<usize>,
}

enum Kind {
    Transformer,
    Pooling,
    Dense,
    Normalize,
}

impl Modules {
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
        let found = entries.iter().map(|entry| module(folder, &json, entry)).collect::<Result<Vec<_>>>()?;
        let mut rest = found.into_iter();
        let (Some((Kind::Transformer, transformer)), Some((Kind::Pooling, pooling))) = (rest.next(), rest.next())
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

    /// The pooling module's settings, or those of a plain folder: the last token of a causal model, else the mean.
    pub fn pooling(&self, width: usize, causal: bool) -> Result<Pooling> {
        match &self.pooling {
            Some(folder) => Pooling::parse(&JsonFile::read(folder, "config.json")?, width),
            None => Ok(Pooling::of(if causal { PoolingMode::LastToken } else { PoolingMode::Mean })),
        }
    }
}

/// Kind and folder of an entry `{idx, name, path, type}`.
fn module(folder: &Path, json: &JsonFile, entry: &Value) -> Result<(Kind, PathBuf)> {
    let (path, kind) = (entry["path"].as_str().unwrap_or_default(), entry["type"].as_str().unwrap_or_default());
    if Path::new(path).components().any(|part| !matches!(part, Component::Normal(_))) {
        return Err(json.bad(format!("`{path}` leads out of the folder")));
    }
    // `sentence_transformers.models.Pooling`, or since 5.4 `sentence_transformers.….modules.pooling.Pooling`.
    let own = kind.starts_with("sentence_transformers.");
    let kind = match kind.rsplit('.').next().filter(|_| own) {
        Some("Transformer") => Kind::Transformer,
        Some("Pooling") => Kind::Pooling,
        Some("Dense") => Kind::Dense,
        Some("Normalize") => Kind::Normalize,
        _ => {
            let supported = "sentence-transformers' Transformer, Pooling, Dense and Normalize";
            return Err(json.unsupported("type", &format!("`{kind}`"), supported));
        }
    };
    Ok((kind, folder.join(path)))
}

fn stage(json: &JsonFile, kind: Kind, folder: &Path) -> Result<Stage> {
    match kind {
        Kind::Dense => Ok(Stage::Dense(Box::new(Dense::load(folder)?))),
        Kind::Normalize => {
            // Its settings came with 5.4; older folders have no file, or no folder at all.
            let config = JsonFile::read_or_empty(folder, "config.json")?;
            only(&config.fields()?, &["module_input_name", "module_output_name"])?;
            check_features(&config.fields()?)?;
            Ok(Stage::Normalize)
        }
        Kind::Transformer | Kind::Pooling => Err(json.bad("after Pooling only Dense and Normalize may follow")),
    }
}

/// Names under which sentence_bert_config.json went for other architectures.
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
        only(
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
        allow(json, "transformer_task", &[json!("feature-extraction")], "feature-extraction")?;
        allow(json, "module_output_name", &[json!("token_embeddings")], "token_embeddings")?;
        let text_only = json!({ "text": { "method": "forward", "method_output_name": "last_hidden_state" } });
        allow(
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

    /// The text in front of every text: the one given, the one named, or the folder's default.
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
