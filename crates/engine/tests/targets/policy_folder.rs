//! Parsers of a model folder of a policy, of its adapters and of training checkpoints.

use super::scratch_folder::ScratchFolder;
use exit_rl_engine::generate::generation_config::GenerationConfig;
use exit_rl_engine::io::notices::Notices;
use exit_rl_engine::memory::{estimate, Workload};
use exit_rl_engine::model::config::DecoderConfig;
use exit_rl_engine::model::layout::{elements, Layout};
use exit_rl_engine::model::lora::adapter::Adapter;
use exit_rl_engine::model::lora::peft::PeftConfig;
use exit_rl_engine::model::parameters::Parameters;
use exit_rl_engine::placement::{BackendChoice, Dtype};
use exit_rl_engine::policy::{LoadOptions, Policy};
use exit_rl_engine::tokenizer::end_tokens::read_end_tokens;
use exit_rl_engine::train::optimizer::Optimizer;
use tch::{Device, Kind};

const CONFIG: &[u8] = include_bytes!("../../../../test/corpus/model-config/llama.json");
const WEIGHTS: &[u8] = include_bytes!("../../../../test/corpus/weights/llama.safetensors");
const ADAPTER: &[u8] = include_bytes!("../../../../test/corpus/adapter-config/lora.json");
const FACTORS: &[u8] = include_bytes!("../../../../test/corpus/adapter-weights/lora.safetensors");
const TOKENIZER: &[u8] = include_bytes!("../../../../test/corpus/tokenizer/bpe.json");

fn load(files: &[(&str, &[u8])]) -> Option<Parameters> {
    Parameters::load(&ScratchFolder::with(files).0, Device::Cpu, Kind::Float, true, &mut Notices::default()).ok()
}

pub fn config(bytes: &[u8]) -> bool {
    let config = DecoderConfig::read(&ScratchFolder::with(&[("config.json", bytes)]).0, &mut Notices::default());
    config.is_ok_and(|config| elements(&config) > 0)
}

/// The memory estimate of `doctor --model`, then loading the folder.
pub fn policy(bytes: &[u8]) -> bool {
    let files = [("config.json", bytes), ("model.safetensors", WEIGHTS), ("tokenizer.json", TOKENIZER)];
    let folder = ScratchFolder::with(&files);
    let options = LoadOptions {
        device: "cpu".into(),
        dtype: Dtype::Fp32,
        threads: 1,
        reference: true,
        slots: 1,
        backend: BackendChoice::Kernels,
        trainable: true,
        state_dtype: Dtype::Fp32,
        lora: None,
        adapter: None,
    };
    let workload = Workload {
        prompts: 2,
        group_size: 2,
        prompt_tokens: 8,
        new_tokens: 8,
        microbatch_tokens: 64,
        logits_bytes: 1 << 20,
        gradient_checkpointing: false,
        asynchronous_saving: true,
    };
    let estimated = estimate(&folder.0, &options, &workload).is_ok();
    estimated && Policy::load(&folder.0, &options).is_ok()
}

pub fn weights(bytes: &[u8]) -> bool {
    load(&[("config.json", CONFIG), ("model.safetensors", bytes)]).is_some()
}

pub fn weights_index(bytes: &[u8]) -> bool {
    let shard = ("model-00001-of-00001.safetensors", WEIGHTS);
    load(&[("config.json", CONFIG), shard, ("model.safetensors.index.json", bytes)]).is_some()
}

pub fn end_tokens(bytes: &[u8]) -> bool {
    let ids = read_end_tokens(&ScratchFolder::with(&[("generation_config.json", bytes)]).0, 100);
    ids.is_ok_and(|ids| ids.iter().all(|&id| id < 100))
}

pub fn generation_config(bytes: &[u8]) -> bool {
    let folder = ScratchFolder::with(&[("generation_config.json", bytes)]);
    let config = GenerationConfig::read(&folder.0, 100, &mut Notices::default());
    // What is accepted can be applied to any history.
    config.is_ok_and(|config| config.rules.edits(&[1, 2, 1], &[2, 1], &[3]).banned.iter().all(|&id| id < 100))
}

pub fn adapter_config(bytes: &[u8]) -> bool {
    PeftConfig::read(&ScratchFolder::with(&[("adapter_config.json", bytes)]).0, &mut Notices::default()).is_ok()
}

pub fn adapter_weights(bytes: &[u8]) -> bool {
    let Ok(config) = DecoderConfig::read(&ScratchFolder::with(&[("config.json", CONFIG)]).0, &mut Notices::default())
    else {
        return false;
    };
    adapter(&Layout::new(&config).0, bytes).is_some()
}

fn adapter(layout: &Layout, weights: &[u8]) -> Option<Adapter> {
    let folder = ScratchFolder::with(&[("adapter_config.json", ADAPTER), ("adapter_model.safetensors", weights)]);
    Adapter::read(&folder.0, layout, "any", 0, Device::Cpu, &mut Notices::default()).ok()
}

pub fn training(bytes: &[u8]) -> bool {
    let parameters = load(&[("config.json", CONFIG), ("model.safetensors", WEIGHTS)]);
    parameters.is_some_and(|parameters| resumes(parameters, bytes))
}

/// An adapter's training file also holds earlier adapters, in the number that it states.
pub fn adapter_training(bytes: &[u8]) -> bool {
    let folder = ScratchFolder::with(&[("config.json", CONFIG), ("model.safetensors", WEIGHTS)]);
    let Ok(mut parameters) = Parameters::load(&folder.0, Device::Cpu, Kind::Float, false, &mut Notices::default())
    else {
        return false;
    };
    let Some(adapter) = adapter(&parameters.layout, FACTORS) else { return false };
    parameters.adapt(adapter).is_ok() && resumes(parameters, bytes)
}

fn resumes(mut parameters: Parameters, training: &[u8]) -> bool {
    let folder = ScratchFolder::with(&[("training.safetensors", training)]);
    let Ok(mut optimizer) = Optimizer::new(&mut parameters, Kind::Float) else { return false };
    optimizer.load(&folder.0.join("training.safetensors"), &mut parameters, None).is_ok()
}
