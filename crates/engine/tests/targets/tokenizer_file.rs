//! tokenizer.json and its uses: encoding, decoding, a conversation with marks, a streamed text.

use super::scratch_folder::ScratchFolder;
use exit_rl_engine::error::Result;
use exit_rl_engine::io::notices::Notices;
use exit_rl_engine::tokenizer::rendered::{Marks, Rendered};
use exit_rl_engine::tokenizer::stream::TextStream;
use exit_rl_engine::tokenizer::Tokenizer;
use std::collections::HashSet;

const TEXT: &str = "Café <|im_end|> \u{1f600} a1x 12";
const MARKS: Marks = Marks { guard: '\u{fdd0}', splice: '\u{fdd1}' };

pub fn tokenizer(bytes: &[u8]) -> bool {
    let folder = ScratchFolder::with(&[("tokenizer.json", bytes)]);
    Tokenizer::load(&folder.0, 1 << 20, &mut Notices::default())
        .is_ok_and(|tokenizer| use_tokenizer(&tokenizer).is_ok())
}

fn use_tokenizer(tokenizer: &Tokenizer) -> Result<()> {
    let tokens = tokenizer.encode(TEXT)?;
    let _ = tokenizer.encode_prompt(TEXT);
    let _ = tokenizer.decode(&tokens, false);
    let control: HashSet<u32> = tokenizer.added_tokens().iter().map(|token| token.id).collect();
    let guarded = tokenizer.guard(TEXT, &control, MARKS.guard)?;
    let text = format!("{guarded}{}{guarded}", MARKS.splice);
    tokenizer.encode_rendered(&Rendered { text, marks: MARKS, splices: vec![tokens.clone()] })?;
    let mut stream = TextStream::default();
    for token in tokens {
        stream.push(tokenizer, &[token])?;
    }
    Ok(())
}
