//! A thread for text beside the engine's: encoding and decoding delay no decoding step and do not block JavaScript.
//!
//! A tokenizer comes with a model folder and may loop, so each job has a deadline. After a job that missed it the thread is
//! abandoned, since nothing can stop it from outside, and every later job fails.

use super::Tokenizer;
use crate::error::{EngineError, Result};
use crate::guard::{guarded, silence_engine_panics, THREAD_NAME};
use std::sync::mpsc::{channel, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Hundreds of times the time that the longest context takes.
pub const DEADLINE: Duration = Duration::from_secs(20);

type Run = Box<dyn FnOnce(&Tokenizer) + Send>;
type Fail = Box<dyn FnOnce(EngineError) + Send>;

struct Job {
    run: Run,
    fail: Fail,
}

/// A tokenizer and its thread, which ends when the worker is dropped.
pub struct TextWorker {
    tokenizer: Arc<Tokenizer>,
    sender: Sender<Job>,
}

impl TextWorker {
    /// # Errors
    /// `Panic` where the system starts no thread.
    pub fn start(tokenizer: Tokenizer, deadline: Duration) -> Result<Self> {
        silence_engine_panics();
        let tokenizer = Arc::new(tokenizer);
        let (sender, jobs) = channel();
        let (worker, file) = (tokenizer.clone(), tokenizer.file.display().to_string());
        spawn("text-watch", move || supervise(&jobs, worker, deadline, &file))?;
        Ok(Self { tokenizer, sender })
    }

    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// Runs `work` on the thread; calls `done` exactly once, with its result or the error.
    pub fn run<T: 'static>(
        &self,
        work: impl FnOnce(&Tokenizer) -> Result<T> + Send + 'static,
        done: impl FnOnce(Result<T>) + Send + 'static,
    ) {
        let done = Arc::new(Mutex::new(Some(done)));
        let failed = done.clone();
        let run = move |tokenizer: &Tokenizer| {
            let result = guarded(|| work(tokenizer));
            if let Some(done) = take_callback(&done) {
                done(result);
            }
        };
        let fail = move |error| {
            if let Some(done) = take_callback(&failed) {
                done(Err(error));
            }
        };
        let job = Job { run: Box::new(run), fail: Box::new(fail) };
        if let Err(unsent) = self.sender.send(job) {
            (unsent.0.fail)(EngineError::Closed {});
        }
    }
}

/// Takes the callback of a job that is not yet finished.
fn take_callback<D>(done: &Mutex<Option<D>>) -> Option<D> {
    done.lock().unwrap_or_else(PoisonError::into_inner).take()
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<()> {
    let builder = std::thread::Builder::new().name(format!("{THREAD_NAME}-{name}"));
    builder.spawn(body).map(drop).map_err(|error| EngineError::Panic { message: error.to_string() })
}

/// Passes jobs to the working thread one by one, and fails them once the thread missed a deadline.
fn supervise(jobs: &Receiver<Job>, tokenizer: Arc<Tokenizer>, deadline: Duration, file: &str) {
    let (work, inbox) = channel::<Run>();
    let (finished, outbox) = channel::<()>();
    let working = spawn("text", move || {
        for run in inbox {
            run(&tokenizer);
            if finished.send(()).is_err() {
                return;
            }
        }
    });
    let mut failure = working.err();
    for Job { run, fail } in jobs {
        if failure.is_none()
            && work.send(run).is_ok()
            && outbox.recv_timeout(deadline) != Err(RecvTimeoutError::Timeout)
        {
            continue;
        }
        fail(failure.get_or_insert_with(|| timed_out(file, deadline)).clone());
    }
}

fn timed_out(file: &str, deadline: Duration) -> EngineError {
    let reason = format!("a text took longer than {} s; the tokenizer is not used again", deadline.as_secs_f64());
    EngineError::Tokenizer { file: file.into(), key: "text".into(), reason }
}
