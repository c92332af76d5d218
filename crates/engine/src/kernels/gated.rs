//! The gated MLP between its projections: f(gate) · up for rows `[gate | up]`, and its gradient.

use crate::model::activation::Activation;
use crate::simd::gelu::{gelu, gelu_derivative, gelu_tanh, gelu_tanh_derivative, quick_gelu, quick_gelu_derivative};
use crate::simd::math::{exp, silu};

/// out = f(gate) · up.
#[inline(always)]
pub fn activate(activation: Activation, gate_up: &[f32], width: usize, out: &mut [f32]) {
    match activation {
        Activation::Silu => rows(silu, gate_up, width, out),
        Activation::Gelu => rows(gelu, gate_up, width, out),
        Activation::GeluTanh => rows(gelu_tanh, gate_up, width, out),
        Activation::QuickGelu => rows(quick_gelu, gate_up, width, out),
        Activation::Relu => rows(|x| x.max(0.0), gate_up, width, out),
    }
}

#[inline(always)]
fn rows(f: impl Fn(f32) -> f32, gate_up: &[f32], width: usize, out: &mut [f32]) {
    for (row, out) in gate_up.chunks_exact(2 * width).zip(out.chunks_exact_mut(width)) {
        let (gate, up) = row.split_at(width);
        for ((slot, &gate), &up) in out.iter_mut().zip(gate).zip(up) {
            *slot = f(gate) * up;
        }
    }
}

/// d[gate | up] from d(out).
#[inline(always)]
pub fn backward(activation: Activation, gate_up: &[f32], d_out: &[f32], width: usize, d_gate_up: &mut [f32]) {
    match activation {
        Activation::Silu => backward_rows(silu_backward, gate_up, d_out, width, d_gate_up),
        Activation::Gelu => backward_rows(of(gelu, gelu_derivative), gate_up, d_out, width, d_gate_up),
        Activation::GeluTanh => backward_rows(of(gelu_tanh, gelu_tanh_derivative), gate_up, d_out, width, d_gate_up),
        Activation::QuickGelu => {
            backward_rows(of(quick_gelu, quick_gelu_derivative), gate_up, d_out, width, d_gate_up);
        }
        Activation::Relu => {
            let slope = |x: f32| if x > 0.0 { 1.0 } else { 0.0 };
            backward_rows(of(|x| x.max(0.0), slope), gate_up, d_out, width, d_gate_up);
        }
    }
}

/// (gate, d(out)) to (d(out) · f(gate), f′(gate)), with one sigmoid for both.
#[inline(always)]
fn silu_backward(gate: f32, d_out: f32) -> (f32, f32) {
    let sigmoid = 1.0 / (1.0 + exp(-gate));
    (d_out * gate * sigmoid, sigmoid * (1.0 + gate * (1.0 - sigmoid)))
}

/// As `silu_backward`, for a function and its derivative.
#[inline(always)]
fn of(f: impl Fn(f32) -> f32, derivative: impl Fn(f32) -> f32) -> impl Fn(f32, f32) -> (f32, f32) {
    move |gate, d_out| (d_out * f(gate), derivative(gate))
}

#[inline(always)]
fn backward_rows(
    backward: impl Fn(f32, f32) -> (f32, f32),
    gate_up: &[f32],
    d_out: &[f32],
    width: usize,
    d_gate_up: &mut [f32],
) {
    let rows = gate_up.chunks_exact(2 * width).zip(d_out.chunks_exact(width));
    for ((row, d_out), slot) in rows.zip(d_gate_up.chunks_exact_mut(2 * width)) {
        let (gate, up) = row.split_at(width);
        let (d_gate, d_up) = slot.split_at_mut(width);
        let (up, d_out, d_up) = (&up[..width], &d_out[..width], &mut d_up[..width]);
        for index in 0..width {
            let (to_up, slope) = backward(gate[index], d_out[index]);
            d_up[index] = to_up;
            d_gate[index] = d_out[index] * up[index] * slope;
        }
    }
}
