//! The one thread that owns every tensor of the process.
//!
//! Jobs come through a bounded queue. While a policy has requests in flight the thread alternates between one decoding
//! step and whatever has arrived: generation requests join the batch at once, everything else waits until the requests
//! before it are answered and holds back those after it.

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

/// Requests that may wait in the queue; far beyond what a batch needs, so that only a runaway caller meets it.
pub const QUEUE_CAPACITY: usize = 1 << 16;

struct Engine {
    sender: Sender<Job>,
    thread: Option<JoinHandle<()>>,
}

static ENGINE: Mutex<Option<Engine>> = Mutex::new(None);
/// Threads that write snapshots.
static WRITERS: Mutex<Vec<JoinHandle<()>>> = Mutex::new(Vec::new());

/// Queues a job, starting the thread at the first one.
pub fn send(job: Job) -> Result<()> {
    let mut engine = lock(&ENGINE);
    // Under the lock: what stops the thread must not find another one after it.
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

/// Runs `body` beside the engine thread, on a thread that `shutdown` waits for.
pub fn beside(body: impl FnOnce() + Send + 'static) -> Result<()> {
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

/// Cancels what is in flight, lets the thread finish its step, and joins it. Later jobs are refused.
pub fn shutdown() {
    stop();
    tickets::cancel_all();
    let engine = lock(&ENGINE).take();
    if let Some(mut engine) = engine {
        // A failed send means that the thread is gone already.
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

/// The system has no room for another thread.
fn no_thread(error: std::io::Error) -> EngineError {
    EngineError::OutOfMemory { message: format!("no thread can be started ({error})") }
}
