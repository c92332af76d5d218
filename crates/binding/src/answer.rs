//! A promise that another thread settles.

use crate::errors::to_napi;
use exit_rl_engine::engine_thread::job::Job;
use exit_rl_engine::engine_thread::policies::{Policies, PolicyId};
use exit_rl_engine::engine_thread::send;
use exit_rl_engine::error::{EngineError, Result as EngineResult};
use exit_rl_engine::guard::guarded;
use napi::bindgen_prelude::*;
use napi::{Env, JsDeferred};
use std::sync::{Arc, Mutex, PoisonError};

type Resolver<T> = Box<dyn FnOnce(Env) -> Result<T> + Send>;

/// Settles its promise, once; when nobody is left who could, it rejects, so that no caller waits forever.
pub struct Answer<T: ToNapiValue + 'static>(Arc<Unsettled<T>>);

struct Unsettled<T: ToNapiValue + 'static>(Mutex<Option<JsDeferred<T, Resolver<T>>>>);

/// A promise, once `start` has handed its answer to whoever will settle it. Where that fails the promise rejects with the
/// reason: an exception would leave behind a rejection that nobody can handle.
pub fn promise<T: ToNapiValue + Send + 'static>(
    env: &Env,
    start: impl FnOnce(Answer<T>) -> EngineResult<()>,
) -> Result<Object<'static>> {
    let (answer, promise) = Answer::new(env)?;
    if let Err(error) = start(answer.clone()) {
        answer.settle(Err(error));
    }
    Ok(promise)
}

/// A promise of what `body` finds on the engine thread, where it waits for what was asked of the policy before. A panic
/// rejects it.
pub fn on_engine<T: ToNapiValue + Send + 'static>(
    env: &Env,
    policy: Option<PolicyId>,
    body: impl FnOnce(&mut Policies) -> EngineResult<T> + Send + 'static,
) -> Result<Object<'static>> {
    let (answer, promise) = Answer::new(env)?;
    let worker = answer.clone();
    let work = Box::new(move |policies: &mut Policies| worker.settle(guarded(|| body(policies))));
    if let Err(error) = send(Job::Work(policy, work)) {
        answer.settle(Err(error));
    }
    Ok(promise)
}

impl<T: ToNapiValue + Send + 'static> Answer<T> {
    fn new(env: &Env) -> Result<(Self, Object<'static>)> {
        let (deferred, promise) = env.create_deferred()?;
        // The promise lives in the JavaScript heap; the handle is returned to the caller at once.
        let promise: Object<'static> = Object::from_raw(env.raw(), promise.raw());
        Ok((Self(Arc::new(Unsettled(Mutex::new(Some(deferred))))), promise))
    }

    pub fn settle(&self, result: EngineResult<T>) {
        if let Some(deferred) = self.0.take() {
            deferred.resolve(Box::new(move |_| result.map_err(to_napi)));
        }
    }
}

impl<T: ToNapiValue + 'static> Clone for Answer<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: ToNapiValue + 'static> Unsettled<T> {
    fn take(&self) -> Option<JsDeferred<T, Resolver<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl<T: ToNapiValue + 'static> Drop for Unsettled<T> {
    fn drop(&mut self) {
        if let Some(deferred) = self.take() {
            deferred.resolve(Box::new(move |_| Err(to_napi(EngineError::Closed {}))));
        }
    }
}
