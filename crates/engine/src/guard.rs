//! What keeps the process alive while the engine's threads work: panics become errors, and a process that is about to end
//! is told apart.

use crate::error::{EngineError, Result};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

/// Threads of the engine carry this name or begin with it.
pub const THREAD_NAME: &str = "exit-rl-engine";

static STOPPING: AtomicBool = AtomicBool::new(false);

/// The process is about to end: whatever takes long should give up.
pub fn is_stopping() -> bool {
    STOPPING.load(Ordering::Acquire)
}

/// From now on `is_stopping`.
pub fn stop() {
    STOPPING.store(true, Ordering::Release);
}

/// Runs `body`, turning a panic into an error.
pub fn guarded<T>(body: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|payload| Err(EngineError::from_panic(payload)))
}

/// A poisoned lock only means that another caller panicked; the data are plain maps.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A panic on the engine's threads becomes an error for whoever asked; printing it as well would only alarm.
pub fn silence_engine_panics() {
    static SILENCED: Once = Once::new();
    SILENCED.call_once(|| {
        let default = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let thread = std::thread::current();
            if !thread.name().is_some_and(|name| name.starts_with(THREAD_NAME)) {
                default(info);
            }
        }));
    });
}
