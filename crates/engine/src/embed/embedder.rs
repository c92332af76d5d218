//! A loaded sentence-transformers folder: texts in, vectors out.

use super::architecture::Architecture;
use super::embed_tokenizer::{EmbedTokenizer, TokenSettings};
use super::json_file::{flag_or, JsonFile};
use super::modules::{Modules, Prompts};
use super::pooling::Pooling;
use super::stages::Stage;
use super::text_encoder::{Placement, TextEncoder};
use crate::error::{EngineError, Result};
use crate::io::notices::Notices;
use crate::placement;
use crate::placement::{start_pool, BackendChoice, Dtype};
use crate::simd::isa::Instructions;
use rayon::prelude::*;
use serde_json::Value;
use std::path::Path;
use tch::{Device, Kind};

/// Options of loading a folder.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbedderOptions {
    /// `auto`, `cpu`, `cuda`, `cuda:N`.
    pub device: String,
    pub dtype: Dtype,
    /// 0 means one a core.
    pub threads: usize,
    pub backend: BackendChoice,
    /// Prepended to every text; overrides `prompt_name`.
    pub prompt: Option<String>,
    /// The name of one of the folder's prompts.
    pub prompt_name: Option<String>,
    /// Truncates texts to fewer tokens than the folder does.
    pub max_tokens: Option<usize>,
}

/// The properties of a loaded embedder.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbedderInfo {
    pub dimension: usize,
    pub max_tokens: usize,
    pub prompt: String,
    pub device: String,
    pub dtype: Dtype,
    pub backend: &'static str,
    pub threads: usize,
    /// One line for each thing that the folder holds and nobody reads.
    pub notices: Vec<String>,
}

/// The pipeline of a folder: tokenizer, network, pooling, stages.
pub struct Embedder {
    tokenizer: EmbedTokenizer,
    network: Box<dyn TextEncoder>,
    pooling: Pooling,
    stages: Vec<Stage>,
    truncate: Option<usize>,
    prompt_tokens: usize,
    placement: Placement,
    pub info: EmbedderInfo,
}

impl Embedder {
    /// # Errors
    /// `ModelFileMissing`, `ModelFile` and `ModelUnsupported` for the folder, `backend` and `promptName` for the options.
    pub fn load(folder: &Path, options: &EmbedderOptions) -> Result<Self> {
        let (placement, threads) = placement(options)?;
        let modules = Modules::read(folder)?;
        let config = JsonFile::read(&modules.transformer, "config.json")?;
        refuse_chat(&modules)?;
        let mut notices = Notices::default();
        let architecture = Architecture::of(&modules.transformer, &config, &mut notices)?;
        let settings = token_settings(&config, &architecture, &modules, options)?;
        let tokenizer = EmbedTokenizer::load(&modules.transformer, &settings, &mut notices)?;
        let causal = is_causal(&config)?;
        let network = architecture.load(&modules.transformer, &placement, &mut notices)?;
        let pooling = modules.pooling(network.width(), causal)?;
        let dimension = check_stages(folder, &modules.stages, pooling.outputs(network.width()))?;
        let truncate = modules.prompts.truncate_dimension;
        let prompt = prompt(&modules.prompts, options)?;
        let prompt_tokens = if prompt.is_empty() { 0 } else { tokenizer.prompt_length(&prompt)? };
        let info = EmbedderInfo {
            dimension: truncate.unwrap_or(dimension).min(dimension),
            max_tokens: tokenizer.longest,
            prompt,
            device: placement::name(placement.device),
            dtype: options.dtype,
            backend: if placement.kernels.is_some() { Instructions::detect().name() } else { "torch" },
            threads,
            notices: notices.lines(),
        };
        Ok(Self { tokenizer, network, pooling, stages: modules.stages, truncate, prompt_tokens, placement, info })
    }

    /// Token ids of each text with the prompt prepended.
    pub fn tokenize(&self, texts: &[String]) -> Result<Vec<Vec<u32>>> {
        let (tokenizer, prompt) = (&self.tokenizer, &self.info.prompt);
        let encode = |text: &String| tokenizer.encode(&format!("{prompt}{text}"));
        match &self.placement.kernels {
            Some(Some(pool)) => pool.install(|| texts.par_iter().map(encode).collect()),
            _ => texts.iter().map(encode).collect(),
        }
    }

    /// One vector `[dimension]` a text, in order. Texts sorted by length need the least padding.
    ///
    /// # Errors
    /// `NonFinite` for a vector that is not finite.
    pub fn vectors(&mut self, texts: &[&[u32]]) -> Result<Vec<Vec<f32>>> {
        let filled: Vec<&[u32]> = texts.iter().copied().filter(|text| !text.is_empty()).collect();
        self.network.reserve(filled.iter().map(|text| text.len()).max().unwrap_or(0))?;
        let mut hidden = if self.placement.kernels.is_some() {
            self.network.states(&filled)?
        } else {
            with_torch_threads(self.info.threads, || self.network.states(&filled))?
        }
        .into_iter();
        let vectors = texts.iter().map(|text| {
            let states = if text.is_empty() { vec![] } else { hidden.next().unwrap_or_default() };
            self.finish(&states)
        });
        vectors.collect()
    }

    fn finish(&self, states: &[f32]) -> Result<Vec<f32>> {
        let pooled = self.pooling.pool(states, self.network.width(), self.prompt_tokens);
        let mut vector = self.stages.iter().fold(pooled, |vector, stage| stage.apply(vector));
        vector.truncate(self.truncate.unwrap_or(usize::MAX));
        if vector.iter().any(|value| !value.is_finite()) {
            return Err(EngineError::NonFinite { what: "an embedding".into() });
        }
        Ok(vector)
    }
}

fn placement(options: &EmbedderOptions) -> Result<(Placement, usize)> {
    let device = placement::parse(&options.device)?;
    let threads = if options.threads == 0 { placement::default_threads() } else { options.threads };
    let kind = if options.dtype == Dtype::Fp32 { Kind::Float } else { Kind::BFloat16 };
    let kernels_fit = device == Device::Cpu && options.dtype == Dtype::Fp32;
    if options.backend == BackendChoice::Kernels && !kernels_fit {
        return Err(EngineError::invalid("backend", "the kernels compute fp32 on the CPU only"));
    }
    let kernels = (kernels_fit && options.backend != BackendChoice::Torch).then(|| start_pool(threads)).transpose()?;
    Ok((Placement { device, kind, kernels }, threads))
}

/// Sets libtorch's threads while `body` runs: a policy on the kernels leaves libtorch one thread.
fn with_torch_threads<T>(threads: usize, body: impl FnOnce() -> T) -> T {
    let before = tch::get_num_threads();
    tch::set_num_threads(threads as i32);
    let result = body();
    tch::set_num_threads(before);
    result
}

/// Refuses a plain folder with a chat template: sentence-transformers renders its texts as messages, which is not computed
/// here.
fn refuse_chat(modules: &Modules) -> Result<()> {
    let template = modules.transformer.join("chat_template.jinja");
    let config = JsonFile::read_or_empty(&modules.transformer, "tokenizer_config.json")?;
    if modules.pooling.is_none() && (template.exists() || config.fields()?.get("chat_template").is_some()) {
        let supported = "a folder with modules.json, or one without a chat template";
        return Err(config.unsupported("chat_template", "there", supported));
    }
    Ok(())
}

fn is_causal(config: &JsonFile) -> Result<bool> {
    let config = config.fields()?;
    let architecture = config.get("architectures").and_then(|list| list.get(0)).and_then(Value::as_str);
    Ok(architecture.is_some_and(|name| name.ends_with("ForCausalLM")) && flag_or(&config, "is_causal", true)?)
}

fn token_settings(
    config: &JsonFile,
    architecture: &Architecture,
    modules: &Modules,
    options: &EmbedderOptions,
) -> Result<TokenSettings> {
    let config = config.fields()?;
    let folder_length = modules.sentence.max_seq_length;
    let max_seq_length = match (folder_length, options.max_tokens) {
        (Some(folder), Some(option)) => Some(folder.min(option)),
        (folder, option) => folder.or(option),
    };
    let (vocab_size, context_length, absolute_positions) = match architecture {
        Architecture::Encoder(encoder) => (encoder.vocab_size, encoder.context_length, !encoder.norm_first()),
        Architecture::Decoder(decoder) => (decoder.vocab_size, decoder.context_length, false),
    };
    let bert = config.text("model_type")? == Some("bert");
    Ok(TokenSettings {
        vocab_size,
        context_length,
        absolute_positions,
        max_seq_length,
        lower_case: modules.sentence.lower_case,
        bert,
    })
}

fn prompt(prompts: &Prompts, options: &EmbedderOptions) -> Result<String> {
    prompts.resolve(options.prompt.as_deref(), options.prompt_name.as_deref())
}

/// Checks that the widths of the stages fit; returns the width of the last one.
fn check_stages(folder: &Path, stages: &[Stage], pooled: usize) -> Result<usize> {
    stages.iter().try_fold(pooled, |width, stage| match stage {
        Stage::Dense(dense) if dense.inputs != width => {
            let reason = format!("a Dense takes {} features, and the module before it gives {width}", dense.inputs);
            Err(EngineError::model_file(&folder.join("modules.json"), reason))
        }
        stage => Ok(stage.outputs(width)),
    })
}
