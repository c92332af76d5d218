//! Policies on the engine thread.

use super::answer::{on_engine, promise};
use super::convert::checked::{finite, positive, whole, Known};
use super::convert::generate::{generated, NativeGenerateRequest};
use super::convert::load::{LoadOptions, PolicyInfo, PolicyStats};
use super::convert::update::{update_settings, NativeBatch};
use super::errors::to_napi;
use super::snapshot::{NativeSnapshot, WrittenFile};
use super::stream::{self, OnTokens};
use super::tokenizer::NativeTokenizer;

use exit_rl_engine::backend::PassSettings;
use exit_rl_engine::embed::pooling::Pooling;
use exit_rl_engine::engine_thread::job::Job;
use exit_rl_engine::engine_thread::policies::PolicyId;
use exit_rl_engine::engine_thread::send;
use exit_rl_engine::engine_thread::tickets::Ticket;
use exit_rl_engine::error::Result as EngineResult;
use exit_rl_engine::generate::request::Completion;
use exit_rl_engine::policy::{Policy, Shared};
use exit_rl_engine::tokenizer::stop::StopScan;
use exit_rl_engine::tokenizer::Tokenizer;
use exit_rl_engine::train::metrics::Metrics;
use napi::bindgen_prelude::*;
use napi_derive::napi;
use serde_json::Value;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// A policy on the engine thread. Close it to free its memory.
#[napi]
pub struct NativePolicy {
    id: PolicyId,
    shared: Arc<Shared>,
}

#[napi]
impl NativePolicy {
    /// Loads a Hugging Face folder. Resolves to the policy.
    #[napi(ts_return_type = "Promise<NativePolicy>")]
    pub fn load(
        env: &Env,
        folder: String,
        #[napi(ts_arg_type = "LoadOptions")] options: Known<LoadOptions>,
    ) -> Result<Object<'static>> {
        let options = options.0.into_engine().map_err(to_napi)?;
        on_engine(env, None, move |policies| {
            let policy = Policy::load(Path::new(&folder), &options)?;
            let shared = policy.shared();
            Ok(NativePolicy { id: policies.insert(policy), shared })
        })
    }

    #[napi]
    pub fn info(&self) -> PolicyInfo {
        PolicyInfo::from(&self.shared.info)
    }

    #[napi]
    pub fn tokenizer(&self) -> NativeTokenizer {
        NativeTokenizer::of(self.shared.text.clone())
    }

    /// Generates `n` completions of one prompt; requests in flight are batched. `onTokens` receives new tokens from time to
    /// time; the result holds the last ones.
    #[napi(ts_return_type = "Promise<NativeGenerated>")]
    pub fn generate(
        &self,
        env: &Env,
        #[napi(ts_arg_type = "NativeGenerateRequest")] request: Known<NativeGenerateRequest>,
        #[napi(ts_arg_type = "(streamed: NativeStreamed) => void")] on_tokens: Option<OnTokens>,
    ) -> Result<Object<'static>> {
        let (id, shared, Known(mut request)) = (self.id, self.shared.clone(), request);
        let number: u64 = whole("ticket", request.ticket).map_err(to_napi)?;
        let stops = request.take_stops().map_err(to_napi)?;
        let watch =
            on_tokens.map(|on_tokens| stream::watch(shared.text.clone(), stops.clone(), &on_tokens)).transpose()?;
        let scan = stops.clone().map(|stops| StopScan::new(shared.text.clone(), stops));
        promise(env, move |answer| {
            let ticket = Ticket::new(number);
            let (cancel, text) = (ticket.flag.clone(), shared.text.clone());
            let reply = move |result: EngineResult<Vec<Completion>>| {
                drop(ticket);
                match result {
                    Ok(completions) => {
                        let decode = move |tokenizer: &Tokenizer| generated(tokenizer, &completions, stops.as_deref());
                        text.run(decode, move |result| answer.settle(result));
                    }
                    Err(error) => answer.settle(Err(error)),
                }
            };
            let request = request.into_engine(&shared.info.end_tokens, cancel, watch, scan, reply)?;
            send(Job::Generate(id, Box::new(request)))
        })
    }

    /// Log-probabilities of every sequence's tokens after its prompt, flat, in nats, with logits divided by `temperature`.
    #[napi(ts_return_type = "Promise<Float32Array>")]
    pub fn logprobs(
        &self,
        env: &Env,
        #[napi(ts_arg_type = "NativeBatch")] batch: Known<NativeBatch>,
        temperature: f64,
        microbatch_tokens: f64,
        logits_bytes: f64,
    ) -> Result<Object<'static>> {
        let (id, batch) = (self.id, batch.0.into_engine());
        let microbatch_tokens: usize = positive("microbatchTokens", microbatch_tokens).map_err(to_napi)?;
        let logits_bytes = positive("logitsBytes", logits_bytes).map_err(to_napi)?;
        let settings = PassSettings { temperature, gradient_checkpointing: false, logits_bytes };
        on_engine(env, Some(id), move |policies| {
            Ok(Float32Array::new(policies.get(id)?.logprobs(&batch, settings, microbatch_tokens)?))
        })
    }

    /// One vector per sequence, row-major `[sequences, width]`: the hidden states that its tokens were drawn from, pooled by
    /// `mean`, `lasttoken` or another mode of sentence-transformers.
    #[napi(ts_return_type = "Promise<Float32Array>")]
    pub fn states(
        &self,
        env: &Env,
        #[napi(ts_arg_type = "NativeBatch")] batch: Known<NativeBatch>,
        pooling: String,
        microbatch_tokens: f64,
    ) -> Result<Object<'static>> {
        let microbatch_tokens: usize = positive("microbatchTokens", microbatch_tokens).map_err(to_napi)?;
        let (id, batch) = (self.id, batch.0.into_engine());
        on_engine(env, Some(id), move |policies| {
            let (policy, pooling) = (policies.get(id)?, Pooling::named(&pooling)?);
            Ok(Float32Array::new(policy.states(&batch, &pooling, microbatch_tokens)?))
        })
    }

    /// Trains on a batch; resolves to the metrics by TRL's names. The weights are unchanged when it is cancelled or its first
    /// optimizer step fails.
    #[napi(ts_return_type = "Promise<Record<string, number>>")]
    pub fn update(
        &self,
        env: &Env,
        #[napi(ts_arg_type = "NativeBatch")] batch: Known<NativeBatch>,
        #[napi(ts_arg_type = "object")] settings: Value,
        ticket: f64,
    ) -> Result<Object<'static>> {
        let settings = update_settings(settings).map_err(to_napi)?;
        let ticket = Ticket::new(whole("ticket", ticket).map_err(to_napi)?);
        let (id, batch) = (self.id, batch.0.into_engine());
        on_engine(env, Some(id), move |policies| policies.get(id)?.update(&batch, &settings, &ticket.flag).map(record))
    }

    /// The metrics of a batch by TRL's names under the current weights, which stay unchanged.
    #[napi(ts_return_type = "Promise<Record<string, number>>")]
    pub fn evaluate(
        &self,
        env: &Env,
        #[napi(ts_arg_type = "NativeBatch")] batch: Known<NativeBatch>,
        #[napi(ts_arg_type = "object")] settings: Value,
        ticket: f64,
    ) -> Result<Object<'static>> {
        let settings = update_settings(settings).map_err(to_napi)?;
        let ticket = Ticket::new(whole("ticket", ticket).map_err(to_napi)?);
        let (id, batch) = (self.id, batch.0.into_engine());
        on_engine(env, Some(id), move |policies| {
            policies.get(id)?.evaluate(&batch, &settings, &ticket.flag).map(record)
        })
    }

    /// θ_ref ← (1 − α) θ_ref + α θ.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn blend_reference(&self, env: &Env, alpha: f64) -> Result<Object<'static>> {
        finite("alpha", alpha).map_err(to_napi)?;
        let id = self.id;
        on_engine(env, Some(id), move |policies| policies.get(id)?.blend_reference(alpha))
    }

    /// Writes a Hugging Face folder without copying the weights, in files of at most `maxShardBytes`.
    #[napi(ts_return_type = "Promise<Array<WrittenFile>>")]
    pub fn save(&self, env: &Env, folder: String, max_shard_bytes: f64) -> Result<Object<'static>> {
        let id = self.id;
        let most: u64 = positive("maxShardBytes", max_shard_bytes).map_err(to_napi)?;
        on_engine(env, Some(id), move |policies| {
            let written = policies.get(id)?.save(Path::new(&folder), most)?;
            Ok(written.into_iter().map(WrittenFile::from).collect::<Vec<_>>())
        })
    }

    /// Writes the files of a snapshot without copying; later work waits until they are written.
    #[napi(ts_return_type = "Promise<Array<WrittenFile>>")]
    pub fn save_training(&self, env: &Env, folder: String, max_shard_bytes: f64) -> Result<Object<'static>> {
        let id = self.id;
        let most: u64 = positive("maxShardBytes", max_shard_bytes).map_err(to_napi)?;
        on_engine(env, Some(id), move |policies| {
            let written = policies.get(id)?.save_training(Path::new(&folder), most)?;
            Ok(written.into_iter().map(WrittenFile::from).collect::<Vec<_>>())
        })
    }

    /// Copies weights, optimizer state and reference policy to host memory.
    #[napi(ts_return_type = "Promise<NativeSnapshot>")]
    pub fn snapshot(&self, env: &Env) -> Result<Object<'static>> {
        let id = self.id;
        on_engine(env, Some(id), move |policies| Ok(NativeSnapshot(Some(policies.get(id)?.snapshot()?))))
    }

    #[napi(ts_return_type = "Promise<void>")]
    pub fn load_training(&self, env: &Env, file: String) -> Result<Object<'static>> {
        let id = self.id;
        on_engine(env, Some(id), move |policies| policies.get(id)?.load_training(Path::new(&file)))
    }

    #[napi(ts_return_type = "Promise<PolicyStats>")]
    pub fn stats(&self, env: &Env) -> Result<Object<'static>> {
        let id = self.id;
        on_engine(env, Some(id), move |policies| Ok(PolicyStats::from(policies.get(id)?.stats())))
    }

    /// Frees the policy after the earlier requests; later ones are rejected with the code CLOSED.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn close(&self, env: &Env) -> Result<Object<'static>> {
        let id = self.id;
        on_engine(env, Some(id), move |policies| policies.remove(id))
    }
}

fn record(metrics: Metrics) -> HashMap<String, f64> {
    metrics.into_iter().collect()
}
