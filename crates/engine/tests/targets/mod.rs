//! One function per parser of model folders that is ours: bytes in, an answer or a typed error out. The replay of the
//! corpus and the fuzzer run the same functions.

use exit_rl_engine::end_tokens::read_end_tokens;
use exit_rl_engine::model::config::DecoderConfig;
use exit_rl_engine::model::layout::{elements, Layout};
use exit_rl_engine::model::lora::peft::PeftConfig;
use exit_rl_engine::model::lora::Adapter;
use exit_rl_engine::model::parameters::Parameters;
use exit_rl_engine::tokenizer::Tokenizer;
use exit_rl_engine::train::optimizer::Optimizer;
use std::path::{Path, PathBuf};
use tch::{Device, Kind};

/// A parser by the name of its corpus.
pub type Target = (&'static str, fn(&[u8]));

pub const TARGETS: [Target; 8] = [
    ("model-config", model_config),
    ("weights", weights),
    ("weights-index", weights_index),
    ("end-tokens", end_tokens),
    ("tokenizer", tokenizer),
    ("adapter-config", adapter_config),
    ("adapter-weights", adapter_weights),
    ("training", training),
];

const CONFIG: &[u8] = include_bytes!("../../../../test/corpus/model-config/llama.json");
const WEIGHTS: &[u8] = include_bytes!("../../../../test/corpus/weights/llama.safetensors");
const ADAPTER: &[u8] = include_bytes!("../../../../test/corpus/adapter-config/lora.json");

/// A folder in memory where there is one; it goes when the value goes.
struct Folder(PathBuf);

impl Folder {
    fn with(files: &[(&str, &[u8])]) -> Self {
        let memory = Path::new("/dev/shm");
        let root = if memory.is_dir() { memory.to_path_buf() } else { std::env::temp_dir() };
        let name = format!("exit-rl-fuzz-{}-{:?}", std::process::id(), std::thread::current().id());
        let folder = Self(root.join(name));
        std::fs::create_dir_all(&folder.0).expect("a folder for the fuzzer");
        for (name, bytes) in files {
            std::fs::write(folder.0.join(name), bytes).expect("a file for the fuzzer");
        }
        folder
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn load(files: &[(&str, &[u8])]) -> Option<Parameters> {
    Parameters::load(&Folder::with(files).0, Device::Cpu, Kind::Float, true).ok()
}

fn model_config(bytes: &[u8]) {
    if let Ok(config) = DecoderConfig::read(&Folder::with(&[("config.json", bytes)]).0) {
        assert!(elements(&config) > 0);
    }
}

fn weights(bytes: &[u8]) {
    load(&[("config.json", CONFIG), ("model.safetensors", bytes)]);
}

fn weights_index(bytes: &[u8]) {
    let shard = ("model-00001-of-00001.safetensors", WEIGHTS);
    load(&[("config.json", CONFIG), shard, ("model.safetensors.index.json", bytes)]);
}

fn end_tokens(bytes: &[u8]) {
    if let Ok(ids) = read_end_tokens(&Folder::with(&[("generation_config.json", bytes)]).0, 100) {
        assert!(ids.iter().all(|&id| id < 100));
    }
}

fn tokenizer(bytes: &[u8]) {
    let folder = Folder::with(&[("tokenizer.json", bytes)]);
    let Ok(tokenizer) = Tokenizer::load(&folder.0, 1 << 20) else { return };
    if let Ok(tokens) = tokenizer.encode("Café <|im_end|> \u{1f600} a1x 12") {
        let _ = tokenizer.decode(&tokens, false);
    }
}

fn adapter_config(bytes: &[u8]) {
    let _ = PeftConfig::read(&Folder::with(&[("adapter_config.json", bytes)]).0);
}

fn adapter_weights(bytes: &[u8]) {
    let Ok(config) = DecoderConfig::read(&Folder::with(&[("config.json", CONFIG)]).0) else { return };
    let (layout, _) = Layout::new(&config);
    let folder = Folder::with(&[("adapter_config.json", ADAPTER), ("adapter_model.safetensors", bytes)]);
    let _ = Adapter::read(&folder.0, &layout, "any", 0, Device::Cpu);
}

fn training(bytes: &[u8]) {
    let Some(mut parameters) = load(&[("config.json", CONFIG), ("model.safetensors", WEIGHTS)]) else { return };
    let folder = Folder::with(&[("training.safetensors", bytes)]);
    let Ok(mut optimizer) = Optimizer::new(&mut parameters, Kind::Float) else { return };
    let _ = optimizer.load(&folder.0.join("training.safetensors"), &mut parameters, None);
}
