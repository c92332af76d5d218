//! The reference policy of an adapter: the base weights plus a weighted sum of earlier adapters.
//!
//! θ_ref ← (1 − α) θ_ref + α θ is linear in the weights, and a weight's difference from the base is s·B·A, which is not
//! linear in A and B: no single adapter of the same rank equals the blend. The sum Σ share_i · s·B_i·A_i does, exactly, so
//! each blend stores a copy of the adapter with its remaining share. α = 1 leaves one copy.

use crate::error::Result;
use tch::{Device, Kind, Tensor};

/// A term with a smaller share changes every weight by less than the rounding of fp32.
const SMALLEST_SHARE: f64 = 1.0 / (1u64 << 32) as f64;

/// An earlier adapter and its share in the reference.
pub struct Term {
    pub share: f64,
    /// Laid out like the trained adapter.
    pub flat: Tensor,
}

/// The terms of the sum; without one the reference is the base.
#[derive(Default)]
pub struct AdapterReference {
    pub terms: Vec<Term>,
}

impl AdapterReference {
    pub fn of(flat: &Tensor) -> Self {
        Self { terms: vec![Term { share: 1.0, flat: flat.detach().copy() }] }
    }

    /// θ_ref ← (1 − α) θ_ref + α θ.
    pub fn blend(&mut self, flat: &Tensor, alpha: f64) {
        self.terms.iter_mut().for_each(|term| term.share *= 1.0 - alpha);
        self.terms.push(Term { share: alpha, flat: flat.detach().copy() });
        self.terms.retain(|term| term.share >= SMALLEST_SHARE);
    }

    /// All terms, concatenated, for a checkpoint.
    pub fn flat(&self) -> Tensor {
        let terms: Vec<_> = self.terms.iter().map(|term| &term.flat).collect();
        if terms.is_empty() {
            Tensor::zeros([0], (Kind::Float, Device::Cpu))
        } else {
            Tensor::cat(&terms, 0)
        }
    }

    /// The shares of the terms, as JSON.
    pub fn shares(&self) -> String {
        let shares: Vec<f64> = self.terms.iter().map(|term| term.share).collect();
        serde_json::json!(shares).to_string()
    }

    /// Restores the reference from `shares` and `flat`, which `read` fills; `like` is the trained adapter.
    pub fn restore(shares: &[f64], like: &Tensor, read: impl FnOnce(&Tensor) -> Result<()>) -> Result<Self> {
        let size = like.numel() as i64;
        let flat = Tensor::f_zeros([size * shares.len() as i64], (Kind::Float, like.device()))?;
        read(&flat)?;
        let terms = shares.iter().enumerate();
        let term = |(at, &share)| Term { share, flat: flat.narrow(0, at as i64 * size, size).copy() };
        Ok(Self { terms: terms.map(term).collect() })
    }
}

/// Parses shares as `AdapterReference::shares` writes them. `held` is the number of stored numbers, `size` that of one
/// term: a file that states more terms than it holds is refused before they are allocated.
pub fn read_shares(shares: &str, held: usize, size: usize) -> std::result::Result<Vec<f64>, String> {
    let shares: Vec<f64> = serde_json::from_str(shares).map_err(|error| error.to_string())?;
    if shares.len().checked_mul(size) != Some(held) {
        return Err(format!("{} shares of {size} numbers each, but {held} numbers are stored", shares.len()));
    }
    match shares.iter().find(|share| !(0.0..=1.0).contains(*share)) {
        Some(share) => Err(format!("{share} is not a share from 0 to 1")),
        None => Ok(shares),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(value: f32) -> Tensor {
        Tensor::from_slice(&[value, 2.0 * value])
    }

    fn shares(reference: &AdapterReference) -> Vec<f64> {
        reference.terms.iter().map(|term| term.share).collect()
    }

    #[test]
    fn shares_are_those_of_the_blend() {
        let mut reference = AdapterReference::of(&flat(1.0));
        reference.blend(&flat(2.0), 0.25);
        reference.blend(&flat(3.0), 0.5);
        assert_eq!(shares(&reference), [0.375, 0.125, 0.5]);
        assert_eq!(reference.terms[1].flat, flat(2.0));
    }

    #[test]
    fn a_new_adapters_reference_keeps_a_share_of_the_base() {
        let mut reference = AdapterReference::default();
        reference.blend(&flat(2.0), 0.25);
        assert_eq!(shares(&reference), [0.25]);
    }

    #[test]
    fn alpha_of_one_leaves_one_term_and_zero_changes_nothing() {
        let mut reference = AdapterReference::of(&flat(1.0));
        reference.blend(&flat(2.0), 0.0);
        assert_eq!(shares(&reference), [1.0]);
        reference.blend(&flat(2.0), 1.0);
        assert_eq!((shares(&reference), &reference.terms[0].flat), (vec![1.0], &flat(2.0)));
    }

    #[test]
    fn terms_below_rounding_are_dropped() {
        let mut reference = AdapterReference::of(&flat(0.0));
        (0..1000).for_each(|at| reference.blend(&flat(at as f32), 0.5));
        assert_eq!(reference.terms.len(), 32);
        assert!((shares(&reference).iter().sum::<f64>() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_reference_is_restored_bit_for_bit() {
        let mut reference = AdapterReference::of(&flat(0.1));
        reference.blend(&flat(0.7), 1.0 / 3.0);
        let read = |target: &Tensor| {
            target.shallow_clone().copy_(&reference.flat());
            Ok(())
        };
        let written = read_shares(&reference.shares(), 4, 2).unwrap();
        let restored = AdapterReference::restore(&written, &flat(0.0), read).unwrap();
        assert_eq!(shares(&restored), shares(&reference));
        assert_eq!(restored.flat(), reference.flat());
    }

    #[test]
    fn shares_that_do_not_fit_what_is_stored_are_refused() {
        for shares in ["no", "[0.5]", "[0.5,0.25,0.25]", "[0.5,1.5]", "[0.5,-0.5]", "[0.5,null]"] {
            assert!(read_shares(shares, 4, 2).is_err(), "{shares}");
        }
    }
}
