//! Fuzzes the parser that EXIT_RL_FUZZ_TARGET names; its corpus is test/corpus/<parser>.
#![no_main]

#[path = "../../engine/tests/targets/mod.rs"]
mod targets;

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static TARGET: LazyLock<fn(&[u8]) -> bool> = LazyLock::new(|| {
    let name = std::env::var("EXIT_RL_FUZZ_TARGET").unwrap_or_default();
    let target = targets::TARGETS.into_iter().find(|(known, _)| *known == name);
    // libFuzzer's hook would abort on panics of libraries, which the product catches.
    std::panic::set_hook(Box::new(|_| {}));
    // Threads would only slow down tensors of a few numbers.
    tch::set_num_threads(1);
    let names: Vec<_> = targets::TARGETS.iter().map(|(known, _)| *known).collect();
    target.unwrap_or_else(|| panic!("EXIT_RL_FUZZ_TARGET must be one of {}", names.join(", "))).1
});

fuzz_target!(|bytes: &[u8]| {
    TARGET(bytes);
});
