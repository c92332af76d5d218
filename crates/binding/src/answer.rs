//! Promises that another thread settles.

use crate::errors::to_napi;
use exit_rl_engine::engine_thread::job::Job;
use exit_rl_engine::engine_thread::policies::{Policies, PolicyId};
use exit_rl_engine::engine_thread::send;
use exit_rl_engine::error::{EngineError, Result as EngineResult};
use napi::bindgen_prelude::*;
use napi::{Env, JsDeferred};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::{Arc, Mutex, PoisonError};

type Resolver<T> = Box<dyn FnOnce(Env) -> Result<T> + Send>;

/// Settles its promise once. When the last clone is dropped unsettled, the promise rejects, so that no caller waits forever.
pub struct Answer<T: ToNapiValue + 'static>(Arc<Unsettled<T>>);

struct Unsettled<T: ToNapiValue + 'static>(Mutex<Option<JsDeferred<T, Resolver<T>>>>);

/// Returns a promise whose answer `start` passes to the code that settles it. When `start` fails, the promise rejects: a
/// thrown exception would leave a rejected promise that nobody can handle.
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

/// Runs `body` on the engine thread, after the earlier jobs of `policy`, and returns a promise of its result. An error or a
/// panic rejects the promise.
pub fn on_engine<T: ToNapiValue + Send + 'static>(
    env: &Env,
    policy: Option<PolicyId>,
    body: impl FnOnce(&mut Policies) -> EngineResult<T> + Send + 'static,
) -> Result<Object<'static>> {
    let (answer, promise) = Answer::new(env)?;
    let worker = answer.clone();
    let work = Box::new(move |policies: &mut Policies| {
        let result = catch_unwind(AssertUnwindSafe(|| body(policies)));
        worker.settle(result.unwrap_or_else(|payload| Err(EngineError::from_panic(payload))));
    });
    if let Err(error) = send(Job::Work(policy, work)) {
        answer.settle(Err(error));
    }
    Ok(promise)
}

impl<T: ToNapiValue + Send + 'static> Answer<T> {
    fn new(env: &Env) -> Result<(Self, Object<'static>)> {
        let (deferred, promise) = env.create_deferred()?;
        // The promise lives in the JavaScript heap, and the handle returns to the caller at once.
        let promise: Object<'static> = Object::from_raw(env.raw(), promise.raw());
        Ok((Self(Arc::new(Unsettled(Mutex::new(Some(deferred))))), promise))
    }

    /// Resolves or rejects the promise; later calls do nothing.
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
