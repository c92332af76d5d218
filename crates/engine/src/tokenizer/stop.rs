//! Stop texts: they end a completion with the token that completes one, whatever tokens spell it.
//!
//! A completion ends with the first token after which its decoded text contains a stop text. Its text is cut where the
//! stop text that ends first begins, as if the text arrived one character at a time; its tokens stay those sampled.

use super::stream::TextStream;
use super::worker::TextWorker;
use super::Tokenizer;
use crate::error::{EngineError, Result};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The stop texts of a request.
#[derive(Debug)]
pub struct StopTexts {
    texts: Vec<String>,
    /// Keeps the stop text in the completion's text.
    include: bool,
}

impl StopTexts {
    /// None without texts.
    ///
    /// # Errors
    /// `stop` for an empty text, which would end every completion.
    pub fn new(texts: Vec<String>, include: bool) -> Result<Option<Arc<Self>>> {
        if texts.iter().any(String::is_empty) {
            return Err(EngineError::invalid("stop", "a stop text is empty"));
        }
        Ok((!texts.is_empty()).then(|| Arc::new(Self { texts, include })))
    }

    fn is_in(&self, text: &str) -> bool {
        self.texts.iter().any(|stop| text.contains(stop))
    }

    /// The byte at which `text` is cut; None without a stop text.
    pub fn cut(&self, text: &str) -> Option<usize> {
        let matches = self.texts.iter().filter_map(|stop| text.find(stop).map(|at| (at + stop.len(), at)));
        matches.min().map(|(end, start)| if self.include { end } else { start })
    }

    /// Bytes at the end of `text` that may begin a stop text.
    fn begun(&self, text: &str) -> usize {
        let first = text.len().saturating_sub(self.longest());
        let mut ends = text.char_indices().map(|(at, _)| at).filter(|&at| at > first || first == 0);
        let begins = |&at: &usize| self.texts.iter().any(|stop| stop.starts_with(&text[at..]));
        ends.find(begins).map_or(0, |at| text.len() - at)
    }

    fn longest(&self) -> usize {
        self.texts.iter().map(String::len).max().unwrap_or(0)
    }
}

/// The search for stop texts in one completion.
#[derive(Debug, Default)]
struct Scan {
    stream: TextStream,
    /// The end of the final text, in which a stop text may begin.
    tail: String,
}

impl Scan {
    fn push(&mut self, tokenizer: &Tokenizer, stops: &StopTexts, token: u32) -> Result<bool> {
        self.tail.push_str(&self.stream.push(tokenizer, &[token])?);
        let stops_here = match self.stream.pending(tokenizer)? {
            pending if pending.is_empty() => stops.is_in(&self.tail),
            pending => stops.is_in(&format!("{}{pending}", self.tail)),
        };
        self.tail.drain(..self.tail.len() - stops.begun(&self.tail));
        Ok(stops_here)
    }
}

/// The search for stop texts in the completions of one request, token by token.
pub struct StopScan {
    text: Arc<TextWorker>,
    stops: Arc<StopTexts>,
    scans: BTreeMap<usize, Scan>,
}

impl StopScan {
    pub fn new(text: Arc<TextWorker>, stops: Arc<StopTexts>) -> Self {
        Self { text, stops, scans: BTreeMap::new() }
    }

    /// Whether `token` completes a stop text.
    pub fn ends(&mut self, completion: usize, token: u32) -> Result<bool> {
        let scan = self.scans.entry(completion).or_default();
        let ends = scan.push(self.text.tokenizer(), &self.stops, token)?;
        if ends {
            self.scans.remove(&completion);
        }
        Ok(ends)
    }
}

/// The streamed text of a completion: holds back the end that a stop text may still cut.
#[derive(Debug, Default)]
pub struct HeldText {
    held: String,
    ended: bool,
}

impl HeldText {
    /// Appends text; returns the part that no stop text can cut any more.
    pub fn push(&mut self, stops: &StopTexts, fresh: &str) -> String {
        if self.ended {
            return String::new();
        }
        self.held.push_str(fresh);
        let cut = stops.cut(&self.held);
        self.ended = cut.is_some();
        let keep = cut.unwrap_or_else(|| self.held.len() - stops.begun(&self.held));
        self.held.drain(..keep).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stops(texts: &[&str], include: bool) -> Arc<StopTexts> {
        StopTexts::new(texts.iter().map(|&text| text.to_string()).collect(), include).unwrap().unwrap()
    }

    #[test]
    fn a_text_is_cut_by_the_stop_text_that_ends_first() {
        assert_eq!(stops(&["bcd", "c"], false).cut("abcd"), Some(2));
        assert_eq!(stops(&["bcd", "c"], true).cut("abcd"), Some(3));
        assert_eq!(stops(&["c", "bc"], false).cut("abcd"), Some(1));
        assert_eq!(stops(&["é", "\n\n"], false).cut("a\nbé\n\n"), Some(3));
        assert_eq!(stops(&["x"], false).cut("abcd"), None);
    }

    #[test]
    fn a_possible_beginning_of_a_stop_text_is_held_back() {
        let stops = stops(&["\n\nQ:", "aab"], false);
        for (text, begun) in [("a\n", 1), ("a\n\nQ", 3), ("aaa", 2), ("aaab ", 0), ("é", 0), ("", 0), ("\n\n\n", 2)] {
            assert_eq!(stops.begun(text), begun, "{text:?}");
        }
    }

    /// However a text is split into pieces, the emitted parts together are the text up to the cut, less the held end.
    #[test]
    fn pieces_together_are_the_cut_text() {
        let text = "aé\n\naaé";
        for texts in [&["\n\na", "é\n"][..], &["aaé"], &["zz"], &["a"]] {
            for include in [false, true] {
                let stops = stops(texts, include);
                let whole = &text[..stops.cut(text).unwrap_or(text.len())];
                let characters: Vec<char> = text.chars().collect();
                for cuts in 0..1 << (characters.len() - 1) {
                    let mut held = HeldText::default();
                    let (mut emitted, mut piece) = (String::new(), String::new());
                    for (at, character) in characters.iter().enumerate() {
                        piece.push(*character);
                        if at == characters.len() - 1 || cuts >> at & 1 == 1 {
                            emitted.push_str(&held.push(&stops, &std::mem::take(&mut piece)));
                        }
                    }
                    let rest = if held.ended { "" } else { held.held.as_str() };
                    assert_eq!(format!("{emitted}{rest}"), whole, "{texts:?} {include} {cuts:b}");
                }
            }
        }
    }
}
