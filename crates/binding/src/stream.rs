//! Streams tokens to JavaScript while a completion grows.
//!
//! engine thread → inbox → text thread → outbox → JavaScript. Each consumer empties its box in one go, and at most one call
//! to it is pending. A slow reader gets larger pieces, never a longer queue, and the request's length bounds a box.

use exit_rl_engine::error::Result as EngineResult;
use exit_rl_engine::generate::request::Watch;
use exit_rl_engine::guard::lock;
use exit_rl_engine::tokenizer::stop::{HeldText, StopTexts};
use exit_rl_engine::tokenizer::stream::TextStream;
use exit_rl_engine::tokenizer::worker::TextWorker;
use exit_rl_engine::tokenizer::Tokenizer;
use napi::bindgen_prelude::*;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// New tokens of some completions, and the text that has become final.
#[napi(object)]
pub struct NativeStreamed {
    pub completions: Uint32Array,
    pub tokens: Int32Array,
    /// List i of the tokens belongs to `completions[i]`.
    pub offsets: Uint32Array,
    pub texts: Vec<String>,
}

pub type OnTokens<'a> = Function<'a, NativeStreamed, ()>;
type Call = ThreadsafeFunction<(), (), NativeStreamed, Status, false, true>;

/// Tokens and text by completion.
type Pieces = BTreeMap<usize, (Vec<u32>, String)>;

#[derive(Default)]
struct Boxes {
    inbox: Mutex<Vec<(usize, u32)>>,
    /// A call of `decode` on the text thread is pending.
    decoding: AtomicBool,
    texts: Mutex<BTreeMap<usize, (TextStream, HeldText)>>,
    stops: Option<Arc<StopTexts>>,
    outbox: Mutex<Pieces>,
    /// A call of JavaScript is pending.
    calling: AtomicBool,
}

/// Makes the watcher of a streamed request, which the engine calls after every decoding step.
pub fn watch(text: Arc<TextWorker>, stops: Option<Arc<StopTexts>>, on_tokens: &OnTokens<'_>) -> Result<Watch> {
    let boxes = Arc::new(Boxes { stops, ..Boxes::default() });
    let outgoing = boxes.clone();
    let call: Call = on_tokens
        .build_threadsafe_function::<()>()
        .weak::<true>()
        .build_callback(move |_| Ok(outgoing.empty_outbox()))?;
    let call = Arc::new(call);
    Ok(Box::new(move |new_tokens| {
        lock(&boxes.inbox).extend_from_slice(new_tokens);
        if !boxes.decoding.swap(true, Ordering::AcqRel) {
            let (inside, outside, call) = (boxes.clone(), boxes.clone(), call.clone());
            text.run(move |tokenizer| inside.decode(tokenizer), move |_| outside.call(&call));
        }
    }))
}

impl Boxes {
    /// Decodes the inbox into the outbox, on the text thread.
    fn decode(&self, tokenizer: &Tokenizer) -> EngineResult<()> {
        self.decoding.store(false, Ordering::Release);
        let mut new_tokens: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
        let inbox = std::mem::take(&mut *lock(&self.inbox));
        inbox.into_iter().for_each(|(completion, token)| new_tokens.entry(completion).or_default().push(token));
        let mut texts = lock(&self.texts);
        for (completion, tokens) in new_tokens {
            let (stream, held) = texts.entry(completion).or_default();
            let new_text = stream.push(tokenizer, &tokens)?;
            let text = match &self.stops {
                Some(stops) => held.push(stops, &new_text),
                None => new_text,
            };
            let mut outbox = lock(&self.outbox);
            let piece = outbox.entry(completion).or_default();
            piece.0.extend(tokens);
            piece.1.push_str(&text);
        }
        Ok(())
    }

    /// Schedules a call of JavaScript unless one is pending.
    fn call(&self, call: &Call) {
        if !lock(&self.outbox).is_empty() && !self.calling.swap(true, Ordering::AcqRel) {
            // JavaScript refuses the call when it is shutting down.
            call.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }

    /// Empties the outbox, on the JavaScript thread.
    fn empty_outbox(&self) -> NativeStreamed {
        self.calling.store(false, Ordering::Release);
        let pieces = std::mem::take(&mut *lock(&self.outbox));
        let tokens: Vec<i32> = pieces.values().flat_map(|(tokens, _)| tokens).map(|&id| id as i32).collect();
        NativeStreamed {
            completions: Uint32Array::new(pieces.keys().map(|&completion| completion as u32).collect()),
            tokens: Int32Array::new(tokens),
            offsets: Uint32Array::new(crate::convert::offsets(pieces.values().map(|(tokens, _)| tokens.len()))),
            texts: pieces.into_values().map(|(_, text)| text).collect(),
        }
    }
}
