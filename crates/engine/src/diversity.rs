//! Distances of the members of a group from its centroid.

use crate::error::{EngineError, Result};

/// d_i = ‖e_i − c‖ / (max_j ‖e_j − c‖ − min_j ‖e_j − c‖), c the group's centroid (arXiv 2509.04575).
///
/// As printed, the numerator is not shifted by the minimum, so d_i may exceed 1; it is clamped to `clamp`. When all members
/// are equally distant (a range of 0), every d_i is 1.
///
/// `embeddings` is row-major `[members, dimension]`; group g holds members `offsets[g]..offsets[g + 1]`. Returns one factor
/// per member.
///
/// @error when the offsets do not rise from 0 to the number of embeddings; `NON_FINITE` for an embedding that is not finite.
pub fn diversity(embeddings: &[f32], dimension: usize, offsets: &[u32], clamp: f64) -> Result<Vec<f32>> {
    let members = offsets.last().map_or(0, |&end| end as usize);
    if offsets.first() != Some(&0) || !offsets.is_sorted() || members * dimension != embeddings.len() {
        return Err(EngineError::invalid("groupOffsets", "they must rise from 0 to the number of embeddings"));
    }
    if embeddings.iter().any(|value| !value.is_finite()) {
        return Err(EngineError::NonFinite { what: "an embedding".into() });
    }
    let groups = offsets.windows(2).map(|pair| pair[0] as usize * dimension..pair[1] as usize * dimension);
    Ok(groups.flat_map(|range| group_diversity(&embeddings[range], dimension, clamp)).collect())
}

/// A smaller range is rounding error.
const SMALLEST_RANGE: f64 = 1e-6;

fn group_diversity(embeddings: &[f32], dimension: usize, clamp: f64) -> Vec<f32> {
    let members = embeddings.len() / dimension;
    let mut centroid = vec![0f64; dimension];
    for row in embeddings.chunks_exact(dimension) {
        centroid.iter_mut().zip(row).for_each(|(sum, &value)| *sum += f64::from(value) / members as f64);
    }
    let distances: Vec<f64> = embeddings.chunks_exact(dimension).map(|row| distance(row, &centroid)).collect();
    let largest = distances.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let range = largest - distances.iter().copied().fold(f64::INFINITY, f64::min);
    let factor = |distance: &f64| if range > SMALLEST_RANGE { (distance / range).min(clamp) } else { 1.0 };
    distances.iter().map(|distance| factor(distance) as f32).collect()
}

fn distance(row: &[f32], centroid: &[f64]) -> f64 {
    row.iter().zip(centroid).map(|(&value, mean)| (f64::from(value) - mean).powi(2)).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_the_printed_formula() {
        let factors = diversity(&[0.0, 0.0, 3.0], 1, &[0, 3], 10.0).unwrap();
        assert_eq!(factors, [1.0, 1.0, 2.0]);
        assert_eq!(diversity(&[0.0, 0.0, 3.0], 1, &[0, 3], 1.5).unwrap(), [1.0, 1.0, 1.5]);
    }

    #[test]
    fn equal_distances_give_one() {
        assert_eq!(diversity(&[1.0, 3.0, 5.0], 1, &[0, 2, 3], 3.0).unwrap(), [1.0, 1.0, 1.0]);
        assert!(diversity(&[1.0, 3.0], 1, &[0, 3], 3.0).is_err());
    }
}
