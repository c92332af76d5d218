//! GELU and its tanh approximation without branches, so that loops vectorise.

use crate::simd::math::exp;

/// x Φ(x) with the standard normal distribution function Φ.
#[inline(always)]
pub fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2))
}

/// 0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³))); (1 + tanh u)/2 is the logistic function of 2u.
#[inline(always)]
pub fn gelu_tanh(x: f32) -> f32 {
    let u = 0.797_884_6 * (x + 0.044_715 * x * x * x);
    x / (1.0 + exp(-2.0 * u))
}

/// Eigen's rational approximation of erf on [−4, 4], beyond which erf is ±1 in fp32.
#[inline(always)]
fn erf(x: f32) -> f32 {
    const NUMERATOR: [f32; 7] = [
        -2.726_142_3e-10,
        2.770_681_4e-8,
        -2.101_024e-6,
        -5.692_506_4e-5,
        -7.349_906_3e-4,
        -2.954_6e-3,
        -1.609_603_3e-2,
    ];
    const DENOMINATOR: [f32; 5] = [-1.456_607_2e-5, -2.133_740_6e-4, -1.682_827e-3, -7.373_329e-3, -1.426_473_9e-2];
    let x = x.clamp(-4.0, 4.0);
    let square = x * x;
    let numerator = NUMERATOR.iter().fold(0.0f32, |value, &coefficient| value.mul_add(square, coefficient));
    let denominator = DENOMINATOR.iter().fold(0.0f32, |value, &coefficient| value.mul_add(square, coefficient));
    x * numerator / denominator
}

#[cfg(test)]
mod tests {
    use super::*;

    /// erf by its series, in f64.
    fn exact(x: f64) -> f64 {
        let mut term = x;
        let mut total = x;
        for n in 1..200 {
            term *= -x * x / f64::from(n);
            total += term / f64::from(2 * n + 1);
        }
        total * 2.0 / std::f64::consts::PI.sqrt()
    }

    #[test]
    fn erf_is_close_to_its_series_and_ends_at_one() {
        for step in -4000..=4000 {
            let x = step as f32 / 1000.0;
            assert!((f64::from(erf(x)) - exact(f64::from(x))).abs() < 4e-7, "erf({x}) = {}", erf(x));
        }
        assert!((gelu(30.0) - 30.0).abs() < 1e-4 && gelu(-30.0).abs() < 1e-4);
    }
}
