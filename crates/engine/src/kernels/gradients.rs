//! Gradients of the decoder's operations. R rows · O outputs · C inputs · D width.

use crate::simd::isa::Isa;
use crate::simd::math::LANES;

/// grad `[O, C]` += dyᵀ · x for dy `[R, O]`, x `[R, C]`.
#[inline(always)]
pub fn weight<I: Isa>(dy: &[f32], x: &[f32], grad: &mut [f32], outputs: usize, inputs: usize) {
    let rows = dy.len() / outputs;
    assert!(dy.len() == rows * outputs && x.len() == rows * inputs && grad.len() == outputs * inputs);
    let shape = WeightShape { rows, outputs, inputs };
    let width = 2 * I::LANES;
    let mut output = 0;
    while output < outputs {
        let count = (outputs - output).min(I::ROWS);
        let mut input = 0;
        while input + width <= inputs {
            // SAFETY: the tile lies inside the three matrices, whose sizes are asserted above.
            unsafe {
                match count {
                    8 => weight_tile::<I, 8>(dy, x, grad, &shape, output, input),
                    7 => weight_tile::<I, 7>(dy, x, grad, &shape, output, input),
                    6 => weight_tile::<I, 6>(dy, x, grad, &shape, output, input),
                    5 => weight_tile::<I, 5>(dy, x, grad, &shape, output, input),
                    4 => weight_tile::<I, 4>(dy, x, grad, &shape, output, input),
                    3 => weight_tile::<I, 3>(dy, x, grad, &shape, output, input),
                    2 => weight_tile::<I, 2>(dy, x, grad, &shape, output, input),
                    _ => weight_tile::<I, 1>(dy, x, grad, &shape, output, input),
                }
            }
            input += width;
        }
        if input < inputs {
            for row in 0..rows {
                for index in output..output + count {
                    let target = &mut grad[index * inputs + input..(index + 1) * inputs];
                    add_scaled(target, dy[row * outputs + index], &x[row * inputs + input..(row + 1) * inputs]);
                }
            }
        }
        output += count;
    }
}

/// Sizes of one weight gradient.
struct WeightShape {
    rows: usize,
    outputs: usize,
    inputs: usize,
}

/// M rows and two vectors of columns of the weight gradient.
#[inline(always)]
unsafe fn weight_tile<I: Isa, const M: usize>(
    dy: &[f32],
    x: &[f32],
    grad: &mut [f32],
    shape: &WeightShape,
    output: usize,
    input: usize,
) {
    let target = grad.as_mut_ptr().add(output * shape.inputs + input);
    let mut sums = [[I::splat(0.0); 2]; M];
    for (index, sum) in sums.iter_mut().enumerate() {
        let row = target.add(index * shape.inputs);
        *sum = [I::load(row), I::load(row.add(I::LANES))];
    }
    for row in 0..shape.rows {
        let source = x.as_ptr().add(row * shape.inputs + input);
        let (first, second) = (I::load(source), I::load(source.add(I::LANES)));
        for (index, sum) in sums.iter_mut().enumerate() {
            let scale = I::splat(*dy.as_ptr().add(row * shape.outputs + output + index));
            sum[0] = I::fma(scale, first, sum[0]);
            sum[1] = I::fma(scale, second, sum[1]);
        }
    }
    for (index, sum) in sums.into_iter().enumerate() {
        let row = target.add(index * shape.inputs);
        I::store(row, sum[0]);
        I::store(row.add(I::LANES), sum[1]);
    }
}

/// Σ a_i b_i for slices of equal length.
#[inline(always)]
pub fn dot<I: Isa>(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let whole = a.len() - a.len() % I::LANES;
    // SAFETY: both are readable below `whole`.
    let sum = unsafe {
        let mut sum = I::splat(0.0);
        for start in (0..whole).step_by(I::LANES) {
            sum = I::fma(I::load(a.as_ptr().add(start)), I::load(b.as_ptr().add(start)), sum);
        }
        I::reduce(sum)
    };
    sum + (whole..a.len()).map(|index| a[index] * b[index]).sum::<f32>()
}

/// y += scale · x
#[inline(always)]
pub fn add_scaled(y: &mut [f32], scale: f32, x: &[f32]) {
    let length = y.len();
    let x = &x[..length];
    for index in 0..length {
        y[index] = scale.mul_add(x[index], y[index]);
    }
}

/// One row of y = x / rms(x) · w: adds to dx and dw, given dy.
///
/// With s = 1/rms(x), x̂ = s·x and g = dy·w: dx = s (g − x̂ · mean(g·x̂)), dw = dy · x̂.
#[inline(always)]
pub fn rms_norm<I: Isa>(x: &[f32], weight: &[f32], eps: f32, dy: &[f32], dx: &mut [f32], dw: &mut [f32]) {
    let length = x.len();
    let (weight, dy, dx, dw) = (&weight[..length], &dy[..length], &mut dx[..length], &mut dw[..length]);
    let scale = 1.0 / (dot::<I>(x, x) / length as f32 + eps).sqrt();
    // mean(g·x̂) from sixteen partial sums.
    let mut products = [0f32; LANES];
    for start in (0..length).step_by(LANES) {
        for (lane, product) in products.iter_mut().enumerate().take(length - start) {
            let index = start + lane;
            *product += x[index] * scale * dy[index] * weight[index];
        }
    }
    let mean = products.iter().sum::<f32>() / length as f32;
    for index in 0..length {
        let normal = x[index] * scale;
        dx[index] += scale * (dy[index] * weight[index] - normal * mean);
    }
    for index in 0..length {
        dw[index] += dy[index] * x[index] * scale;
    }
}
