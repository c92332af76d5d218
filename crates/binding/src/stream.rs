//! Tokens on their way to JavaScript while a completion grows.
//!
//! engine thread → inbox → text thread → outbox → JavaScript. Each box is emptied whole by whoever is next, and at most
//! one call to the next stands waiting: a slow reader gets larger pieces, never a longer queue, and what waits is bounded
//! by what was asked to be generated.

use exit_rl_engine::error::Result as EngineResult;
use exit_rl_engine::generate::request::Watch;
use exit_rl_engine::tokenizer::stop::{HeldText, StopTexts};
use exit_rl_engine::tokenizer::stream::TextStream;
use exit_rl_engine::tokenizer::worker::TextWorker;
use exit_rl_engine::tokenizer::Tokenizer;
use napi::bindgen_prelude::*;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// New tokens of some completions, and what of their texts has become final.
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

/// By completion: tokens, and text.
type Pieces = BTreeMap<usize, (Vec<u32>, String)>;

#[derive(Default)]
struct Boxes {
    inbox: Mutex<Vec<(usize, u32)>>,
    /// The text thread has been asked to empty the inbox.
    decoding: AtomicBool,
    texts: Mutex<BTreeMap<usize, (TextStream, HeldText)>>,
    stops: Option<Arc<StopTexts>>,
    outbox: Mutex<Pieces>,
    /// JavaScript has been asked to empty the outbox.
    calling: AtomicBool,
}

/// What the engine calls for every step of a request whose caller wants to see it grow.
pub fn watch(text: Arc<TextWorker>, stops: Option<Arc<StopTexts>>, on_tokens: &OnTokens<'_>) -> Result<Watch> {
    let boxes = Arc::new(Boxes { stops, ..Boxes::default() });
    let outgoing = boxes.clone();
    let call: Call =
        on_tokens.build_threadsafe_function::<()>().weak::<true>().build_callback(move |_| Ok(outgoing.take_out()))?;
    let call = Arc::new(call);
    Ok(Box::new(move |fresh| {
        lock(&boxes.inbox).extend_from_slice(fresh);
        if !boxes.decoding.swap(true, Ordering::AcqRel) {
            let (inside, outside, call) = (boxes.clone(), boxes.clone(), call.clone());
            text.run(move |tokenizer| inside.decode(tokenizer), move |_| outside.call(&call));
        }
    }))
}

impl Boxes {
    /// On the text thread: from the inbox to the outbox.
    fn decode(&self, tokenizer: &Tokenizer) -> EngineResult<()> {
        self.decoding.store(false, Ordering::Release);
        let mut fresh: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
        let arrived = std::mem::take(&mut *lock(&self.inbox));
        arrived.into_iter().for_each(|(completion, token)| fresh.entry(completion).or_default().push(token));
        let mut texts = lock(&self.texts);
        for (completion, tokens) in fresh {
            let (stream, held) = texts.entry(completion).or_default();
            let fresh = stream.push(tokenizer, &tokens)?;
            let text = match &self.stops {
                Some(stops) => held.push(stops, &fresh),
                None => fresh,
            };
            let mut outbox = lock(&self.outbox);
            let piece = outbox.entry(completion).or_default();
            piece.0.extend(tokens);
            piece.1.push_str(&text);
        }
        Ok(())
    }

    fn call(&self, call: &Call) {
        if !lock(&self.outbox).is_empty() && !self.calling.swap(true, Ordering::AcqRel) {
            // Refused when JavaScript is ending: nobody reads any more.
            call.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }

    /// On the JavaScript thread.
    fn take_out(&self) -> NativeStreamed {
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

/// A poisoned lock only means that a call panicked; the data are plain lists.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
