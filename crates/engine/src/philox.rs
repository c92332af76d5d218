//! Philox4x32-10: random numbers as a pure function of a token's place.
//!
//! Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011). The generator is counter-based: the number of a
//! token depends on (seed, request, completion, position) alone.

const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

pub fn philox4x32(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let first = u64::from(MULTIPLIERS[0]) * u64::from(counter[0]);
        let second = u64::from(MULTIPLIERS[1]) * u64::from(counter[2]);
        counter = [
            (second >> 32) as u32 ^ counter[1] ^ key[0],
            second as u32,
            (first >> 32) as u32 ^ counter[3] ^ key[1],
            first as u32,
        ];
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    counter
}

/// The coordinates of a sampled token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub seed: u64,
    pub request: u64,
    pub completion: u32,
    pub position: u32,
}

impl Place {
    /// Uniform in [0, 1), 53 bits.
    pub fn uniform(self) -> f64 {
        let counter = [self.request as u32, (self.request >> 32) as u32, self.completion, self.position];
        let words = philox4x32(counter, [self.seed as u32, (self.seed >> 32) as u32]);
        let bits = (u64::from(words[0]) << 32 | u64::from(words[1])) >> 11;
        bits as f64 / (1u64 << 53) as f64
    }

    /// A seed for another generator, 63 bits.
    pub fn seed(self) -> i64 {
        let counter = [self.request as u32, (self.request >> 32) as u32, self.completion, self.position];
        let words = philox4x32(counter, [self.seed as u32, (self.seed >> 32) as u32]);
        (u64::from(words[0]) << 31 | u64::from(words[1]) >> 1) as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers from the authors' Random123 distribution.
    #[test]
    fn matches_the_authors_known_answers() {
        assert_eq!(philox4x32([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        let pi = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
        assert_eq!(philox4x32(pi, [0xa409_3822, 0x299f_31d0]), [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]);
    }

    #[test]
    fn every_coordinate_changes_the_number() {
        let place = Place { seed: 1, request: 2, completion: 3, position: 4 };
        let others = [
            Place { seed: 2, ..place },
            Place { request: 1 << 40, ..place },
            Place { completion: 4, ..place },
            Place { position: 5, ..place },
        ];
        for other in others {
            assert_ne!(place.uniform(), other.uniform());
        }
    }
}
