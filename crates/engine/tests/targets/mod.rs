//! Fuzz targets: one function for each of our parsers of model folders. Each returns a result or a typed error for any
//! bytes. The replay of the corpus and the fuzzer run the same functions.

mod embedder_folder;
mod policy_folder;
mod scratch_folder;
mod tokenizer_file;

/// The name of a corpus, and the parser of its inputs; true where the parser accepts, false for a typed error.
pub type Target = (&'static str, fn(&[u8]) -> bool);

pub const TARGETS: [Target; 23] = [
    ("model-config", policy_folder::config),
    ("policy", policy_folder::policy),
    ("weights", policy_folder::weights),
    ("weights-index", policy_folder::weights_index),
    ("end-tokens", policy_folder::end_tokens),
    ("generation-config", policy_folder::generation_config),
    ("tokenizer", tokenizer_file::tokenizer),
    ("adapter-config", policy_folder::adapter_config),
    ("adapter-weights", policy_folder::adapter_weights),
    ("training", policy_folder::training),
    ("adapter-training", policy_folder::adapter_training),
    ("embedder-modules", embedder_folder::modules),
    ("embedder-config", embedder_folder::config),
    ("embedder-weights", embedder_folder::weights),
    ("embedder-tokenizer", embedder_folder::tokenizer),
    ("embedder-tokenizer-config", embedder_folder::tokenizer_config),
    ("embedder-vocabulary", embedder_folder::vocabulary),
    ("embedder-sentence", embedder_folder::sentence),
    ("embedder-prompts", embedder_folder::prompts),
    ("embedder-pooling", embedder_folder::pooling),
    ("embedder-dense", embedder_folder::dense),
    ("embedder-dense-weights", embedder_folder::dense_weights),
    ("embedder-normalize", embedder_folder::normalize),
];
