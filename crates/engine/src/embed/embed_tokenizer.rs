//! Texts to token ids as in sentence-transformers: special tokens added, truncated at the longest length.

use super::json_file::{flag_or, JsonFile};
use crate::error::{EngineError, Result};
use crate::io::config_fields::ConfigFields;
use crate::io::notices::Notices;
use crate::io::read_file::read_bounded;
use crate::tokenizer::growth::check_tokens;
use crate::tokenizer::{note_beyond, parse, MAX_TOKENIZER};
use serde_json::{json, Map, Value};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::Path;
use tokenizers::{PostProcessor, TruncationDirection, TruncationParams, TruncationStrategy};

/// The tokenizer of an embedder.
pub struct EmbedTokenizer {
    inner: tokenizers::Tokenizer,
    /// Tokens at which a text is truncated, special tokens included.
    pub longest: usize,
    /// Ids that the model has embeddings for.
    vocab_size: usize,
}

/// Settings of the tokenizer from the folder's other files.
#[derive(Debug, Clone, Copy)]
pub struct TokenSettings {
    pub vocab_size: usize,
    /// Positions of the model.
    pub context_length: usize,
    /// Learned positions: a text beyond `context_length` cannot be computed.
    pub absolute_positions: bool,
    /// `max_seq_length` of sentence_bert_config.json.
    pub max_seq_length: Option<usize>,
    pub lower_case: bool,
    /// Whether `model_type` is bert: transformers then builds the tokenizer from its vocabulary and tokenizer_config.json.
    pub bert: bool,
}

impl EmbedTokenizer {
    /// # Errors
    /// `ModelFileMissing`, `ModelFile` for a malformed tokenizer or lengths that do not fit, `ModelUnsupported`.
    pub fn load(folder: &Path, settings: &TokenSettings, notices: &mut Notices) -> Result<Self> {
        let config_file = JsonFile::read_or_empty(folder, "tokenizer_config.json")?;
        let config = config_file.fields()?;
        let mut tokenizer = definition(folder, &config, settings)?;
        tokenizer["truncation"] = Value::Null;
        tokenizer["padding"] = Value::Null;
        if settings.lower_case {
            add_lowercase(&mut tokenizer);
        }
        let file = folder.join("tokenizer.json");
        let bytes = serde_json::to_vec(&tokenizer).map_err(|error| EngineError::model_file(&file, error))?;
        let mut inner = parse(&file, &bytes)?;
        let vocab = inner.get_vocab(true);
        check_tokens(&vocab).map_err(|reason| EngineError::model_file(&file, reason))?;
        note_beyond(&file, &vocab, settings.vocab_size, notices);
        let longest = longest(&config, settings)?;
        let direction = match config.text("truncation_side")?.unwrap_or("right") {
            "right" => TruncationDirection::Right,
            "left" => TruncationDirection::Left,
            _ => return Err(config.unsupported("truncation_side", "left and right")),
        };
        let special = inner.get_post_processor().map_or(0, |processor| processor.added_tokens(false));
        if special >= longest {
            let reason = format!("a longest length of {longest} leaves no room beside {special} special tokens");
            return Err(config.bad(reason));
        }
        let strategy = TruncationStrategy::LongestFirst;
        let truncation = TruncationParams { max_length: longest, strategy, stride: 0, direction };
        inner.with_truncation(Some(truncation)).map_err(|error| EngineError::model_file(&file, error))?;
        Ok(Self { inner, longest, vocab_size: settings.vocab_size })
    }

    /// # Errors
    /// `text` where the tokenizer library fails on it.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        match catch_unwind(AssertUnwindSafe(|| self.inner.encode_fast(text, true))) {
            Ok(Ok(encoding)) => match encoding.get_ids().iter().find(|&&id| id as usize >= self.vocab_size) {
                None => Ok(encoding.get_ids().to_vec()),
                Some(id) => {
                    let reason = format!("token {id} is outside the model's vocabulary of {}", self.vocab_size);
                    Err(EngineError::invalid("text", reason))
                }
            },
            Ok(Err(error)) => Err(EngineError::invalid("text", error.to_string())),
            Err(_) => Err(EngineError::invalid("text", "the tokenizer library failed on it")),
        }
    }

    /// Tokens of a prompt at the start of a text, without the special token that ends a text.
    pub fn prompt_length(&self, prompt: &str) -> Result<usize> {
        let tokens = self.encode(prompt)?;
        let special = |id: &u32| self.inner.get_added_tokens_decoder().get(id).is_some_and(|token| token.special);
        Ok(tokens.len() - usize::from(tokens.last().is_some_and(special)))
    }
}

/// `max_seq_length`, or the shorter limit of tokenizer and model where it is absent, as in sentence-transformers.
fn longest(config: &ConfigFields, settings: &TokenSettings) -> Result<usize> {
    let tokenizer_limit =
        config.number("model_max_length")?.filter(|&length| length >= 1.0 && length < f64::from(1 << 24));
    let limit =
        tokenizer_limit.map_or(settings.context_length, |length| (length as usize).min(settings.context_length));
    let longest = settings.max_seq_length.unwrap_or(limit);
    if settings.absolute_positions && longest > settings.context_length {
        let reason = format!("max_seq_length is {longest}, and the model has {} positions", settings.context_length);
        return Err(config.bad(reason));
    }
    Ok(longest)
}

/// The content of tokenizer.json, or its equivalent from vocab.txt.
fn definition(folder: &Path, config: &ConfigFields, settings: &TokenSettings) -> Result<Value> {
    let class = config.text("tokenizer_class")?.unwrap_or(if settings.bert { "BertTokenizer" } else { "" });
    let bert = matches!(class, "BertTokenizer" | "BertTokenizerFast");
    let file = folder.join("tokenizer.json");
    if bert && !file.exists() && folder.join("vocab.txt").exists() {
        return word_pieces(folder, config);
    }
    let Some(file_content) = JsonFile::read_up_to(folder, "tokenizer.json", MAX_TOKENIZER)? else {
        return Err(missing_tokenizer(folder, &file));
    };
    file_content.fields()?;
    let mut tokenizer = file_content.value;
    if bert {
        tokenizer["normalizer"] = bert_normalizer(config)?;
    }
    Ok(tokenizer)
}

/// The error of a folder without tokenizer.json; it names another tokenizer file that the folder has.
fn missing_tokenizer(folder: &Path, file: &Path) -> EngineError {
    let others = ["vocab.txt", "vocab.json", "sentencepiece.bpe.model", "spiece.model", "tokenizer.model"];
    let Some(other) = others.iter().find(|name| folder.join(name).exists()) else {
        let folder = folder.display().to_string();
        return EngineError::ModelFileMissing { folder, file: "tokenizer.json".into() };
    };
    let reason = format!(
        "`{other}` alone is not read; write tokenizer.json with transformers: \
         AutoTokenizer.from_pretrained(folder).save_pretrained(folder)"
    );
    EngineError::model_file(file, reason)
}

/// The normalizer of BERT: in transformers, tokenizer_config.json overrides tokenizer.json.
fn bert_normalizer(config: &ConfigFields) -> Result<Value> {
    Ok(json!({
        "type": "BertNormalizer",
        "clean_text": true,
        "handle_chinese_chars": flag_or(config, "tokenize_chinese_chars", true)?,
        "strip_accents": config.get("strip_accents").map(|_| config.flag("strip_accents")).transpose()?,
        "lowercase": flag_or(config, "do_lower_case", true)?,
    }))
}

/// BERT's tokenizer from vocab.txt, in which the word piece of line i has id i.
fn word_pieces(folder: &Path, config: &ConfigFields) -> Result<Value> {
    let file = folder.join("vocab.txt");
    let text = String::from_utf8(read_bounded(folder, "vocab.txt", MAX_TOKENIZER)?)
        .map_err(|error| EngineError::model_file(&file, error))?;
    let lines = text.strip_suffix('\n').unwrap_or(&text).split('\n');
    let vocabulary: Map<String, Value> =
        lines.enumerate().map(|(id, piece)| (piece.trim_end_matches('\r').to_string(), json!(id))).collect();
    let names = [
        ("unk_token", "[UNK]"),
        ("sep_token", "[SEP]"),
        ("pad_token", "[PAD]"),
        ("cls_token", "[CLS]"),
        ("mask_token", "[MASK]"),
    ];
    let mut special = names.map(|(_, default)| default);
    for (slot, (key, _)) in special.iter_mut().zip(names) {
        *slot = config.text(key)?.unwrap_or(slot);
    }
    let [unknown, separator, _, class, _] = special;
    let id = |token: &str| {
        let missing = || EngineError::model_file(&file, format!("the special token `{token}` is not in it"));
        vocabulary.get(token).cloned().ok_or_else(missing)
    };
    let mut added = Vec::new();
    for token in special {
        added.push(json!({ "id": id(token)?, "content": token, "special": true, "single_word": false,
            "lstrip": false, "rstrip": false, "normalized": false }));
    }
    added.sort_by_key(|token| token["id"].as_u64());
    let part = |token: &str| json!({ "SpecialToken": { "id": token, "type_id": 0 } });
    let entry = |token: &str| Ok::<Value, EngineError>(json!({ "id": token, "ids": [id(token)?], "tokens": [token] }));
    let single = json!([part(class), { "Sequence": { "id": "A", "type_id": 0 } }, part(separator)]);
    Ok(json!({
        "version": "1.0",
        "added_tokens": added,
        "normalizer": bert_normalizer(config)?,
        "pre_tokenizer": { "type": "BertPreTokenizer" },
        "post_processor": {
            "type": "TemplateProcessing",
            "single": single,
            "pair": single,
            "special_tokens": { class: entry(class)?, separator: entry(separator)? },
        },
        "decoder": null,
        "model": {
            "type": "WordPiece",
            "unk_token": unknown,
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": vocabulary,
        },
    }))
}

/// `do_lower_case` of sentence_bert_config.json: adds a lower-casing step before the normalizer unless it has one.
fn add_lowercase(tokenizer: &mut Value) {
    let lower = json!({ "type": "Lowercase" });
    let normalizer = tokenizer["normalizer"].take();
    let is_lower = |step: &Value| step["type"] == "Lowercase";
    let mut steps = match normalizer["type"].as_str() {
        None => vec![],
        Some("Sequence") => normalizer["normalizers"].as_array().cloned().unwrap_or_default(),
        Some(_) => vec![normalizer],
    };
    if !steps.iter().any(is_lower) {
        steps.insert(0, lower);
    }
    tokenizer["normalizer"] = json!({ "type": "Sequence", "normalizers": steps });
}
