//! Requests for completions, and completions.

use super::checked::{ids, whole, Keys, Known};
use super::offsets;
use super::rules::TokenRules;
use exit_rl_engine::error::Result;
use exit_rl_engine::generate::request::{Completion, Request, Watch};
use exit_rl_engine::sampler::Sampling;
use exit_rl_engine::tokenizer::stop::{StopScan, StopTexts};
use exit_rl_engine::tokenizer::Tokenizer;
use napi::bindgen_prelude::*;
use napi_derive::napi;
use std::sync::atomic::AtomicBool;
use std::sync::Arc;

#[napi(object, object_to_js = false)]
pub struct NativeGenerateRequest {
    /// Token ids.
    pub prompt: Int32Array,
    pub n: f64,
    pub temperature: f64,
    /// 0 keeps all.
    pub top_k: f64,
    /// 1 keeps all.
    pub top_p: f64,
    /// 0 keeps all.
    pub min_p: f64,
    pub max_new_tokens: f64,
    /// Added to the folder's end tokens.
    pub stop_token_ids: Vec<f64>,
    /// Texts that end a completion. Its text is cut before them unless `includeStopText` is true.
    pub stop_texts: Vec<String>,
    pub include_stop_text: bool,
    #[napi(ts_type = "TokenRules")]
    pub rules: Known<TokenRules>,
    /// Determines every random number together with `requestId`, completion and position; a whole number below 2^53.
    pub seed: f64,
    pub request_id: f64,
    /// The argument of `cancel`; 0 cannot be cancelled.
    pub ticket: f64,
}

#[napi(object)]
pub struct NativeGenerated {
    pub tokens: Int32Array,
    pub offsets: Uint32Array,
    /// Per token, in nats, at the sampling temperature.
    pub logprobs: Float32Array,
    /// Without special tokens.
    pub texts: Vec<String>,
    /// Per completion: true when an end token or a stop text ended it, false when it reached its length limit.
    pub stopped: Vec<bool>,
}

impl Keys for NativeGenerateRequest {
    const KEYS: &'static [&'static str] = &[
        "prompt",
        "n",
        "temperature",
        "topK",
        "topP",
        "minP",
        "maxNewTokens",
        "stopTokenIds",
        "stopTexts",
        "includeStopText",
        "rules",
        "seed",
        "requestId",
        "ticket",
    ];
}

impl NativeGenerateRequest {
    pub fn take_stops(&mut self) -> Result<Option<Arc<StopTexts>>> {
        StopTexts::new(std::mem::take(&mut self.stop_texts), self.include_stop_text)
    }

    pub fn into_engine(
        self,
        end_tokens: &[u32],
        cancel: Arc<AtomicBool>,
        watch: Option<Watch>,
        stop_texts: Option<StopScan>,
        reply: impl FnOnce(Result<Vec<Completion>>) + Send + 'static,
    ) -> Result<Request> {
        let stop_ids = ids("stopTokenIds", &self.stop_token_ids)?;
        Ok(Request {
            prompt: self.prompt.iter().map(|&token| token as u32).collect(),
            n: whole::<u32>("n", self.n)? as usize,
            sampling: Sampling {
                temperature: self.temperature,
                top_k: whole::<u32>("topK", self.top_k)? as usize,
                top_p: self.top_p,
                min_p: self.min_p,
            },
            rules: self.rules.0.into_engine()?,
            max_new_tokens: whole::<u32>("maxNewTokens", self.max_new_tokens)? as usize,
            stop_tokens: stop_ids.iter().chain(end_tokens).copied().collect(),
            stop_texts,
            seed: whole("seed", self.seed)?,
            request_id: whole("requestId", self.request_id)?,
            cancel,
            watch,
            reply: Box::new(reply),
        })
    }
}

pub fn generated(
    tokenizer: &Tokenizer,
    completions: &[Completion],
    stops: Option<&StopTexts>,
) -> Result<NativeGenerated> {
    let texts = completions.iter().map(|completion| {
        let mut text = tokenizer.decode(&completion.tokens, true)?;
        if let Some(at) = stops.and_then(|stops| stops.cut(&text)) {
            text.truncate(at);
        }
        Ok(text)
    });
    let texts: Result<Vec<_>> = texts.collect();
    let tokens: Vec<i32> =
        completions.iter().flat_map(|completion| &completion.tokens).map(|&token| token as i32).collect();
    let logprobs: Vec<f32> = completions.iter().flat_map(|completion| &completion.logprobs).copied().collect();
    Ok(NativeGenerated {
        tokens: Int32Array::new(tokens),
        offsets: Uint32Array::new(offsets(completions.iter().map(|completion| completion.tokens.len()))),
        logprobs: Float32Array::new(logprobs),
        texts: texts?,
        stopped: completions.iter().map(|completion| completion.stopped).collect(),
    })
}
