//! The addon: conversions, promises and error mapping. It holds no arithmetic and no policy.

mod answer;
mod convert;
mod embedder;
mod errors;
mod policy;
mod snapshot;
mod stream;
mod tokenizer;

use answer::on_engine;
use convert::checked::{finite, positive, whole, Known};
use convert::embed::NgramOptions;
use convert::load::{EngineInfo, LoadOptions, NativeMerged};
use convert::memory::{MemoryEstimate, MemoryWorkload};
use errors::to_napi;
use exit_rl_engine::engine_thread::{self, tickets};
use exit_rl_engine::model::lora::merge::merge_folder;
use exit_rl_engine::placement;
use napi::bindgen_prelude::*;
use napi_derive::napi;
use std::path::Path;

/// Passes allocate and free megabytes on every thread. glibc returns them to the system each time, and the unmapping stops
/// all threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Counts hashed n-grams of texts: vectors, row-major `[texts, dimension]`.
#[napi(ts_return_type = "Promise<Float32Array>")]
pub fn embed_ngrams(
    env: &Env,
    texts: Vec<String>,
    #[napi(ts_arg_type = "NgramOptions")] options: Known<NgramOptions>,
) -> Result<Object<'static>> {
    let ngrams = options.0.into_engine().map_err(to_napi)?;
    on_engine(env, None, move |_| Ok(Float32Array::new(ngrams.embed(&texts))))
}

/// The distance of each member from its group's centroid over the range of the group's distances (arXiv 2509.04575),
/// clamped to `clamp`. `embeddings` is row-major `[members, dimension]`; group g holds the members
/// `groupOffsets[g] .. groupOffsets[g + 1]`.
#[napi(ts_return_type = "Promise<Float32Array>")]
pub fn diversity(
    env: &Env,
    embeddings: Float32Array,
    dimension: f64,
    group_offsets: Uint32Array,
    clamp: f64,
) -> Result<Object<'static>> {
    let (embeddings, offsets) = (embeddings.to_vec(), group_offsets.to_vec());
    let dimension = positive::<u32>("dimension", dimension).map_err(to_napi)? as usize;
    finite("clamp", clamp).map_err(to_napi)?;
    on_engine(env, None, move |_| {
        let factors = exit_rl_engine::diversity::diversity(&embeddings, dimension, &offsets, clamp)?;
        Ok(Float32Array::new(factors))
    })
}

/// Writes a model folder with an adapter merged into its base.
#[napi(ts_return_type = "Promise<NativeMerged>")]
pub fn merge_adapter(env: &Env, model: String, adapter: String, out: String) -> Result<Object<'static>> {
    on_engine(env, None, move |_| {
        let [model, adapter, out] = [&model, &adapter, &out].map(Path::new);
        Ok(NativeMerged::from(merge_folder(model, adapter, out)?))
    })
}

/// Estimates the memory of a policy from its config and the headers of its files; it loads nothing.
#[napi(ts_return_type = "Promise<MemoryEstimate>")]
pub fn estimate_memory(
    env: &Env,
    folder: String,
    #[napi(ts_arg_type = "LoadOptions")] options: Known<LoadOptions>,
    #[napi(ts_arg_type = "MemoryWorkload")] workload: Known<MemoryWorkload>,
) -> Result<Object<'static>> {
    let options = options.0.into_engine().map_err(to_napi)?;
    let workload = workload.0.into_engine().map_err(to_napi)?;
    on_engine(env, None, move |_| {
        let memory = exit_rl_engine::memory::estimate(Path::new(&folder), &options, &workload)?;
        Ok(MemoryEstimate::from(memory))
    })
}

#[napi]
pub fn engine_info() -> EngineInfo {
    EngineInfo::from(placement::info())
}

/// Maps libtorch_cuda of the loaded build. Call it before anything asks libtorch about CUDA.
#[napi]
pub fn load_cuda(library: String) -> Result<()> {
    placement::load_cuda(&library).map_err(to_napi)
}

/// Cancels the request or update with this ticket if it is unanswered.
#[napi]
pub fn cancel(ticket: f64) -> Result<()> {
    tickets::cancel(whole("ticket", ticket).map_err(to_napi)?);
    Ok(())
}

/// Cancels all work and joins the engine thread. Call it once, before the process ends.
#[napi]
pub fn shutdown() {
    engine_thread::shutdown();
}
