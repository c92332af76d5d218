//! Loss, gradient and metrics against TRL's.

use crate::case::{cases, numbers, relative_gap, Case};
use crate::compute::compute;
use exit_rl_engine::train::metrics::{Metrics, Sampling};
use exit_rl_engine::train::step::plan;
use serde_json::Value;
use tch::{Device, Kind};

fn check(case: &Case, microbatch_tokens: usize, kind: Kind) {
    let batch = case.batch();
    let mut sampling = Sampling::new(batch.trained_tokens() as f64, Device::Cpu);
    let mut start = 0;
    let mut run = case.objective();
    let mut steps = plan(&batch, &case.settings(microbatch_tokens), Device::Cpu);
    let expected = case.json["steps"].as_array().expect("steps");
    assert_eq!(steps.len(), expected.len(), "{}", case.name());
    for (step, expected) in steps.iter_mut().zip(expected) {
        let found = compute(case, &mut run, step, start, &mut sampling, kind);
        start += step.tokens.mask_n.size()[0];
        let loss = expected["loss"].as_f64().expect("a loss");
        let gap = (found.loss - loss).abs();
        assert!(gap <= 1e-6 * found.size.max(loss.abs()), "{}: loss {} for {loss}", case.name(), found.loss);
        for (found, key) in [(&found.logprobs, "logprobs"), (&found.entropies, "entropies")] {
            let expected = numbers(&expected[key]);
            let gap = relative_gap(found, &expected);
            assert!(expected.is_empty() || gap <= 1e-6, "{}: gradient by {key} is {gap:e} off", case.name());
        }
        if kind == Kind::Float {
            check_metrics(case, &found.metrics, &expected["metrics"]);
        }
    }
    if kind == Kind::Float && case.objective().correction.bounds().is_some() && batch.trained_tokens() > 0 {
        check_metrics(case, &sampling.metrics(), &case.json["sampling"]);
    }
}

/// Rows without a trained token count in TRL's means over rows, and micro-batches are averaged one by one: neither is
/// compared.
fn check_metrics(case: &Case, found: &Metrics, expected: &Value) {
    let lengths: Vec<usize> = numbers(&case.json["lengths"]).iter().map(|&length| length as usize).collect();
    let mask = numbers(&case.json["mask"]);
    let mut rest = mask.as_slice();
    let full_rows = lengths.iter().all(|&length| {
        let (row, others) = rest.split_at(length);
        rest = others;
        row.contains(&1.0)
    });
    if !full_rows || case.whole("accumulation") > 1 {
        return;
    }
    for (name, expected) in expected.as_object().expect("metrics") {
        let expected = expected.as_f64().expect("a number");
        let value = found.get(name).unwrap_or_else(|| panic!("{}: no metric {name}", case.name()));
        assert!(
            (value - expected).abs() <= 1e-5 * expected.abs().max(1.0),
            "{}: {name} {value} for {expected}",
            case.name()
        );
    }
}

/// Every case is tried, and each that fails prints why.
fn check_all(microbatch_tokens: usize, kind: Kind) {
    let fails = |case: &Case| std::panic::catch_unwind(|| check(case, microbatch_tokens, kind)).is_err();
    let cases = cases();
    assert!(cases.len() > 200, "hundreds of cases");
    assert_eq!(cases.iter().filter(|case| fails(case)).count(), 0, "cases fail");
}

#[test]
fn loss_gradient_and_metrics_are_those_of_trl() {
    check_all(usize::MAX, Kind::Float);
}

#[test]
fn one_sequence_at_a_time_as_well() {
    check_all(1, Kind::Float);
}

#[test]
fn in_fp64_as_well() {
    check_all(usize::MAX, Kind::Double);
}
