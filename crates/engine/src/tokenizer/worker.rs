//! A thread for text, beside the engine's: encoding and decoding neither hold back a decoding step nor block JavaScript.
//!
//! A tokenizer comes with a model folder and may loop: each piece of work has a deadline. Behind one that missed it the
//! thread is given up (nothing can stop it from outside), and everything that follows is answered with an error.

use super::Tokenizer;
use crate::error::{EngineError, Result};
use crate::guard::{guarded, silence_engine_panics, THREAD_NAME};
use std::sync::mpsc::{channel, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Hundreds of times what the longest context takes.
pub const DEADLINE: Duration = Duration::from_secs(20);

type Run = Box<dyn FnOnce(&Tokenizer) + Send>;
type Fail = Box<dyn FnOnce(EngineError) + Send>;

struct Job {
    run: Run,
    fail: Fail,
}

/// A tokenizer and its thread; the thread ends when this is dropped.
pub struct TextWorker {
    tokenizer: Arc<Tokenizer>,
    sender: Sender<Job>,
}

impl TextWorker {
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

    /// Runs `work` on the thread; `done` gets its result, or what went wrong, exactly once.
    pub fn run<T: 'static>(
        &self,
        work: impl FnOnce(&Tokenizer) -> Result<T> + Send + 'static,
        done: impl FnOnce(Result<T>) + Send + 'static,
    ) {
        let done = Arc::new(Mutex::new(Some(done)));
        let failed = done.clone();
        let run = move |tokenizer: &Tokenizer| {
            let result = guarded(|| work(tokenizer));
            if let Some(done) = take(&done) {
                done(result);
            }
        };
        let fail = move |error| {
            if let Some(done) = take(&failed) {
                done(Err(error));
            }
        };
        let job = Job { run: Box::new(run), fail: Box::new(fail) };
        if let Err(unsent) = self.sender.send(job) {
            (unsent.0.fail)(EngineError::Closed {});
        }
    }
}

fn take<D>(done: &Mutex<Option<D>>) -> Option<D> {
    done.lock().unwrap_or_else(PoisonError::into_inner).take()
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<()> {
    let builder = std::thread::Builder::new().name(format!("{THREAD_NAME}-{name}"));
    builder.spawn(body).map(drop).map_err(|error| EngineError::Panic { message: error.to_string() })
}

/// Hands jobs to the working thread one by one, and answers for it when it does not come back.
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
    let mut lost = working.err();
    for Job { run, fail } in jobs {
        if lost.is_none() && work.send(run).is_ok() && outbox.recv_timeout(deadline) != Err(RecvTimeoutError::Timeout) {
            continue;
        }
        fail(lost.get_or_insert_with(|| timed_out(file, deadline)).clone());
    }
}

fn timed_out(file: &str, deadline: Duration) -> EngineError {
    let reason = format!("a text took longer than {} s; the tokenizer is not used again", deadline.as_secs_f64());
    EngineError::Tokenizer { file: file.into(), key: "text".into(), reason }
}
