//! The gradient against finite differences in fp64.

use crate::case::{cases, Case};
use crate::compute::Columns;
use exit_rl_engine::backend::TokenStats;
use exit_rl_engine::train::objective::{Clip, Kl, KlEstimator, Loss, Objective};
use exit_rl_engine::train::step::plan_steps;
use tch::{Device, Kind, Tensor};

/// The cases whose loss has no constant weight, so that its derivative is the gradient.
fn differentiable() -> impl Iterator<Item = Case> {
    let is_held = |case: &Case| matches!(case.objective().loss, Loss::Cispo { .. } | Loss::Vespo(_));
    cases().into_iter().filter(move |case| !is_held(case) && case.json.get("old").is_some())
}

/// The losses that TRL does not have: dual clip, and the KL estimators k1 and k2.
fn variants(objective: &Objective) -> Vec<Objective> {
    let mut variants = vec![objective.clone()];
    for estimator in [KlEstimator::K1, KlEstimator::K2] {
        variants.push(Objective { kl: Kl { estimator, ..objective.kl }, ..objective.clone() });
    }
    if let Loss::Clip(clip) = objective.loss {
        variants.push(Objective { loss: Loss::Clip(Clip { dual: Some(1.05), ..clip }), ..objective.clone() });
    }
    variants
}

#[test]
fn the_gradient_matches_finite_differences() {
    const STEP: f64 = 1e-5;
    let (mut compared, mut kinks) = (0, 0);
    for case in differentiable() {
        let mut steps = plan_steps(&case.batch(), &case.settings(usize::MAX), Device::Cpu);
        let columns = Columns::of(&case);
        columns.mask(0, &mut steps[0], &case.objective());
        let Some(microbatch) = steps[0].microbatches.first_mut() else { continue };
        let stats = columns.attach(0, microbatch, Kind::Double);
        for objective in variants(&case.objective()) {
            let (_, grads) = objective.differentiate(&stats, &microbatch.tokens);
            let value = |logprob_n: Tensor, entropy_n: Tensor| {
                tch::no_grad(|| objective.evaluate(&TokenStats { logprob_n, entropy_n }, &microbatch.tokens))
                    .loss
                    .double_value(&[])
            };
            let center = value(stats.logprob_n.copy(), stats.entropy_n.copy());
            let shifted = |values: &Tensor, token: i64, by: f64| {
                let copy = values.copy();
                let _ = copy.get(token).g_add_scalar_(by);
                copy
            };
            for token in 0..stats.logprob_n.size()[0] {
                let at = |by: f64| value(shifted(&stats.logprob_n, token, by), stats.entropy_n.copy());
                let (left, right) = ((center - at(-STEP)) / STEP, (at(STEP) - center) / STEP);
                if (left - right).abs() > 1e-3 {
                    kinks += 1;
                    continue;
                }
                compared += 1;
                let (grad, expected) = (grads.logprob_n.double_value(&[token]), (left + right) / 2.0);
                let gap = (grad - expected).abs();
                assert!(gap <= 1e-4 * expected.abs().max(1e-3), "{} {objective:?}: {grad} for {expected}", case.name());
                if let Some(entropy_n) = &grads.entropy_n {
                    let at = |by: f64| value(stats.logprob_n.copy(), shifted(&stats.entropy_n, token, by));
                    let expected = (at(STEP) - at(-STEP)) / (2.0 * STEP);
                    let gap = (entropy_n.double_value(&[token]) - expected).abs();
                    assert!(gap <= 1e-4 * expected.abs().max(1e-3), "{}: entropy", case.name());
                }
            }
        }
    }
    assert!(compared > 1000 && kinks * 100 < compared, "{compared} compared, {kinks} kinks");
}
