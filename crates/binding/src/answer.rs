//! A promise that another thread settles.

use exit_rl_engine::error::{EngineError, Result as EngineResult};
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
    let (deferred, promise) = env.create_deferred()?;
    // The promise lives in the JavaScript heap; the handle is returned to the caller at once.
    let promise: Object<'static> = Object::from_raw(env.raw(), promise.raw());
    let unsettled = Arc::new(Unsettled(Mutex::new(Some(deferred))));
    if let Err(error) = start(Answer(unsettled.clone())) {
        unsettled.settle(Err(error));
    }
    Ok(promise)
}

impl<T: ToNapiValue + 'static> Answer<T> {
    pub fn settle(self, result: EngineResult<T>)
    where
        T: Send,
    {
        self.0.settle(result);
    }
}

impl<T: ToNapiValue + 'static> Unsettled<T> {
    fn take(&self) -> Option<JsDeferred<T, Resolver<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn settle(&self, result: EngineResult<T>)
    where
        T: Send,
    {
        if let Some(deferred) = self.take() {
            deferred.resolve(Box::new(move |_| result.map_err(super::to_napi)));
        }
    }
}

impl<T: ToNapiValue + 'static> Drop for Unsettled<T> {
    fn drop(&mut self) {
        if let Some(deferred) = self.take() {
            deferred.resolve(Box::new(move |_| Err(super::to_napi(EngineError::Closed {}))));
        }
    }
}
