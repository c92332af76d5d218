//! The one thread that owns every tensor of the process.
//!
//! Jobs arrive through a bounded queue. While a policy has requests in flight, the thread alternates between one decoding
//! step and new jobs: generation requests join the batch at once; any other job of that policy waits until the earlier
//! requests are answered and blocks the later ones.

pub mod job;
mod job_loop;
pub mod policies;
pub mod tickets;

use crate::error::{EngineError, Result};
use crate::guard::{is_stopping, lock, silence_engine_panics, stop, THREAD_NAME};
use job::{Job, QUEUED};
use job_loop::Loop;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{channel, Sender};
use std::sync::Mutex;
use std::thread::JoinHandle;

/// The most jobs that wait in the queue: far beyond the size of a batch, so that only a runaway caller reaches it.
pub const QUEUE_CAPACITY: usize = 1 << 16;

struct Engine {
    sender: Sender<Job>,
    thread: Option<JoinHandle<()>>,
}

static ENGINE: Mutex<Option<Engine>> = Mutex::new(None);
/// Threads that write snapshots.
static WRITERS: Mutex<Vec<JoinHandle<()>>> = Mutex::new(Vec::new());

/// Queues a job; the first call starts the thread.
///
/// @error `CLOSED` after `shutdown`, `QUEUE_FULL`.
pub fn send(job: Job) -> Result<()> {
    let mut engine = lock(&ENGINE);
    // Checked under the lock, so that no thread starts after `shutdown` has joined the last one.
    if is_stopping() {
        return Err(EngineError::Closed {});
    }
    let engine = match &mut *engine {
        Some(engine) => engine,
        none => none.insert(start()?),
    };
    if QUEUED.fetch_add(1, Ordering::AcqRel) >= QUEUE_CAPACITY {
        QUEUED.fetch_sub(1, Ordering::AcqRel);
        return Err(EngineError::QueueFull { capacity: QUEUE_CAPACITY });
    }
    engine.sender.send(job).map_err(|_| EngineError::Closed {})
}

/// Runs `body` on a thread of its own, which `shutdown` joins.
pub fn spawn_writer(body: impl FnOnce() + Send + 'static) -> Result<()> {
    let mut writers = lock(&WRITERS);
    if is_stopping() {
        return Err(EngineError::Closed {});
    }
    writers.retain(|writer| !writer.is_finished());
    let builder = std::thread::Builder::new().name(format!("{THREAD_NAME}-writer"));
    let writer = builder.spawn(body).map_err(no_thread)?;
    writers.push(writer);
    Ok(())
}

/// Cancels requests in flight, lets the thread finish its step, and joins it. Later jobs are refused.
pub fn shutdown() {
    stop();
    tickets::cancel_all();
    let engine = lock(&ENGINE).take();
    if let Some(mut engine) = engine {
        // Sending fails when the thread has already ended.
        let _ = engine.sender.send(Job::Stop);
        if let Some(thread) = engine.thread.take() {
            let _ = thread.join();
        }
    }
    let writers = std::mem::take(&mut *lock(&WRITERS));
    for writer in writers {
        let _ = writer.join();
    }
}

fn start() -> Result<Engine> {
    silence_engine_panics();
    let (sender, receiver) = channel();
    let builder = std::thread::Builder::new().name(THREAD_NAME.into());
    let thread = builder.spawn(move || Loop::new(receiver).run()).map_err(no_thread)?;
    Ok(Engine { sender, thread: Some(thread) })
}

/// The system refuses another thread.
fn no_thread(error: std::io::Error) -> EngineError {
    EngineError::OutOfMemory { message: format!("the system cannot start another thread ({error})") }
}
