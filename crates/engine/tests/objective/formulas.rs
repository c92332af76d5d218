//! What TRL has not, by hand.

use crate::case::relative_gap;
use exit_rl_engine::train::objective::{
    Clip, Correction, Entropy, EntropyControl, Kl, KlEstimator, Level, Loss, Normalisation, Objective, OldPolicy,
};
use exit_rl_engine::train::tokens::{Segments, Tokens};
use tch::{Device, Kind, Tensor};

fn tokens_of(advantages: &[f64], old: &[f64], reference: Option<&[f64]>) -> Tokens {
    let count = advantages.len() as i64;
    let ones = || Tensor::ones([count], (Kind::Double, Device::Cpu));
    Tokens {
        segments: Segments::new(&vec![1; advantages.len()], Device::Cpu),
        mask_n: ones(),
        weight_n: ones(),
        entropy_weight_n: None,
        kept_n: None,
        advantage_n: Tensor::from_slice(advantages),
        behaviour_n: None,
        old_n: Some(Tensor::from_slice(old)),
        reference_n: reference.map(Tensor::from_slice),
    }
}

fn plain(loss: Loss) -> Objective {
    Objective {
        loss,
        normalisation: Normalisation::TokenMean {},
        importance_ratio: Level::Token,
        kl: Kl { beta: 0.0, estimator: KlEstimator::K3, ratio: false, clamp: None },
        entropy: Entropy { coefficient: 0.0, top_share: 1.0, control: EntropyControl::Constant {} },
        off_policy_threshold: None,
        correction: Correction::None {},
        local_rollouts: 0,
        old_policy: OldPolicy::Trainer,
        batch_epochs: 1,
    }
}

/// By hand, as verl's `compute_policy_loss_vanilla`: min(−c A, max(−r A, −clip(r) A)) where A < 0, else without c.
#[test]
fn dual_clip_bounds_the_loss_of_bad_tokens_alone() {
    let objective = plain(Loss::Clip(Clip { low: 0.2, high: 0.2, delta: None, dual: Some(3.0) }));
    let ratios = [0.5f64, 1.0, 1.5, 2.9, 4.0, 0.5, 1.5, 4.0];
    let advantages = [-2.0, -2.0, -2.0, -2.0, -2.0, 2.0, 2.0, 2.0];
    let logprobs: Vec<f64> = ratios.iter().map(|ratio| ratio.ln() - 1.0).collect();
    let tokens = tokens_of(&advantages, &[-1.0; 8], None);
    let (loss_n, _) = objective.token_loss(&Tensor::from_slice(&logprobs), &tokens);
    for (at, (&ratio, &advantage)) in ratios.iter().zip(&advantages).enumerate() {
        let clipped = (-ratio * advantage).max(-ratio.clamp(0.8, 1.2) * advantage);
        let expected = if advantage < 0.0 { clipped.min(-3.0 * advantage) } else { clipped };
        assert!((loss_n.double_value(&[at as i64]) - expected).abs() < 1e-12, "r {ratio}, A {advantage}");
    }
}

#[test]
fn cispo_within_a_range_is_a_constant_weight() {
    let objective = plain(Loss::CispoRange { low: 0.2, high: 0.2 });
    let logprob_n = Tensor::from_slice(&[0.5f64.ln() - 1.0, -1.0, 2f64.ln() - 1.0]).set_requires_grad(true);
    let tokens = tokens_of(&[1.0, -1.0, 2.0], &[-1.0; 3], None);
    objective.token_loss(&logprob_n, &tokens).0.sum(Kind::Double).backward();
    let found = Vec::<f64>::try_from(&logprob_n.grad()).expect("a gradient");
    assert!(relative_gap(&found, &[-0.8, 1.0, -2.4]) < 1e-12, "{found:?}");
}

#[test]
fn kl_estimators_are_schulmans() {
    let (logprobs, reference) = ([-1.0, -2.0, -0.5], [-1.5, -1.0, -0.5]);
    for (estimator, formula) in [
        (KlEstimator::K1, (|d| d) as fn(f64) -> f64),
        (KlEstimator::K2, |d| d * d / 2.0),
        (KlEstimator::K3, |d| (-d).exp() + d - 1.0),
    ] {
        let clip = Loss::Clip(Clip { low: 0.2, high: 0.2, delta: None, dual: None });
        let objective = Objective { kl: Kl { beta: 1.0, estimator, ratio: false, clamp: None }, ..plain(clip) };
        let tokens = tokens_of(&[0.0; 3], &logprobs, Some(&reference));
        let (_, terms) = objective.token_loss(&Tensor::from_slice(&logprobs), &tokens);
        let found = Vec::<f64>::try_from(&terms.kl_n.expect("a KL")).expect("numbers");
        let expected: Vec<f64> = logprobs.iter().zip(&reference).map(|(lp, other)| formula(lp - other)).collect();
        assert!(relative_gap(&found, &expected) < 1e-12, "{estimator:?}: {found:?}");
    }
}

/// By hand, as verl's `kl_penalty`: d clamped to ±c before k3, whose gradient is 1 − e^(−d) inside and 0 beyond.
#[test]
fn a_clamped_kl_has_no_gradient_beyond_its_bound() {
    let clip = Loss::Clip(Clip { low: 0.2, high: 0.2, delta: None, dual: None });
    let kl = Kl { beta: 1.0, estimator: KlEstimator::K3, ratio: false, clamp: Some(2.0) };
    let objective = Objective { kl, ..plain(clip) };
    let (logprobs, reference) = ([-1.0f64, -1.0, -4.0, -1.0], [-1.5f64, -4.0, -1.0, -1.0]);
    let logprob_n = Tensor::from_slice(&logprobs).set_requires_grad(true);
    let (loss_n, _) = objective.token_loss(&logprob_n, &tokens_of(&[0.0; 4], &logprobs, Some(&reference)));
    let differences: Vec<f64> = logprobs.iter().zip(&reference).map(|(lp, other)| lp - other).collect();
    let values: Vec<f64> = differences.iter().map(|d| d.clamp(-2.0, 2.0)).map(|d| (-d).exp() + d - 1.0).collect();
    let found = Vec::<f64>::try_from(&loss_n.detach()).expect("numbers");
    assert!(relative_gap(&found, &values) < 1e-12, "{found:?} for {values:?}");
    loss_n.sum(Kind::Double).backward();
    let slopes: Vec<f64> = differences.iter().map(|d| if d.abs() <= 2.0 { 1.0 - (-d).exp() } else { 0.0 }).collect();
    let found = Vec::<f64>::try_from(&logprob_n.grad()).expect("a gradient");
    assert!(relative_gap(&found, &slopes) < 1e-12, "{found:?} for {slopes:?}");
}
