//! GELU and its approximations with their derivatives, without branches, so that loops vectorise.

use super::math::exp;

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

/// x · sigmoid(1.702 x).
#[inline(always)]
pub fn quick_gelu(x: f32) -> f32 {
    x / (1.0 + exp(-1.702 * x))
}

/// Φ(x) + x φ(x) with the density φ of the standard normal distribution.
#[inline(always)]
pub fn gelu_derivative(x: f32) -> f32 {
    let density = 0.398_942_3 * exp(-0.5 * x * x);
    0.5 * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2)) + x * density
}

/// s + 2 x s (1 − s) u′ for gelu_tanh = x s, s = sigmoid(2 u).
#[inline(always)]
pub fn gelu_tanh_derivative(x: f32) -> f32 {
    let u = 0.797_884_6 * (x + 0.044_715 * x * x * x);
    let slope = 0.797_884_6 * (1.0 + 3.0 * 0.044_715 * x * x);
    let s = 1.0 / (1.0 + exp(-2.0 * u));
    s + 2.0 * x * s * (1.0 - s) * slope
}

/// s + 1.702 x s (1 − s) with s = sigmoid(1.702 x).
#[inline(always)]
pub fn quick_gelu_derivative(x: f32) -> f32 {
    let s = 1.0 / (1.0 + exp(-1.702 * x));
    s + 1.702 * x * s * (1.0 - s)
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

    /// The central difference of a function of f64 at x.
    fn slope(f: impl Fn(f64) -> f64, x: f64) -> f64 {
        (f(x + 1e-5) - f(x - 1e-5)) / 2e-5
    }

    #[test]
    fn derivatives_are_the_slopes_of_their_functions() {
        let normal = |x: f64| 0.5 * (1.0 + exact(x / 2f64.sqrt()));
        let tanh = |x: f64| 0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3))).tanh());
        for step in -50..=50 {
            let x = f64::from(step) / 10.0;
            let close = |mine: f32, slope: f64| assert!((f64::from(mine) - slope).abs() < 2e-6, "{x}: {mine} {slope}");
            close(gelu_derivative(x as f32), slope(|x| x * normal(x), x));
            close(gelu_tanh_derivative(x as f32), slope(tanh, x));
            close(quick_gelu_derivative(x as f32), slope(|x| x / (1.0 + (-1.702 * x).exp()), x));
            assert!((f64::from(gelu_tanh(x as f32)) - tanh(x)).abs() < 2e-6);
        }
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
