//! A promise that another thread settles.

use exit_rl_engine::error::Result as EngineResult;
use napi::bindgen_prelude::*;
use napi::{Env, JsDeferred};

type Resolver<T> = Box<dyn FnOnce(Env) -> Result<T> + Send>;

/// Settles its promise exactly once; dropped unsettled it rejects, so that no caller waits forever.
pub struct Answer<T: ToNapiValue + 'static>(Option<JsDeferred<T, Resolver<T>>>);

pub fn answer<T: ToNapiValue + 'static>(env: &Env) -> Result<(Answer<T>, Object<'static>)> {
    let (deferred, promise) = env.create_deferred()?;
    // The promise lives in the JavaScript heap; the handle is returned to the caller at once.
    let promise: Object<'static> = Object::from_raw(env.raw(), promise.raw());
    Ok((Answer(Some(deferred)), promise))
}

impl<T: ToNapiValue + Send + 'static> Answer<T> {
    pub fn settle(mut self, result: EngineResult<T>) {
        if let Some(deferred) = self.0.take() {
            deferred.resolve(Box::new(move |_| result.map_err(super::to_napi)));
        }
    }
}

impl<T: ToNapiValue + 'static> Drop for Answer<T> {
    fn drop(&mut self) {
        if let Some(deferred) = self.0.take() {
            let closed = exit_rl_engine::error::EngineError::Closed {};
            deferred.resolve(Box::new(move |_| Err(super::to_napi(closed))));
        }
    }
}
