//! Tokenizers, with or without a policy.

use crate::answer::{promise, Answer};
use crate::convert::checked::{Keys, Known};
use crate::convert::{token_lists, Ragged};
use crate::errors::to_napi;
use exit_rl_engine::error::{EngineError, Result as EngineResult};
use exit_rl_engine::guard::{guarded, THREAD_NAME};
use exit_rl_engine::io::notices::Notices;
use exit_rl_engine::tokenizer::rendered::{Marks, Rendered};
use exit_rl_engine::tokenizer::stream::TextStream;
use exit_rl_engine::tokenizer::worker::{TextWorker, DEADLINE};
use exit_rl_engine::tokenizer::Tokenizer;
use napi::bindgen_prelude::*;
use napi_derive::napi;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// The tokenizer of a model folder.
#[napi]
pub struct NativeTokenizer {
    text: Arc<TextWorker>,
}

/// A token that is matched in a text before tokenization; decoded text can leave `special` ones out.
#[napi(object)]
pub struct NativeAddedToken {
    pub id: u32,
    pub content: String,
    pub special: bool,
    /// Matched in normalised text: other spellings may match too.
    pub normalized: bool,
}

/// A conversation that a chat template has rendered to one text with marks.
#[napi(object, object_to_js = false)]
pub struct NativeRendered {
    pub text: String,
    /// The mark inside special tokens that a message spells out, which are encoded as text.
    pub guard: String,
    /// The mark that the next list of ids replaces.
    pub splice: String,
    pub tokens: Int32Array,
    pub offsets: Uint32Array,
}

#[napi]
impl NativeTokenizer {
    /// Loads the tokenizer of a model folder without its weights.
    #[napi(ts_return_type = "Promise<NativeTokenizer>")]
    pub fn load(env: &Env, folder: String) -> Result<Object<'static>> {
        let load = move || {
            let tokenizer = Tokenizer::load(Path::new(&folder), u32::MAX as usize, &mut Notices::default())?;
            Ok(NativeTokenizer::of(Arc::new(TextWorker::start(tokenizer, DEADLINE)?)))
        };
        promise(env, |answer| spawn_load(answer, load))
    }

    #[napi]
    pub fn added_tokens(&self) -> Vec<NativeAddedToken> {
        let tokens = self.text.tokenizer().added_tokens().into_iter();
        tokens
            .map(|token| NativeAddedToken {
                id: token.id,
                content: token.content,
                special: token.special,
                normalized: token.normalized,
            })
            .collect()
    }

    /// Encodes texts synchronously. Special tokens are parsed, none are added.
    #[napi]
    pub fn encode(&self, texts: Vec<String>) -> Result<Ragged> {
        let lists = texts.iter().map(|text| self.text.tokenizer().encode(text));
        let lists: EngineResult<Vec<_>> = lists.collect();
        Ok(Ragged::from_lists(&lists.map_err(to_napi)?))
    }

    #[napi]
    pub fn decode(&self, tokens: Int32Array, offsets: Uint32Array, skip_special_tokens: bool) -> Result<Vec<String>> {
        let lists = token_lists(&tokens, &offsets).map_err(to_napi)?;
        let texts = lists.iter().map(|ids| self.text.tokenizer().decode(ids, skip_special_tokens));
        texts.collect::<EngineResult<_>>().map_err(to_napi)
    }

    /// Encodes one text on the tokenizer's thread; with `addSpecialTokens` as transformers' `tokenizer(text)`, and special
    /// tokens that the text itself begins or ends with stand there once.
    #[napi(ts_return_type = "Promise<Int32Array>")]
    pub fn encode_text(&self, env: &Env, text: String, add_special_tokens: bool) -> Result<Object<'static>> {
        self.ids(env, move |tokenizer| match add_special_tokens {
            true => tokenizer.encode_prompt(&text),
            false => tokenizer.encode(&text),
        })
    }

    /// Inserts the guard into every spelling of a `control` token in the texts.
    #[napi]
    pub fn guard(&self, texts: Vec<String>, control: Uint32Array, guard: String) -> Result<Vec<String>> {
        let (control, guard) = (control.iter().copied().collect(), mark(&guard).map_err(to_napi)?);
        let guarded = texts.iter().map(|text| self.text.tokenizer().guard(text, &control, guard));
        guarded.collect::<EngineResult<_>>().map_err(to_napi)
    }

    /// Encodes a rendered conversation on the tokenizer's thread.
    #[napi(ts_return_type = "Promise<Int32Array>")]
    pub fn encode_rendered(
        &self,
        env: &Env,
        #[napi(ts_arg_type = "NativeRendered")] rendered: Known<NativeRendered>,
    ) -> Result<Object<'static>> {
        let rendered = rendered.0.into_engine().map_err(to_napi)?;
        self.ids(env, move |tokenizer| tokenizer.encode_rendered(&rendered))
    }

    /// Starts to decode a growing list of ids, piece by piece.
    #[napi]
    pub fn stream(&self) -> NativeTextStream {
        NativeTextStream { text: self.text.clone(), stream: Mutex::default() }
    }
}

/// Decodes a growing list of ids to the text that is final; leaves special tokens out.
#[napi]
pub struct NativeTextStream {
    text: Arc<TextWorker>,
    stream: Mutex<TextStream>,
}

#[napi]
impl NativeTextStream {
    #[napi]
    pub fn push(&self, tokens: Int32Array) -> Result<String> {
        let tokens: Vec<u32> = tokens.iter().map(|&id| id as u32).collect();
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        stream.push(self.text.tokenizer(), &tokens).map_err(to_napi)
    }
}

impl NativeTokenizer {
    pub fn of(text: Arc<TextWorker>) -> Self {
        Self { text }
    }

    fn ids(
        &self,
        env: &Env,
        work: impl FnOnce(&Tokenizer) -> EngineResult<Vec<u32>> + Send + 'static,
    ) -> Result<Object<'static>> {
        let ids = move |tokenizer: &Tokenizer| Ok(work(tokenizer)?.into_iter().map(|id| id as i32).collect());
        promise(env, |answer| {
            self.text.run(ids, move |ids: EngineResult<Vec<i32>>| answer.settle(ids.map(Int32Array::new)));
            Ok(())
        })
    }
}

impl Keys for NativeRendered {
    const KEYS: &'static [&'static str] = &["text", "guard", "splice", "tokens", "offsets"];
}

impl NativeRendered {
    fn into_engine(self) -> EngineResult<Rendered> {
        let splices = token_lists(&self.tokens, &self.offsets)?;
        let marks = Marks { guard: mark(&self.guard)?, splice: mark(&self.splice)? };
        Ok(Rendered { text: self.text, marks, splices })
    }
}

fn mark(text: &str) -> EngineResult<char> {
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some(mark), None) => Ok(mark),
        _ => Err(EngineError::invalid("guard", "a mark is one character")),
    }
}

/// Settles `answer` with the result of `work` on a thread of its own.
fn spawn_load<T: Send + ToNapiValue + 'static>(
    answer: Answer<T>,
    work: impl FnOnce() -> EngineResult<T> + Send + 'static,
) -> EngineResult<()> {
    let builder = std::thread::Builder::new().name(format!("{THREAD_NAME}-load"));
    let spawned = builder.spawn(move || answer.settle(guarded(work)));
    spawned.map(drop).map_err(|error| EngineError::Panic { message: error.to_string() })
}
