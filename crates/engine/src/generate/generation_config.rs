//! generation_config.json: its rules for `generate`, greedy or not, of which transformers builds logits processors.

use super::token_rules::TokenRules;
use crate::error::{EngineError, Result};
use crate::io::config_fields::ConfigFields;
use crate::io::key_rule::{KeyRule, Neutral, RefusedKey};
use crate::io::notices::{names, Notices};
use crate::io::read_file::{read_optional, MAX_JSON};
use serde::Deserialize;
use serde_json::Value;
use std::path::Path;

/// The file of a folder.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GenerationConfig {
    pub rules: TokenRules,
    /// Its keys that are rules, but for those that change nothing.
    ruling: Vec<&'static str>,
    /// Keys that change greedy tokens in transformers, and that nothing here computes.
    pub unsupported: Vec<String>,
}

/// The keys that become rules; null is the same as an absent key.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Keys {
    repetition_penalty: Option<f64>,
    no_repeat_ngram_size: Option<usize>,
    bad_words_ids: Option<Vec<Vec<u32>>>,
    suppress_tokens: Option<Vec<i64>>,
    begin_suppress_tokens: Option<Vec<i64>>,
    min_new_tokens: Option<usize>,
    min_length: Option<usize>,
}

const FILE: &str = "generation_config.json";

/// The rules by name; a list or a number that is off changes nothing.
const RULES: [(&str, Neutral); 7] = [
    ("repetition_penalty", Neutral::Number(1.0)),
    ("no_repeat_ngram_size", Neutral::Number(0.0)),
    ("bad_words_ids", Neutral::Off),
    ("suppress_tokens", Neutral::Off),
    ("begin_suppress_tokens", Neutral::Off),
    ("min_new_tokens", Neutral::Number(0.0)),
    ("min_length", Neutral::Number(0.0)),
];

/// How tokens are drawn and how many: each request says it.
const REQUESTED: [(&str, Neutral); 11] = [
    ("temperature", Neutral::Number(1.0)),
    ("top_k", Neutral::Number(0.0)),
    ("top_p", Neutral::Number(1.0)),
    ("min_p", Neutral::Number(0.0)),
    ("top_h", Neutral::Off),
    ("typical_p", Neutral::Number(1.0)),
    ("epsilon_cutoff", Neutral::Number(0.0)),
    ("eta_cutoff", Neutral::Number(0.0)),
    ("num_return_sequences", Neutral::Number(1.0)),
    ("max_new_tokens", Neutral::Off),
    ("max_time", Neutral::Off),
];

/// Keys that say nothing about the tokens that are generated; `eos_token_id` is read with the tokenizer.
const HARMLESS: &[&str] = &[
    "eos_token_id",
    "bos_token_id",
    "pad_token_id",
    "decoder_start_token_id",
    "do_sample",
    "max_length",
    "use_cache",
    "cache_implementation",
    "cache_config",
    "return_dict_in_generate",
    "output_attentions",
    "output_hidden_states",
    "output_scores",
    "output_logits",
    "transformers_version",
    "_from_model_config",
    "renormalize_logits",
    "remove_invalid_values",
    "early_stopping",
    "length_penalty",
    "diversity_penalty",
    "num_beam_groups",
    "encoder_repetition_penalty",
    "encoder_no_repeat_ngram_size",
    "trust_remote_code",
    "is_assistant",
    "num_assistant_tokens",
    "num_assistant_tokens_schedule",
    "assistant_confidence_threshold",
    "prompt_lookup_num_tokens",
    "max_matching_ngram_size",
    "target_lookbehind",
    "assistant_lookbehind",
    "disable_compile",
    "low_memory",
];

/// Keys that change greedy tokens in transformers.
const UNSUPPORTED: &[RefusedKey] = &[
    changing("sequence_bias", Neutral::Off),
    changing("num_beams", Neutral::Number(1.0)),
    changing("guidance_scale", Neutral::Number(1.0)),
    changing("forced_bos_token_id", Neutral::Off),
    changing("forced_eos_token_id", Neutral::Off),
    changing("exponential_decay_length_penalty", Neutral::Off),
    changing("watermarking_config", Neutral::Off),
    changing("force_words_ids", Neutral::Off),
    changing("constraints", Neutral::Off),
    changing("penalty_alpha", Neutral::Number(0.0)),
    changing("dola_layers", Neutral::Off),
    changing("token_healing", Neutral::Off),
    changing("stop_strings", Neutral::Off),
];

const fn changing(key: &'static str, neutral: Neutral) -> RefusedKey {
    RefusedKey { key, neutral }
}

impl GenerationConfig {
    /// # Errors
    /// `ModelFile` names the key whose value transformers would refuse as well.
    pub fn read(folder: &Path, vocabulary: usize, notices: &mut Notices) -> Result<Self> {
        let Some(bytes) = read_optional(folder, FILE, MAX_JSON)? else { return Ok(Self::default()) };
        let file = folder.join(FILE);
        let bad = |reason: String| EngineError::model_file(&file, reason);
        let json: Value = serde_json::from_slice(&bytes).map_err(|error| bad(error.to_string()))?;
        let fields = ConfigFields::new(&json, &file)?;
        let set = |key: &str, neutral: Neutral| fields.get(key).is_some_and(|value| !neutral.fits(value));
        let named = |keys: &[(&'static str, Neutral)]| -> Vec<&'static str> {
            keys.iter().filter(|(key, neutral)| set(key, *neutral)).map(|(key, _)| *key).collect()
        };
        let unsupported = UNSUPPORTED.iter().filter(|key| set(key.key, key.neutral));
        let unsupported = unsupported.map(|key| key.key.to_string()).collect();
        note_others(&fields, &named(&REQUESTED), notices)?;
        let keys: Keys = serde_path_to_error::deserialize(&json)
            .map_err(|error| bad(format!("`{}`: {}", error.path(), error.inner())))?;
        let rules = keys.into_rules(vocabulary);
        rules.check(vocabulary).map_err(|error| bad(error.to_string()))?;
        Ok(Self { rules, ruling: named(&RULES), unsupported })
    }

    /// Rollouts are drawn from the policy itself: what shaped them would not be what is trained.
    pub fn note_training(&self, folder: &Path, notices: &mut Notices) {
        if self.ruling.is_empty() {
            return;
        }
        let (file, keys) = (folder.join(FILE), names(&self.ruling));
        notices.add(format!("`{}`: `generate` alone follows {keys}, training does not", file.display()));
    }
}

/// One line for keys whose place is a request, and one for keys that nothing reads.
fn note_others(fields: &ConfigFields, requested: &[&str], notices: &mut Notices) -> Result<()> {
    if !requested.is_empty() {
        let (file, keys) = (fields.file().display(), names(requested));
        let are = if requested.len() == 1 { "is" } else { "are" };
        notices.add(format!("`{file}`: {keys} {are} not read, each request says how it samples"));
    }
    let read: Vec<&str> = RULES.iter().chain(&REQUESTED).map(|(key, _)| *key).collect();
    let unsupported: Vec<&str> = UNSUPPORTED.iter().map(|refused| refused.key).collect();
    let read = [read, unsupported].concat();
    KeyRule { read: &read, harmless: HARMLESS, refused: &[] }.check(fields, notices)
}

impl Keys {
    fn into_rules(self, vocabulary: usize) -> TokenRules {
        // transformers ignores suppressed ids that the model does not have: the models of a family share one list.
        let known = |ids: Option<Vec<i64>>| -> Vec<u32> {
            let ids = ids.unwrap_or_default().into_iter();
            ids.filter_map(|id| u32::try_from(id).ok()).filter(|&id| (id as usize) < vocabulary).collect()
        };
        TokenRules {
            repetition_penalty: self.repetition_penalty.unwrap_or(1.0),
            no_repeat_ngram_size: self.no_repeat_ngram_size.unwrap_or(0),
            bad_words: self.bad_words_ids.unwrap_or_default(),
            suppressed: known(self.suppress_tokens),
            begin_suppressed: known(self.begin_suppress_tokens),
            min_new_tokens: self.min_new_tokens.unwrap_or(0),
            // min_new_tokens replaces it.
            min_length: if self.min_new_tokens.is_some() { 0 } else { self.min_length.unwrap_or(0) },
        }
    }
}
