//! Replays test/corpus, the fuzzer's seeds and every input that has failed, through the parsers of model folders.

#[path = "targets/mod.rs"]
mod targets;

use std::path::Path;
use std::time::{Duration, Instant};

/// Generous for a busy machine: each file takes milliseconds.
const LONGEST: Duration = Duration::from_secs(20);

#[test]
fn every_file_of_the_corpus_is_read_or_refused_in_time() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../test/corpus");
    for (name, target) in targets::TARGETS {
        let entries = std::fs::read_dir(root.join(name)).unwrap_or_else(|error| panic!("test/corpus/{name}: {error}"));
        let mut files: Vec<_> = entries.map(|entry| entry.expect("a file of the corpus").path()).collect();
        files.sort();
        assert!(!files.is_empty(), "test/corpus/{name} is empty");
        let mut accepted = 0;
        for file in files {
            let bytes = std::fs::read(&file).expect("a file of the corpus");
            let began = Instant::now();
            accepted += usize::from(target(&bytes));
            assert!(began.elapsed() < LONGEST, "{} took {:?}", file.display(), began.elapsed());
        }
        // Mutations of a file that is refused at once would reach little of the parser.
        assert!(accepted > 0, "the parser accepts no file of test/corpus/{name}");
    }
}

/// Single bytes changed, removed and inserted across each seed: the cheap part of fuzzing, in every run.
#[test]
fn every_mutation_of_a_seed_is_read_or_refused() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../test/corpus");
    for (name, target) in targets::TARGETS {
        for entry in std::fs::read_dir(root.join(name)).expect("a corpus folder").flatten() {
            let seed = std::fs::read(entry.path()).expect("a file of the corpus");
            for round in 0..25 {
                target(&mutate(&seed, round));
            }
        }
    }
}

fn mutate(seed: &[u8], round: u64) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    let draw = (round + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    // Headers are the most sensitive: half of the mutations change the first bytes.
    let reach = if round.is_multiple_of(2) { seed.len().min(400) } else { seed.len() };
    let Some(at) = (draw >> 32).checked_rem(reach as u64) else { return bytes };
    let at = at as usize;
    match round % 5 {
        0 => bytes[at] ^= 1 << (draw % 8),
        1 => bytes[at] = draw as u8,
        2 => bytes.truncate(at),
        3 => bytes.insert(at, draw as u8),
        _ => drop(bytes.drain(at..(at + (draw % 9) as usize).min(seed.len()))),
    }
    bytes
}
