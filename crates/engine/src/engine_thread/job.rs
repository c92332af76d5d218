//! Jobs of the engine thread.

use super::policies::{PolicyId, Work};
use crate::generate::request::Request;
use std::sync::atomic::AtomicUsize;

pub enum Job {
    Generate(PolicyId, Box<Request>),
    /// A function that runs on the engine thread after the earlier jobs of its policy; `None`: it waits for no policy.
    Work(Option<PolicyId>, Work),
    Stop,
}

/// Number of jobs that are sent and not yet started.
pub(super) static QUEUED: AtomicUsize = AtomicUsize::new(0);
