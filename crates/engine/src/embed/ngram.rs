//! Text to vectors without a model: counts of hashed n-grams.

use crate::error::{EngineError, Result};

/// The elements of an n-gram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NgramUnit {
    Word,
    Character,
}

/// Settings of the n-gram embedder.
#[derive(Debug, Clone, PartialEq)]
pub struct Ngrams {
    pub unit: NgramUnit,
    /// Shortest n-gram counted.
    pub minimum: usize,
    /// Longest n-gram counted.
    pub maximum: usize,
    /// Width of the vectors.
    pub dimension: usize,
}

/// Largest dimension: beyond it a batch of vectors is gigabytes that hold a few counts.
const MOST_DIMENSIONS: usize = 1 << 20;

impl Ngrams {
    /// # Errors
    /// `minimum` or `dimension` out of range.
    pub fn check(&self) -> Result<()> {
        if self.minimum == 0 || self.minimum > self.maximum {
            return Err(EngineError::invalid("minimum", "n-gram lengths must satisfy 1 ≤ minimum ≤ maximum"));
        }
        if !(1..=MOST_DIMENSIONS).contains(&self.dimension) {
            let reason = format!("{} is not from 1 to {MOST_DIMENSIONS}", self.dimension);
            return Err(EngineError::invalid("dimension", reason));
        }
        Ok(())
    }

    /// Row-major `[texts, dimension]`: counts of hashed n-grams, each row of Euclidean length 1; a text without n-grams gives zeros.
    pub fn embed(&self, texts: &[String]) -> Vec<f32> {
        let mut vectors = vec![0f32; texts.len() * self.dimension];
        for (text, vector) in texts.iter().zip(vectors.chunks_exact_mut(self.dimension)) {
            self.count(text, vector);
            normalise(vector);
        }
        vectors
    }

    fn count(&self, text: &str, vector: &mut [f32]) {
        let units: Vec<&str> = match self.unit {
            NgramUnit::Word => text.split_whitespace().collect(),
            NgramUnit::Character => text.split("").filter(|unit| !unit.is_empty()).collect(),
        };
        for length in self.minimum..=self.maximum.min(units.len()) {
            for gram in units.windows(length) {
                vector[(hash(gram) % self.dimension as u64) as usize] += 1.0;
            }
        }
    }
}

/// FNV-1a over the units with a separator, then the finaliser of SplitMix64, which mixes the low bits well.
fn hash(gram: &[&str]) -> u64 {
    let bytes = gram.iter().flat_map(|unit| unit.bytes().chain(std::iter::once(0)));
    let mut state = bytes
        .fold(0xcbf2_9ce4_8422_2325u64, |state, byte| (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

fn normalise(vector: &mut [f32]) {
    let norm = vector.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
    if norm > 0.0 {
        vector.iter_mut().for_each(|value| *value = (f64::from(*value) / norm) as f32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_in_any_order_are_one_bag_and_rows_have_length_one() {
        let ngrams = Ngrams { unit: NgramUnit::Word, minimum: 1, maximum: 1, dimension: 1024 };
        let vectors = ngrams.embed(&["a1 b2 c3".into(), "c3 a1  b2".into(), "a1 b2 c4".into(), String::new()]);
        let rows: Vec<_> = vectors.chunks_exact(1024).collect();
        assert_eq!(rows[0], rows[1]);
        assert_ne!(rows[0], rows[2]);
        assert!((rows[2].iter().map(|value| value * value).sum::<f32>() - 1.0).abs() < 1e-6);
        assert!(rows[3].iter().all(|&value| value == 0.0));
    }

    #[test]
    fn characters_form_overlapping_grams() {
        let ngrams = Ngrams { unit: NgramUnit::Character, minimum: 2, maximum: 3, dimension: 4096 };
        let vector = ngrams.embed(&["änä".into()]);
        assert_eq!(vector.iter().filter(|&&value| value > 0.0).count(), 3);
    }

    #[test]
    fn absurd_settings_cost_nothing() {
        let ngrams = Ngrams { unit: NgramUnit::Word, minimum: 1, maximum: usize::MAX, dimension: 1024 };
        assert_eq!(ngrams.embed(&["a b".into()]).iter().filter(|&&value| value > 0.0).count(), 3);
        let dimension = u32::MAX as usize;
        assert!(matches!(Ngrams { dimension, ..ngrams }.check(), Err(EngineError::InvalidRequest { .. })));
    }
}
