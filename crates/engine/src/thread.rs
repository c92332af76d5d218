//! The one thread that owns every tensor of the process.
//!
//! Jobs come through a bounded queue. While a policy has requests in flight the thread alternates between one decoding
//! step and whatever has arrived: generation requests join the batch at once, everything else waits until the requests
//! before it are answered and holds back those after it.

use crate::embed::embedder::Embedder;
use crate::error::{EngineError, Result};
use crate::generate::scheduler::Request;
use crate::policy::Policy;
use std::collections::{HashMap, HashSet, VecDeque};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{channel, Receiver, Sender, TryRecvError};
use std::sync::{Arc, LazyLock, Mutex, Once};
use std::thread::JoinHandle;

pub type PolicyId = u64;
pub type EmbedderId = u64;

/// Threads of the engine carry this name or begin with it.
pub const THREAD_NAME: &str = "exit-rl-engine";

/// Requests that may wait in the queue; far beyond what a batch needs, so that only a runaway caller meets it.
pub const QUEUE_CAPACITY: usize = 1 << 16;

pub enum Job {
    Generate(PolicyId, Request),
    /// Work on the thread's policies; `None` where it needs none.
    Work(Option<PolicyId>, Work),
    Stop,
}

pub type Work = Box<dyn FnOnce(&mut Policies) + Send>;

/// Every loaded policy and embedder.
#[derive(Default)]
pub struct Policies {
    loaded: HashMap<PolicyId, Policy>,
    embedders: HashMap<EmbedderId, Embedder>,
    next: u64,
    /// Work that goes on after one decoding step of every policy.
    continued: Vec<Work>,
}

impl Policies {
    pub fn insert(&mut self, policy: Policy) -> PolicyId {
        self.next += 1;
        self.loaded.insert(self.next, policy);
        self.next
    }

    pub fn get(&mut self, id: PolicyId) -> Result<&mut Policy> {
        self.loaded.get_mut(&id).ok_or(EngineError::Closed {})
    }

    pub fn remove(&mut self, id: PolicyId) -> Result<()> {
        self.loaded.remove(&id).map(drop).ok_or(EngineError::Closed {})
    }

    pub fn insert_embedder(&mut self, embedder: Embedder) -> EmbedderId {
        self.next += 1;
        self.embedders.insert(self.next, embedder);
        self.next
    }

    pub fn embedder(&mut self, id: EmbedderId) -> Result<&mut Embedder> {
        self.embedders.get_mut(&id).ok_or(EngineError::Closed {})
    }

    pub fn remove_embedder(&mut self, id: EmbedderId) -> Result<()> {
        self.embedders.remove(&id).map(drop).ok_or(EngineError::Closed {})
    }

    /// Long work does a slice at a time and asks here for its next turn.
    pub fn continue_with(&mut self, work: Work) {
        self.continued.push(work);
    }
}

struct Engine {
    sender: Sender<Job>,
    thread: Option<JoinHandle<()>>,
}

static ENGINE: LazyLock<Mutex<Option<Engine>>> = LazyLock::new(|| Mutex::new(None));
static STOPPING: AtomicBool = AtomicBool::new(false);
/// Threads that write snapshots.
static WRITERS: Mutex<Vec<JoinHandle<()>>> = Mutex::new(Vec::new());
static QUEUED: AtomicUsize = AtomicUsize::new(0);
/// Cancel flags by ticket, for requests that have not been answered.
static TICKETS: LazyLock<Mutex<HashMap<u64, Arc<AtomicBool>>>> = LazyLock::new(Mutex::default);

/// A flag that `cancel(ticket)` raises until the guard is dropped. Ticket 0 cannot be cancelled.
pub struct Ticket {
    number: u64,
    pub flag: Arc<AtomicBool>,
}

impl Ticket {
    pub fn new(number: u64) -> Self {
        let flag = Arc::new(AtomicBool::new(false));
        if number != 0 {
            lock(&TICKETS).insert(number, flag.clone());
        }
        Self { number, flag }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        lock(&TICKETS).remove(&self.number);
    }
}

pub fn cancel(ticket: u64) {
    if let Some(flag) = lock(&TICKETS).get(&ticket) {
        flag.store(true, Ordering::Relaxed);
    }
}

/// A poisoned lock only means that another caller panicked; the data are plain maps.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Queues a job, starting the thread at the first one.
pub fn send(job: Job) -> Result<()> {
    if STOPPING.load(Ordering::Acquire) {
        return Err(EngineError::Closed {});
    }
    if QUEUED.fetch_add(1, Ordering::AcqRel) >= QUEUE_CAPACITY {
        QUEUED.fetch_sub(1, Ordering::AcqRel);
        return Err(EngineError::QueueFull { capacity: QUEUE_CAPACITY });
    }
    let mut engine = lock(&ENGINE);
    let engine = engine.get_or_insert_with(start);
    engine.sender.send(job).map_err(|_| EngineError::Closed {})
}

/// The process is about to end: whatever takes long should give up.
pub fn is_stopping() -> bool {
    STOPPING.load(Ordering::Acquire)
}

/// Runs `body` beside the engine thread, on a thread that `shutdown` waits for.
pub fn beside(body: impl FnOnce() + Send + 'static) -> Result<()> {
    let mut writers = lock(&WRITERS);
    if is_stopping() {
        return Err(EngineError::Closed {});
    }
    writers.retain(|writer| !writer.is_finished());
    let builder = std::thread::Builder::new().name(format!("{THREAD_NAME}-writer"));
    let writer = builder.spawn(body).map_err(|error| EngineError::OutOfMemory { message: error.to_string() })?;
    writers.push(writer);
    Ok(())
}

/// Cancels what is in flight, lets the thread finish its step, and joins it. Later jobs are refused.
pub fn shutdown() {
    STOPPING.store(true, Ordering::Release);
    lock(&TICKETS).values().for_each(|flag| flag.store(true, Ordering::Relaxed));
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

fn start() -> Engine {
    silence_engine_panics();
    let (sender, receiver) = channel();
    let run = move || Loop { receiver, waiting: VecDeque::new(), policies: Policies::default() }.run();
    let builder = std::thread::Builder::new().name(THREAD_NAME.into());
    let thread = builder.spawn(run).expect("the system starts a thread");
    Engine { sender, thread: Some(thread) }
}

struct Loop {
    receiver: Receiver<Job>,
    /// Arrived, and held back by an earlier job.
    waiting: VecDeque<Job>,
    policies: Policies,
}

impl Loop {
    fn run(mut self) {
        while self.receive() {
            self.start_what_may_start();
            if STOPPING.load(Ordering::Acquire) {
                break;
            }
            self.decode();
        }
        let closed = EngineError::Closed {};
        self.policies.loaded.values_mut().for_each(|policy| policy.fail_requests(&closed));
    }

    /// Takes all jobs that have arrived; blocks for one when there is nothing to do. False: stop.
    fn receive(&mut self) -> bool {
        if self.waiting.is_empty() && !self.is_generating() {
            match self.receiver.recv() {
                Ok(job) => self.waiting.push_back(job),
                Err(_) => return false,
            }
        }
        loop {
            match self.receiver.try_recv() {
                Ok(job) => self.waiting.push_back(job),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn is_generating(&self) -> bool {
        self.policies.loaded.values().any(Policy::is_generating)
    }

    /// In order of arrival: a policy that must first finish its requests blocks its own later jobs only.
    fn start_what_may_start(&mut self) {
        let mut blocked = HashSet::new();
        let mut kept = VecDeque::new();
        for job in std::mem::take(&mut self.waiting) {
            if STOPPING.load(Ordering::Acquire) {
                return;
            }
            match job {
                Job::Stop => return,
                Job::Generate(id, request) if !blocked.contains(&id) => self.submit(id, request),
                Job::Work(id, work) if id.is_none_or(|id| !blocked.contains(&id) && !self.busy(id)) => self.work(work),
                Job::Work(Some(id), work) => {
                    blocked.insert(id);
                    kept.push_back(Job::Work(Some(id), work));
                }
                other => kept.push_back(other),
            }
        }
        // Work in slices counts as queued until its last one.
        QUEUED.fetch_add(self.policies.continued.len(), Ordering::AcqRel);
        kept.extend(self.policies.continued.drain(..).map(|work| Job::Work(None, work)));
        self.waiting = kept;
    }

    fn busy(&self, id: PolicyId) -> bool {
        self.policies.loaded.get(&id).is_some_and(Policy::is_generating)
    }

    fn submit(&mut self, id: PolicyId, request: Request) {
        QUEUED.fetch_sub(1, Ordering::AcqRel);
        match self.policies.get(id) {
            Ok(policy) => policy.submit(request),
            Err(error) => (request.reply)(Err(error)),
        }
    }

    fn work(&mut self, work: Work) {
        QUEUED.fetch_sub(1, Ordering::AcqRel);
        work(&mut self.policies);
    }

    fn decode(&mut self) {
        for policy in self.policies.loaded.values_mut().filter(|policy| policy.is_generating()) {
            let step = catch_unwind(AssertUnwindSafe(|| policy.generate_step()));
            if let Err(payload) = step {
                policy.fail_requests(&EngineError::from_panic(payload));
            }
        }
    }
}

/// Runs `body`, turning a panic into an error.
pub fn guarded<T>(body: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|payload| Err(EngineError::from_panic(payload)))
}
