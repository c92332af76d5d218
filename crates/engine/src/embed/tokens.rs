//! Texts to token ids as sentence-transformers asks for them: special tokens added, cut at the longest length.

use super::json::{flag_or, JsonFile};
use crate::error::{EngineError, Result};
use crate::io::read_file::read_bounded;
use crate::model::fields::Fields;
use crate::tokenizer::growth::check_tokens;
use crate::tokenizer::{parse, MAX_TOKENIZER};
use serde_json::{json, Map, Value};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::Path;
use tokenizers::{PostProcessor, TruncationDirection, TruncationParams, TruncationStrategy};

pub struct EmbedTokenizer {
    inner: tokenizers::Tokenizer,
    pub longest: usize,
}

/// What the folder's other files say about its tokens.
#[derive(Debug, Clone, Copy)]
pub struct TokenSettings {
    pub vocab_size: usize,
    /// Positions that the model has.
    pub context_length: usize,
    /// Whether a text beyond `context_length` cannot be computed at all.
    pub absolute_positions: bool,
    /// `max_seq_length` of sentence_bert_config.json.
    pub max_seq_length: Option<usize>,
    pub lower_case: bool,
    /// `model_type` is bert: transformers then builds the tokenizer from its vocabulary and tokenizer_config.json.
    pub bert: bool,
}

impl EmbedTokenizer {
    pub fn load(folder: &Path, settings: &TokenSettings) -> Result<Self> {
        let config_file = JsonFile::read_or_empty(folder, "tokenizer_config.json")?;
        let config = config_file.fields()?;
        let mut tokenizer = definition(folder, &config, settings)?;
        tokenizer["truncation"] = Value::Null;
        tokenizer["padding"] = Value::Null;
        if settings.lower_case {
            lower_first(&mut tokenizer);
        }
        let file = folder.join("tokenizer.json");
        let bytes = serde_json::to_vec(&tokenizer).map_err(|error| EngineError::model_file(&file, error))?;
        let mut inner = parse(&file, &bytes)?;
        let known = inner.get_vocab(true);
        check_tokens(&known).map_err(|reason| EngineError::model_file(&file, reason))?;
        let largest = known.into_values().max().unwrap_or(0) as usize;
        if largest >= settings.vocab_size {
            let reason = format!("token id {largest} is outside the model's vocabulary of {}", settings.vocab_size);
            return Err(EngineError::model_file(&file, reason));
        }
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
        let cut = TruncationParams { max_length: longest, strategy, stride: 0, direction };
        inner.with_truncation(Some(cut)).map_err(|error| EngineError::model_file(&file, error))?;
        Ok(Self { inner, longest })
    }

    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        match catch_unwind(AssertUnwindSafe(|| self.inner.encode_fast(text, true))) {
            Ok(Ok(encoding)) => Ok(encoding.get_ids().to_vec()),
            Ok(Err(error)) => Err(EngineError::invalid("text", error.to_string())),
            Err(_) => Err(EngineError::invalid("text", "the tokenizer library failed on it")),
        }
    }

    /// Tokens of a prompt at the head of a text: without the special token that would end it.
    pub fn prompt_length(&self, prompt: &str) -> Result<usize> {
        let tokens = self.encode(prompt)?;
        let special = |id: &u32| self.inner.get_added_tokens_decoder().get(id).is_some_and(|token| token.special);
        Ok(tokens.len() - usize::from(tokens.last().is_some_and(special)))
    }
}

/// `max_seq_length` where it is given, else what tokenizer and model allow: sentence-transformers' rule.
fn longest(config: &Fields, settings: &TokenSettings) -> Result<usize> {
    let of_tokenizer =
        config.number("model_max_length")?.filter(|&length| length >= 1.0 && length < f64::from(1 << 24));
    let of_both = of_tokenizer.map_or(settings.context_length, |length| (length as usize).min(settings.context_length));
    let longest = settings.max_seq_length.unwrap_or(of_both);
    if settings.absolute_positions && longest > settings.context_length {
        let reason = format!("max_seq_length is {longest}, and the model has {} positions", settings.context_length);
        return Err(config.bad(reason));
    }
    Ok(longest)
}

fn definition(folder: &Path, config: &Fields, settings: &TokenSettings) -> Result<Value> {
    let class = config.text("tokenizer_class")?.unwrap_or(if settings.bert { "BertTokenizer" } else { "" });
    let bert = matches!(class, "BertTokenizer" | "BertTokenizerFast");
    let file = folder.join("tokenizer.json");
    if bert && !file.exists() && folder.join("vocab.txt").exists() {
        return word_pieces(folder, config);
    }
    let Some(found) = JsonFile::read_up_to(folder, "tokenizer.json", MAX_TOKENIZER)? else {
        return Err(without_definition(folder, &file));
    };
    found.fields()?;
    let mut tokenizer = found.value;
    if bert {
        tokenizer["normalizer"] = bert_normalizer(config)?;
    }
    Ok(tokenizer)
}

fn without_definition(folder: &Path, file: &Path) -> EngineError {
    let found = ["vocab.txt", "vocab.json", "sentencepiece.bpe.model", "spiece.model", "tokenizer.model"];
    let Some(other) = found.iter().find(|name| folder.join(name).exists()) else {
        let folder = folder.display().to_string();
        return EngineError::ModelFileMissing { folder, file: "tokenizer.json".into() };
    };
    let reason = format!(
        "`{other}` alone is not read; write tokenizer.json with transformers: \
         AutoTokenizer.from_pretrained(folder).save_pretrained(folder)"
    );
    EngineError::model_file(file, reason)
}

/// transformers takes BERT's switches from tokenizer_config.json, whatever tokenizer.json says.
fn bert_normalizer(config: &Fields) -> Result<Value> {
    Ok(json!({
        "type": "BertNormalizer",
        "clean_text": true,
        "handle_chinese_chars": flag_or(config, "tokenize_chinese_chars", true)?,
        "strip_accents": config.get("strip_accents").map(|_| config.flag("strip_accents")).transpose()?,
        "lowercase": flag_or(config, "do_lower_case", true)?,
    }))
}

/// BERT's tokenizer from vocab.txt: a word piece a line, its id the line's number.
fn word_pieces(folder: &Path, config: &Fields) -> Result<Value> {
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

/// `do_lower_case` of sentence_bert_config.json: a lower-casing step before the tokenizer's own, if it has none.
fn lower_first(tokenizer: &mut Value) {
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
