//! What JavaScript sees: conversions, promises and error mapping. No arithmetic, no policy.

mod answer;
mod convert;
mod embedder;
mod snapshot;
mod stream;
mod tokenizer;

use answer::{answer, Answer};
use convert::embed::NgramOptions;
use convert::generate::{generated, NativeGenerateRequest};
use convert::load::{EngineInfo, LoadOptions, PolicyInfo, PolicyStats};
use convert::memory::{MemoryEstimate, MemoryWorkload};
use convert::update::{NativeBatch, NativeUpdateSettings};
use exit_rl_engine::device;
use exit_rl_engine::embed::pooling::Pooling;
use exit_rl_engine::error::EngineError;
use exit_rl_engine::generate::scheduler::Request;
use exit_rl_engine::model::lora::merge::merge_folder;
use exit_rl_engine::policy::{Policy, Shared};
use exit_rl_engine::thread::{self, guarded, send, Job, PolicyId, Ticket};
use exit_rl_engine::tokenizer::stop::StopScan;
use exit_rl_engine::tokenizer::Tokenizer;
use napi::bindgen_prelude::*;
use napi_derive::napi;
use snapshot::{NativeSnapshot, WrittenFile};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use stream::OnTokens;
use tokenizer::NativeTokenizer;

/// Passes allocate and free megabytes on every thread; glibc gives them back to the system each time, and the unmapping
/// stops all threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    pub fn load(env: &Env, folder: String, options: LoadOptions) -> Result<Object<'static>> {
        let options = options.into_engine().map_err(to_napi)?;
        let (answer, promise) = answer(env)?;
        submit_work(None, answer, move |policies| {
            let policy = Policy::load(Path::new(&folder), &options)?;
            let shared = policy.shared();
            Ok(NativePolicy { id: policies.insert(policy), shared })
        })?;
        Ok(promise)
    }

    #[napi]
    pub fn info(&self) -> PolicyInfo {
        PolicyInfo::from(&self.shared.info)
    }

    #[napi]
    pub fn tokenizer(&self) -> NativeTokenizer {
        NativeTokenizer::of(self.shared.text.clone())
    }

    /// `n` completions of one prompt; requests in flight together are batched. `onTokens` sees them grow: it is called
    /// now and then with what is new, and the last of it comes with the answer.
    #[napi(ts_return_type = "Promise<NativeGenerated>")]
    pub fn generate(
        &self,
        env: &Env,
        mut request: NativeGenerateRequest,
        #[napi(ts_arg_type = "(streamed: NativeStreamed) => void")] on_tokens: Option<OnTokens>,
    ) -> Result<Object<'static>> {
        let stops = request.take_stops().map_err(to_napi)?;
        let (answer, promise) = answer(env)?;
        let shared = self.shared.clone();
        let watch =
            on_tokens.map(|on_tokens| stream::watch(shared.text.clone(), stops.clone(), &on_tokens)).transpose()?;
        let scan = stops.clone().map(|stops| StopScan::new(shared.text.clone(), stops));
        let ticket = Ticket::new(request.ticket as u64);
        let cancel = ticket.flag.clone();
        let job = request.into_engine(&self.shared.info.end_tokens, cancel, watch, scan, move |result| {
            drop(ticket);
            match result {
                Ok(completions) => {
                    let decode = move |tokenizer: &Tokenizer| generated(tokenizer, &completions, stops.as_deref());
                    shared.text.run(decode, move |result| answer.settle(result));
                }
                Err(error) => answer.settle(Err(error)),
            }
        });
        send_request(self.id, job)?;
        Ok(promise)
    }

    /// Log-probabilities of every sequence's tokens after its prompt, flat.
    #[napi(ts_return_type = "Promise<Float32Array>")]
    pub fn score(
        &self,
        env: &Env,
        batch: NativeBatch,
        temperature: f64,
        microbatch_tokens: u32,
    ) -> Result<Object<'static>> {
        let (answer, promise) = answer(env)?;
        let (id, batch) = (self.id, batch.into_engine());
        submit_work(Some(id), answer, move |policies| {
            let logprobs = policies.get(id)?.score(&batch, temperature, microbatch_tokens as usize)?;
            Ok(Float32Array::new(logprobs))
        })?;
        Ok(promise)
    }

    /// One vector a sequence, row-major `[sequences, width]`: the hidden states that its tokens were drawn from, pooled
    /// by `mean`, `lasttoken` or another of sentence-transformers' modes.
    #[napi(ts_return_type = "Promise<Float32Array>")]
    pub fn states(
        &self,
        env: &Env,
        batch: NativeBatch,
        pooling: String,
        microbatch_tokens: u32,
    ) -> Result<Object<'static>> {
        let (answer, promise) = answer(env)?;
        let (id, batch) = (self.id, batch.into_engine());
        submit_work(Some(id), answer, move |policies| {
            let pooling = Pooling::named(&pooling)?;
            Ok(Float32Array::new(policies.get(id)?.states(&batch, &pooling, microbatch_tokens as usize)?))
        })?;
        Ok(promise)
    }

    /// One update; resolves to its metrics by TRL's names. Cancelled or failed, it leaves the weights as they were.
    #[napi(ts_return_type = "Promise<Record<string, number>>")]
    pub fn update(
        &self,
        env: &Env,
        batch: NativeBatch,
        settings: NativeUpdateSettings,
        ticket: f64,
    ) -> Result<Object<'static>> {
        let settings = settings.into_engine().map_err(to_napi)?;
        let (answer, promise) = answer(env)?;
        let (id, batch) = (self.id, batch.into_engine());
        let ticket = Ticket::new(ticket as u64);
        submit_work(Some(id), answer, move |policies| {
            let metrics = policies.get(id)?.update(&batch, &settings, &ticket.flag)?;
            Ok(metrics.into_iter().collect::<HashMap<String, f64>>())
        })?;
        Ok(promise)
    }

    /// The metrics of a batch by TRL's names, with the weights as they are; nothing is changed.
    #[napi(ts_return_type = "Promise<Record<string, number>>")]
    pub fn evaluate(
        &self,
        env: &Env,
        batch: NativeBatch,
        settings: NativeUpdateSettings,
        ticket: f64,
    ) -> Result<Object<'static>> {
        let settings = settings.into_engine().map_err(to_napi)?;
        let (answer, promise) = answer(env)?;
        let (id, batch) = (self.id, batch.into_engine());
        let ticket = Ticket::new(ticket as u64);
        submit_work(Some(id), answer, move |policies| {
            let metrics = policies.get(id)?.evaluate(&batch, &settings, &ticket.flag)?;
            Ok(metrics.into_iter().collect::<HashMap<String, f64>>())
        })?;
        Ok(promise)
    }

    /// θ_ref ← (1 − α) θ_ref + α θ.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn blend_reference(&self, env: &Env, alpha: f64) -> Result<Object<'static>> {
        self.with_policy(env, move |policy| policy.blend_reference(alpha))
    }

    /// Writes a Hugging Face folder from the weights where they lie, in files of at most `max_shard_bytes`.
    #[napi(ts_return_type = "Promise<Array<WrittenFile>>")]
    pub fn save(&self, env: &Env, folder: String, max_shard_bytes: f64) -> Result<Object<'static>> {
        let (answer, promise) = answer(env)?;
        let id = self.id;
        submit_work(Some(id), answer, move |policies| {
            let written = policies.get(id)?.save(Path::new(&folder), max_shard_bytes as u64)?;
            Ok(written.into_iter().map(WrittenFile::from).collect::<Vec<_>>())
        })?;
        Ok(promise)
    }

    /// Writes what a snapshot would, from where it lies: nothing is copied, and later work waits for it.
    #[napi(ts_return_type = "Promise<Array<WrittenFile>>")]
    pub fn save_training(&self, env: &Env, folder: String, max_shard_bytes: f64) -> Result<Object<'static>> {
        let (answer, promise) = answer(env)?;
        let id = self.id;
        submit_work(Some(id), answer, move |policies| {
            let written = policies.get(id)?.save_training(Path::new(&folder), max_shard_bytes as u64)?;
            Ok(written.into_iter().map(WrittenFile::from).collect::<Vec<_>>())
        })?;
        Ok(promise)
    }

    /// Copies weights, optimizer state and reference policy to host memory.
    #[napi(ts_return_type = "Promise<NativeSnapshot>")]
    pub fn snapshot(&self, env: &Env) -> Result<Object<'static>> {
        let (answer, promise) = answer(env)?;
        let id = self.id;
        submit_work(Some(id), answer, move |policies| {
            let snapshot = policies.get(id)?.snapshot()?;
            Ok(NativeSnapshot(Some(snapshot)))
        })?;
        Ok(promise)
    }

    #[napi(ts_return_type = "Promise<void>")]
    pub fn load_training(&self, env: &Env, file: String) -> Result<Object<'static>> {
        self.with_policy(env, move |policy| policy.load_training(Path::new(&file)))
    }

    #[napi(ts_return_type = "Promise<PolicyStats>")]
    pub fn stats(&self, env: &Env) -> Result<Object<'static>> {
        let (answer, promise) = answer(env)?;
        let id = self.id;
        submit_work(Some(id), answer, move |policies| Ok(PolicyStats::from(policies.get(id)?.stats())))?;
        Ok(promise)
    }

    /// Frees the policy after the requests before it; later ones are refused with the code CLOSED.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn close(&self, env: &Env) -> Result<Object<'static>> {
        let (answer, promise) = answer(env)?;
        let id = self.id;
        submit_work(Some(id), answer, move |policies| policies.remove(id))?;
        Ok(promise)
    }
}

impl NativePolicy {
    fn with_policy(
        &self,
        env: &Env,
        body: impl FnOnce(&mut Policy) -> exit_rl_engine::error::Result<()> + Send + 'static,
    ) -> Result<Object<'static>> {
        let (answer, promise) = answer(env)?;
        let id = self.id;
        submit_work(Some(id), answer, move |policies| body(policies.get(id)?))?;
        Ok(promise)
    }
}

/// Vectors of hashed n-grams, row-major `[texts, dimension]`.
#[napi(ts_return_type = "Promise<Float32Array>")]
pub fn embed_ngrams(env: &Env, texts: Vec<String>, options: NgramOptions) -> Result<Object<'static>> {
    let ngrams = options.into_engine().map_err(to_napi)?;
    let (answer, promise) = answer(env)?;
    submit_work(None, answer, move |_| Ok(Float32Array::new(ngrams.embed(&texts))))?;
    Ok(promise)
}

/// Distance of each member from its group's centroid over the group's range (method.md), cut at `clamp`.
#[napi(ts_return_type = "Promise<Float32Array>")]
pub fn diversity(
    env: &Env,
    embeddings: Float32Array,
    dimension: u32,
    group_offsets: Uint32Array,
    clamp: f64,
) -> Result<Object<'static>> {
    let (answer, promise) = answer(env)?;
    let (embeddings, offsets) = (embeddings.to_vec(), group_offsets.to_vec());
    submit_work(None, answer, move |_| {
        let factors = exit_rl_engine::diversity::diversity(&embeddings, dimension as usize, &offsets, clamp)?;
        Ok(Float32Array::new(factors))
    })?;
    Ok(promise)
}

/// Writes a model folder with an adapter merged into its base. Resolves to the number of adapted weights.
#[napi(ts_return_type = "Promise<number>")]
pub fn merge_adapter(env: &Env, model: String, adapter: String, out: String) -> Result<Object<'static>> {
    let (answer, promise) = answer(env)?;
    submit_work(None, answer, move |_| {
        let [model, adapter, out] = [&model, &adapter, &out].map(Path::new);
        Ok(merge_folder(model, adapter, out)? as u32)
    })?;
    Ok(promise)
}

/// What a policy would take of memory; reads its config and the headers of its files, and loads nothing.
#[napi(ts_return_type = "Promise<MemoryEstimate>")]
pub fn estimate_memory(
    env: &Env,
    folder: String,
    options: LoadOptions,
    workload: MemoryWorkload,
) -> Result<Object<'static>> {
    let options = options.into_engine().map_err(to_napi)?;
    let (answer, promise) = answer(env)?;
    submit_work(None, answer, move |_| {
        let memory = exit_rl_engine::memory::estimate(Path::new(&folder), &options, &workload.into())?;
        Ok(MemoryEstimate::from(memory))
    })?;
    Ok(promise)
}

#[napi]
pub fn engine_info() -> EngineInfo {
    EngineInfo::from(device::info())
}

/// Maps libtorch_cuda from the build that is loaded, before the first question about CUDA.
#[napi]
pub fn load_cuda(library: String) -> Result<()> {
    device::load_cuda(&library).map_err(to_napi)
}

/// Cancels the request or update with this ticket, if it has not been answered.
#[napi]
pub fn cancel(ticket: f64) {
    thread::cancel(ticket as u64);
}

/// Cancels everything and joins the engine thread; call it once, before the process ends.
#[napi]
pub fn shutdown() {
    thread::shutdown();
}

/// Runs `body` on the engine thread and settles the promise with its result.
fn submit_work<T: Send + ToNapiValue + 'static>(
    policy: Option<PolicyId>,
    answer: Answer<T>,
    body: impl FnOnce(&mut thread::Policies) -> exit_rl_engine::error::Result<T> + Send + 'static,
) -> Result<()> {
    let work = move |policies: &mut thread::Policies| answer.settle(guarded(|| body(policies)));
    send(Job::Work(policy, Box::new(work))).map_err(to_napi)
}

fn send_request(policy: PolicyId, request: Request) -> Result<()> {
    send(Job::Generate(policy, request)).map_err(to_napi)
}

/// Errors cross as data: code and fields as JSON in the message, rebuilt as classes in TypeScript.
fn to_napi(error: EngineError) -> Error {
    Error::from_reason(error_json(&error))
}

fn error_json(error: &EngineError) -> String {
    let mut json = serde_json::to_value(error).unwrap_or_else(|_| serde_json::json!({ "code": "PANIC" }));
    json["message"] = error.to_string().into();
    json.to_string()
}
