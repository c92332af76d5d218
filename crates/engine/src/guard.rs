//! Keeps the process alive while the engine's threads work: turns panics into errors and signals that the process is about
//! to end.

use crate::error::{EngineError, Result};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

/// The name, or the start of the name, of every thread of the engine.
pub const THREAD_NAME: &str = "exit-rl-engine";

static STOPPING: AtomicBool = AtomicBool::new(false);

/// Whether the process is about to end: long work should give up.
pub fn is_stopping() -> bool {
    STOPPING.load(Ordering::Acquire)
}

/// Makes `is_stopping` true for the rest of the process.
pub fn stop() {
    STOPPING.store(true, Ordering::Release);
}

/// Runs `body`, turning a panic into an error.
pub fn guarded<T>(body: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|payload| Err(EngineError::from_panic(payload)))
}

/// Locks `mutex`, also after a panic of another holder: the data are plain maps and lists.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Suppresses the message of panics on the engine's threads: the caller gets each as an error.
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
