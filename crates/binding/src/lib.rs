//! What JavaScript sees: conversions, promises and error mapping. No arithmetic, no policy.

mod answer;
mod convert;
mod embedder;
mod policy;
mod snapshot;
mod stream;
mod tokenizer;

use answer::promise;
use convert::embed::NgramOptions;
use convert::load::{EngineInfo, LoadOptions};
use convert::memory::{MemoryEstimate, MemoryWorkload};
use exit_rl_engine::device;
use exit_rl_engine::error::{EngineError, Result as EngineResult};
use exit_rl_engine::model::lora::merge::merge_folder;
use exit_rl_engine::thread::{self, guarded, send, Job, Policies, PolicyId};
use napi::bindgen_prelude::*;
use napi_derive::napi;
use std::path::Path;

/// Passes allocate and free megabytes on every thread; glibc gives them back to the system each time, and the unmapping
/// stops all threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Vectors of hashed n-grams, row-major `[texts, dimension]`.
#[napi(ts_return_type = "Promise<Float32Array>")]
pub fn embed_ngrams(env: &Env, texts: Vec<String>, options: NgramOptions) -> Result<Object<'static>> {
    let ngrams = options.into_engine().map_err(to_napi)?;
    on_engine(env, None, move |_| Ok(Float32Array::new(ngrams.embed(&texts))))
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
    let (embeddings, offsets) = (embeddings.to_vec(), group_offsets.to_vec());
    on_engine(env, None, move |_| {
        let factors = exit_rl_engine::diversity::diversity(&embeddings, dimension as usize, &offsets, clamp)?;
        Ok(Float32Array::new(factors))
    })
}

/// Writes a model folder with an adapter merged into its base. Resolves to the number of adapted weights.
#[napi(ts_return_type = "Promise<number>")]
pub fn merge_adapter(env: &Env, model: String, adapter: String, out: String) -> Result<Object<'static>> {
    on_engine(env, None, move |_| {
        let [model, adapter, out] = [&model, &adapter, &out].map(Path::new);
        Ok(merge_folder(model, adapter, out)? as u32)
    })
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
    on_engine(env, None, move |_| {
        let memory = exit_rl_engine::memory::estimate(Path::new(&folder), &options, &workload.into())?;
        Ok(MemoryEstimate::from(memory))
    })
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

/// A promise of what `body` finds on the engine thread, where it waits for what was asked of the policy before.
fn on_engine<T: Send + ToNapiValue + 'static>(
    env: &Env,
    policy: Option<PolicyId>,
    body: impl FnOnce(&mut Policies) -> EngineResult<T> + Send + 'static,
) -> Result<Object<'static>> {
    promise(env, move |answer| {
        let work = move |policies: &mut Policies| answer.settle(guarded(|| body(policies)));
        send(Job::Work(policy, Box::new(work)))
    })
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
