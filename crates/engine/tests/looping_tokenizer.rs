//! A tokenizer that does not return: the caller gets an error at the deadline, and later callers get theirs.

use exit_rl_engine::error::EngineError;
use exit_rl_engine::io::notices::Notices;
use exit_rl_engine::tokenizer::worker::TextWorker;
use exit_rl_engine::tokenizer::Tokenizer;
use std::path::PathBuf;
use std::sync::mpsc::{channel, Receiver};
use std::time::{Duration, Instant};

type Ids = Result<Vec<u32>, EngineError>;

/// Word pieces of one character and words of unbounded length. The tokenizer searches each piece by trying the rest of the
/// word, which takes time cubic in its length.
const DEFINITION: &str = r###"{
    "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
    "pre_tokenizer": { "type": "WhitespaceSplit" }, "post_processor": null, "decoder": null,
    "model": { "type": "WordPiece", "unk_token": "u", "continuing_subword_prefix": "##",
               "max_input_chars_per_word": 1000000000, "vocab": { "u": 0, "a": 1, "##a": 2 } }
}"###;

const DEADLINE: Duration = Duration::from_millis(300);
/// Generous for a busy machine.
const SOON: Duration = Duration::from_secs(20);

fn folder() -> PathBuf {
    let folder = std::env::temp_dir().join(format!("exit-rl-looping-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("tokenizer.json"), DEFINITION).expect("a file");
    folder
}

fn ask(worker: &TextWorker, text: String) -> Receiver<Ids> {
    let (answer, answers) = channel();
    worker.run(move |tokenizer| tokenizer.encode(&text), move |ids| drop(answer.send(ids)));
    answers
}

#[test]
fn a_text_without_end_is_given_up_at_the_deadline_and_later_texts_are_answered() {
    let folder = folder();
    let tokenizer = Tokenizer::load(&folder, 8, &mut Notices::default()).expect("the file is valid");
    let _ = std::fs::remove_dir_all(&folder);
    let worker = TextWorker::start(tokenizer, DEADLINE).expect("two threads");

    let short = ask(&worker, "aaa a".into()).recv_timeout(SOON).expect("an answer");
    assert_eq!(short, Ok(vec![1, 2, 2, 1]));

    let began = Instant::now();
    let endless = ask(&worker, "a".repeat(100_000));
    let behind = ask(&worker, "a".into());
    for answers in [endless, behind, ask(&worker, "a".into())] {
        match answers.recv_timeout(SOON).expect("an answer in time") {
            Err(EngineError::Tokenizer { file, key, reason }) => {
                assert!(file.ends_with("tokenizer.json") && key == "text" && reason.contains("0.3 s"), "{reason}");
            }
            other => panic!("{other:?}"),
        }
        assert!(answers.recv().is_err(), "each text is answered once");
    }
    assert!(began.elapsed() >= DEADLINE);
}
