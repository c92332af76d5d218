//! What the engine thread is asked for.

use super::policies::{PolicyId, Work};
use crate::generate::request::Request;
use std::sync::atomic::AtomicUsize;

pub enum Job {
    Generate(PolicyId, Request),
    /// Work on the thread's policies; `None` where it needs none.
    Work(Option<PolicyId>, Work),
    Stop,
}

/// Jobs that were sent and not begun.
pub(super) static QUEUED: AtomicUsize = AtomicUsize::new(0);
