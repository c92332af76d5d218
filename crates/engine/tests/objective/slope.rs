//! The gradient against finite differences in fp64.

use crate::case::{cases, Case};
use crate::compute::Columns;
use exit_rl_engine::backend::Scores;
use exit_rl_engine::train::objective::{Clip, Kl, KlEstimator, Loss, Objective};
use exit_rl_engine::train::step::plan;
use tch::{Device, Kind, Tensor};

/// The cases without a weight that is held constant, whose gradient is that of the loss, in fp64.
fn differentiable() -> impl Iterator<Item = Case> {
    let is_held = |case: &Case| matches!(case.objective().loss, Loss::Cispo { .. } | Loss::Vespo(_));
    cases().into_iter().filter(move |case| !is_held(case) && case.json.get("old").is_some())
}

/// The losses that TRL has not: dual clip, and the KL estimators k1 and k2.
fn variants(objective: &Objective) -> Vec<Objective> {
    let mut found = vec![objective.clone()];
    for estimator in [KlEstimator::K1, KlEstimator::K2] {
        found.push(Objective { kl: Kl { estimator, ..objective.kl }, ..objective.clone() });
    }
    if let Loss::Clip(clip) = objective.loss {
        found.push(Objective { loss: Loss::Clip(Clip { dual: Some(1.05), ..clip }), ..objective.clone() });
    }
    found
}

#[test]
fn the_gradient_is_the_slope_of_the_loss() {
    const STEP: f64 = 1e-5;
    let (mut compared, mut kinks) = (0, 0);
    for case in differentiable() {
        let mut steps = plan(&case.batch(), &case.settings(usize::MAX), Device::Cpu);
        let columns = Columns::of(&case);
        columns.choose(0, &mut steps[0], &case.objective());
        let Some(part) = steps[0].parts.first_mut() else { continue };
        let scores = columns.attach(0, part, Kind::Double);
        for objective in variants(&case.objective()) {
            let (_, slopes) = objective.differentiate(&scores, &part.tokens);
            let value = |logprob_n: Tensor, entropy_n: Tensor| {
                tch::no_grad(|| objective.evaluate(&Scores { logprob_n, entropy_n }, &part.tokens))
                    .loss
                    .double_value(&[])
            };
            let here = value(scores.logprob_n.copy(), scores.entropy_n.copy());
            let moved = |values: &Tensor, token: i64, by: f64| {
                let copy = values.copy();
                let _ = copy.get(token).g_add_scalar_(by);
                copy
            };
            for token in 0..scores.logprob_n.size()[0] {
                let at = |by: f64| value(moved(&scores.logprob_n, token, by), scores.entropy_n.copy());
                let (left, right) = ((here - at(-STEP)) / STEP, (at(STEP) - here) / STEP);
                if (left - right).abs() > 1e-3 {
                    kinks += 1;
                    continue;
                }
                compared += 1;
                let (slope, expected) = (slopes.logprob_n.double_value(&[token]), (left + right) / 2.0);
                let gap = (slope - expected).abs();
                assert!(
                    gap <= 1e-4 * expected.abs().max(1e-3),
                    "{} {objective:?}: {slope} for {expected}",
                    case.name()
                );
                if let Some(entropy_n) = &slopes.entropy_n {
                    let at = |by: f64| value(scores.logprob_n.copy(), moved(&scores.entropy_n, token, by));
                    let expected = (at(STEP) - at(-STEP)) / (2.0 * STEP);
                    let gap = (entropy_n.double_value(&[token]) - expected).abs();
                    assert!(gap <= 1e-4 * expected.abs().max(1e-3), "{}: entropy", case.name());
                }
            }
        }
    }
    assert!(compared > 1000 && kinks * 100 < compared, "{compared} compared, {kinks} kinks");
}
