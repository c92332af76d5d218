//! One function per parser of model folders that is ours: bytes in, an answer or a typed error out. The replay of the
//! corpus and the fuzzer run the same functions.

mod decoder;
mod embedder;
mod folder;
mod text;

/// A parser by the name of its corpus, and whether it took an input; others are refused with a typed error.
pub type Target = (&'static str, fn(&[u8]) -> bool);

pub const TARGETS: [Target; 22] = [
    ("model-config", decoder::config),
    ("policy", decoder::policy),
    ("weights", decoder::weights),
    ("weights-index", decoder::weights_index),
    ("end-tokens", decoder::end_tokens),
    ("tokenizer", text::tokenizer),
    ("adapter-config", decoder::adapter_config),
    ("adapter-weights", decoder::adapter_weights),
    ("training", decoder::training),
    ("adapter-training", decoder::adapter_training),
    ("embedder-modules", embedder::modules),
    ("embedder-config", embedder::config),
    ("embedder-weights", embedder::weights),
    ("embedder-tokenizer", embedder::tokenizer),
    ("embedder-tokenizer-config", embedder::tokenizer_config),
    ("embedder-vocabulary", embedder::vocabulary),
    ("embedder-sentence", embedder::sentence),
    ("embedder-prompts", embedder::prompts),
    ("embedder-pooling", embedder::pooling),
    ("embedder-dense", embedder::dense),
    ("embedder-dense-weights", embedder::dense_weights),
    ("embedder-normalize", embedder::normalize),
];
