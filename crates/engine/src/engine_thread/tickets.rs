//! Cancellation of the engine thread's work from any thread.

use crate::guard::lock;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

/// Cancel flags of unanswered requests, by ticket.
static TICKETS: LazyLock<Mutex<HashMap<u64, Arc<AtomicBool>>>> = LazyLock::new(Mutex::default);

/// A flag that `cancel(number)` sets, as long as this value lives. Ticket 0 cannot be cancelled.
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

/// Sets the flag of a ticket whose request is unanswered.
pub fn cancel(ticket: u64) {
    if let Some(flag) = lock(&TICKETS).get(&ticket) {
        flag.store(true, Ordering::Relaxed);
    }
}

pub(super) fn cancel_all() {
    lock(&TICKETS).values().for_each(|flag| flag.store(true, Ordering::Relaxed));
}
