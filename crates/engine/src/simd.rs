//! Vector instructions, chosen at run time, and the elementary functions that are computed with them.

pub mod isa;
pub mod math;
