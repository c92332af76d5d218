//! The parser is named by EXIT_RL_FUZZ_TARGET; its corpus is test/corpus/<parser>.
#![no_main]

#[path = "../../engine/tests/targets/mod.rs"]
mod targets;

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static TARGET: LazyLock<fn(&[u8]) -> bool> = LazyLock::new(|| {
    let name = std::env::var("EXIT_RL_FUZZ_TARGET").unwrap_or_default();
    let found = targets::TARGETS.into_iter().find(|(known, _)| *known == name);
    // libFuzzer's own hook would end the process at panics of libraries that the product catches.
    std::panic::set_hook(Box::new(|_| {}));
    // Tensors of a few numbers: other threads would only be waited for.
    tch::set_num_threads(1);
    let names: Vec<_> = targets::TARGETS.iter().map(|(known, _)| *known).collect();
    found.unwrap_or_else(|| panic!("EXIT_RL_FUZZ_TARGET must be one of {}", names.join(", "))).1
});

fuzz_target!(|bytes: &[u8]| {
    TARGET(bytes);
});
