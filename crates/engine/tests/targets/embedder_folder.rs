//! A sentence-transformers folder with one file replaced by the input: loaded, then used to embed texts.

use super::scratch_folder::ScratchFolder;
use exit_rl_engine::embed::embedder::{Embedder, EmbedderOptions};
use exit_rl_engine::error::Result;
use exit_rl_engine::placement::{BackendChoice, Dtype};
use std::path::Path;

macro_rules! seed {
    ($path:literal) => {
        ($path, include_bytes!(concat!("../../../../test/corpus/", $path)) as &[u8])
    };
}

/// The files of the folder; the input replaces one of them.
const FILES: [(&str, (&str, &[u8])); 11] = [
    ("modules.json", seed!("embedder-modules/new.json")),
    ("config.json", seed!("embedder-config/bert.json")),
    ("model.safetensors", seed!("embedder-weights/bert.safetensors")),
    ("tokenizer.json", seed!("embedder-tokenizer/word-piece.json")),
    ("tokenizer_config.json", seed!("embedder-tokenizer-config/left.json")),
    ("sentence_bert_config.json", seed!("embedder-sentence/old.json")),
    ("config_sentence_transformers.json", seed!("embedder-prompts/prompts.json")),
    ("1_Pooling/config.json", seed!("embedder-pooling/new.json")),
    ("2_Dense/config.json", seed!("embedder-dense/tanh.json")),
    ("2_Dense/model.safetensors", seed!("embedder-dense-weights/residual.safetensors")),
    ("3_Normalize/config.json", seed!("embedder-normalize/named.json")),
];

pub fn modules(bytes: &[u8]) -> bool {
    in_place_of("modules.json", bytes)
}

pub fn config(bytes: &[u8]) -> bool {
    in_place_of("config.json", bytes)
}

pub fn weights(bytes: &[u8]) -> bool {
    in_place_of("model.safetensors", bytes)
}

pub fn tokenizer(bytes: &[u8]) -> bool {
    in_place_of("tokenizer.json", bytes)
}

pub fn tokenizer_config(bytes: &[u8]) -> bool {
    in_place_of("tokenizer_config.json", bytes)
}

pub fn sentence(bytes: &[u8]) -> bool {
    in_place_of("sentence_bert_config.json", bytes)
}

pub fn prompts(bytes: &[u8]) -> bool {
    in_place_of("config_sentence_transformers.json", bytes)
}

pub fn pooling(bytes: &[u8]) -> bool {
    in_place_of("1_Pooling/config.json", bytes)
}

pub fn dense(bytes: &[u8]) -> bool {
    in_place_of("2_Dense/config.json", bytes)
}

pub fn dense_weights(bytes: &[u8]) -> bool {
    in_place_of("2_Dense/model.safetensors", bytes)
}

pub fn normalize(bytes: &[u8]) -> bool {
    in_place_of("3_Normalize/config.json", bytes)
}

/// BERT's vocabulary, which is read without tokenizer.json.
pub fn vocabulary(bytes: &[u8]) -> bool {
    let others = FILES.into_iter().filter(|(name, _)| *name != "tokenizer.json");
    let mut files: Vec<_> = others.map(|(name, (_, content))| (name, content)).collect();
    files.push(("vocab.txt", bytes));
    files.retain(|(name, _)| *name != "tokenizer_config.json");
    embed(&ScratchFolder::with(&files).0).is_ok()
}

fn in_place_of(changed: &str, bytes: &[u8]) -> bool {
    let files = FILES.map(|(name, (_, content))| (name, if name == changed { bytes } else { content }));
    embed(&ScratchFolder::with(&files).0).is_ok()
}

fn embed(folder: &Path) -> Result<()> {
    let options = EmbedderOptions {
        device: "cpu".into(),
        dtype: Dtype::Fp32,
        threads: 1,
        backend: BackendChoice::Kernels,
        prompt: None,
        prompt_name: None,
        max_tokens: None,
    };
    let mut embedder = Embedder::load(folder, &options)?;
    let tokens = embedder.tokenize(&["a café".into(), String::new(), "b".repeat(500)])?;
    let vectors = embedder.vectors(&tokens.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
    assert!(vectors.iter().all(|vector| vector.len() == embedder.info.dimension));
    Ok(())
}
