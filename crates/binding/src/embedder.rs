//! An embedder on the engine thread.

use super::answer::{on_engine, promise, Answer};
use super::convert::checked::{whole, Known};
use super::convert::embed::{EmbedderInfo, EmbedderOptions};
use super::errors::to_napi;
use exit_rl_engine::embed::embed_job::EmbedJob;
use exit_rl_engine::embed::embedder::{self, Embedder};
use exit_rl_engine::engine_thread::job::Job;
use exit_rl_engine::engine_thread::policies::{EmbedderId, Policies};
use exit_rl_engine::engine_thread::send;
use exit_rl_engine::engine_thread::tickets::Ticket;
use exit_rl_engine::guard::guarded;
use napi::bindgen_prelude::*;
use napi_derive::napi;
use std::path::Path;

/// An embedder of a sentence-transformers folder. Close it to free its memory.
#[napi]
pub struct NativeEmbedder {
    id: EmbedderId,
    info: embedder::EmbedderInfo,
}

#[napi]
impl NativeEmbedder {
    #[napi(ts_return_type = "Promise<NativeEmbedder>")]
    pub fn load(
        env: &Env,
        folder: String,
        #[napi(ts_arg_type = "EmbedderOptions")] options: Known<EmbedderOptions>,
    ) -> Result<Object<'static>> {
        let options = options.0.into_engine().map_err(to_napi)?;
        on_engine(env, None, move |policies| {
            let embedder = Embedder::load(Path::new(&folder), &options)?;
            let info = embedder.info.clone();
            Ok(NativeEmbedder { id: policies.insert_embedder(embedder), info })
        })
    }

    #[napi]
    pub fn info(&self) -> EmbedderInfo {
        EmbedderInfo::from(&self.info)
    }

    /// One vector per text, row-major `[texts, dimension]`. Policies continue to generate between its slices.
    #[napi(ts_return_type = "Promise<Float32Array>")]
    pub fn embed(&self, env: &Env, texts: Vec<String>, ticket: f64) -> Result<Object<'static>> {
        let (id, ticket) = (self.id, Ticket::new(whole("ticket", ticket).map_err(to_napi)?));
        promise(env, move |answer| {
            let begin = move |policies: &mut Policies| match guarded(|| {
                EmbedJob::new(policies.embedder(id)?, &texts, ticket.flag.clone())
            }) {
                Ok(job) => Running { id, job, answer, _ticket: ticket }.advance(policies),
                Err(error) => answer.settle(Err(error)),
            };
            send(Job::Work(None, Box::new(begin)))
        })
    }

    #[napi(ts_return_type = "Promise<void>")]
    pub fn close(&self, env: &Env) -> Result<Object<'static>> {
        let id = self.id;
        on_engine(env, None, move |policies| policies.remove_embedder(id))
    }
}

/// An embedding in progress. It can be cancelled as long as the ticket lives.
struct Running {
    id: EmbedderId,
    job: EmbedJob,
    answer: Answer<Float32Array>,
    _ticket: Ticket,
}

impl Running {
    fn advance(mut self, policies: &mut Policies) {
        let (id, job) = (self.id, &mut self.job);
        match guarded(|| job.advance(policies.embedder(id)?)) {
            Err(error) => self.answer.settle(Err(error)),
            Ok(true) => self.answer.settle(Ok(Float32Array::new(self.job.finish()))),
            Ok(false) => policies.continue_with(Box::new(move |policies| self.advance(policies))),
        }
    }
}
