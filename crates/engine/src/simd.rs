//! Vector instructions, chosen at run time, and elementary functions that vectorise.

pub mod gelu;
pub mod isa;
pub mod math;
