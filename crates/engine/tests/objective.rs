//! The objective against TRL's own code, at the level of log-probabilities: test/golden/losses.json, made by
//! scripts/goldens/losses.py. And its gradient against finite differences.

use exit_rl_engine::train::batch::{Batch, Ragged};
use exit_rl_engine::train::metrics::{Metrics, Sampling, StepSums};
use exit_rl_engine::train::network::{Scores, LOGITS_BYTES};
use exit_rl_engine::train::objective::{
    Bounds, Clip, Correction, EntropyControl, Gamma, Grpo, KlEstimator, Level, Loss, Normalisation, Objective, Vespo,
};
use exit_rl_engine::train::optimizer::OptimizerSettings;
use exit_rl_engine::train::step::{plan, Part, Step};
use exit_rl_engine::train::tokens::Tokens;
use exit_rl_engine::train::update::UpdateSettings;
use exit_rl_shim::AdamW;
use serde_json::Value;
use tch::{Device, Kind, Tensor};

struct Case {
    json: Value,
    unit: f64,
}

fn cases() -> Vec<Case> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../test/golden/losses.json");
    let text = std::fs::read_to_string(file).expect("the fixture is committed");
    let json: Value = serde_json::from_str(&text).expect("the fixture is JSON");
    let unit = json["unit"].as_f64().expect("a number");
    json["cases"].as_array().expect("a list").iter().map(|case| Case { json: case.clone(), unit }).collect()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().into_iter().flatten().map(|number| number.as_f64().expect("a number")).collect()
}

fn floats(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&value| value as f32).collect()
}

impl Case {
    fn option(&self, key: &str) -> &Value {
        &self.json["options"][key]
    }

    fn name(&self) -> String {
        self.json["options"].to_string()
    }

    fn whole(&self, key: &str) -> usize {
        self.json[key].as_u64().expect("a whole number") as usize
    }

    /// A column of numbers per token; None where the case has none.
    fn column(&self, key: &str) -> Option<Vec<f64>> {
        self.json.get(key).map(|value| numbers(value).iter().map(|number| number / self.unit).collect())
    }

    /// A row of TRL is a sequence and a rollout of its own; an optimizer step takes `accumulation` of `splits` parts.
    fn batch(&self) -> Batch {
        let lengths: Vec<usize> = numbers(&self.json["lengths"]).iter().map(|&length| length as usize).collect();
        let ends = lengths.iter().scan(0, |end, length| {
            *end += length;
            Some(*end as u32)
        });
        let rows = lengths.len();
        let step_rows = rows / self.whole("splits") * self.whole("accumulation");
        Batch {
            prompts: Ragged { tokens: vec![0], offsets: vec![0, 1] },
            sequences: Ragged {
                tokens: vec![0; lengths.iter().sum()],
                offsets: std::iter::once(0).chain(ends).collect(),
            },
            prompt: vec![0; rows],
            rollout: (0..rows as u32).collect(),
            advantage: floats(&numbers(&self.json["advantages"])),
            mask: numbers(&self.json["mask"]).iter().map(|&mask| mask as u8).collect(),
            behaviour: self.column("sampler").map_or_else(Vec::new, |sampler| floats(&sampler)),
            step: (0..rows).map(|row| (row / step_rows) as u32).collect(),
        }
    }

    fn settings(&self, microbatch_tokens: usize) -> UpdateSettings {
        UpdateSettings {
            objective: Objective::Grpo(self.grpo()),
            optimizer: OptimizerSettings {
                adamw: AdamW { lr: 1e-3, beta1: 0.9, beta2: 0.999, weight_decay: 0.0, eps: 1e-8 },
                max_grad_norm: 0.0,
            },
            microbatch_tokens,
            gradient_checkpointing: false,
            logits_bytes: LOGITS_BYTES,
        }
    }

    fn grpo(&self) -> Grpo {
        let number = |key: &str| self.option(key).as_f64();
        let (low, high) = (number("epsilon").expect("given"), number("epsilon_high").expect("given"));
        let clip = Loss::Clip(Clip { low, high, delta: number("delta"), dual: None });
        let length = self.whole("max_completion_length") as f64;
        let (loss, normalisation) = match self.option("loss_type").as_str().expect("a name") {
            "grpo" => (clip, Normalisation::SequenceMean),
            "bnpo" => (clip, Normalisation::LocalTokenMean),
            "dr_grpo" => (clip, Normalisation::Constant { length }),
            "dapo" => (clip, Normalisation::TokenMean),
            "cispo" => (Loss::Cispo(Bounds { low: None, high: Some(high) }), Normalisation::TokenMean),
            "sapo" => {
                (Loss::Sapo { temperature_positive: 1.0, temperature_negative: 1.05 }, Normalisation::SequenceMean)
            }
            "vespo" => {
                let gamma = |sign: &str| Gamma {
                    k: number(&format!("vespo_k_{sign}")).expect("given"),
                    lambda: number(&format!("vespo_lambda_{sign}")).expect("given"),
                };
                let vespo = Vespo { positive: gamma("pos"), negative: gamma("neg") };
                (Loss::Vespo(vespo), Normalisation::TokenMean)
            }
            "luspo" => (clip, Normalisation::SequenceSum),
            other => panic!("an unknown loss type {other}"),
        };
        Grpo {
            loss,
            normalisation,
            importance_ratio: level(self.option("level").as_str().expect("a name")),
            beta: number("beta").expect("given"),
            kl_estimator: KlEstimator::K3,
            kl_ratio: self.option("use_bias_correction_kl").as_bool().expect("a switch"),
            entropy_coefficient: number("entropy_coef").expect("given"),
            entropy_control: number("entropy_target").map(|target| EntropyControl {
                target,
                change: 0.05,
                min: 0.0,
                max: 0.07,
                measured: None,
            }),
            top_entropy_share: number("top_entropy_quantile").expect("given"),
            off_policy_threshold: number("off_policy_mask_threshold"),
            correction: self.correction(),
            local_rollouts: numbers(&self.json["lengths"]).len() / self.whole("splits"),
            temperature: 1.0,
            epochs: 1,
            use_rollout_logprobs: false,
        }
    }

    fn correction(&self) -> Option<Correction> {
        let (of, how) = self.option("correction").as_str()?.split_once('_').expect("level and treatment");
        let bounds = Bounds { low: self.option("clip_min").as_f64(), high: self.option("clip_max").as_f64() };
        Some(Correction { level: level(of), mask: how == "mask", bounds })
    }
}

fn level(name: &str) -> Level {
    if name == "token" {
        Level::Token
    } else {
        Level::Sequence
    }
}

/// Numbers of the batch's tokens, for the parts of its steps.
struct Columns {
    logprobs: Vec<f64>,
    entropies: Vec<f64>,
    old: Option<Vec<f64>>,
    reference: Option<Vec<f64>>,
}

impl Columns {
    fn of(case: &Case) -> Self {
        let beta = case.option("beta").as_f64() != Some(0.0);
        Self {
            logprobs: case.column("logprobs").expect("given"),
            entropies: case.column("entropies").expect("given"),
            old: case.column("old"),
            reference: case.column("reference").filter(|_| beta),
        }
    }

    /// Which tokens of a step that begins at token `start` are trained.
    fn choose(&self, start: i64, step: &mut Step, objective: &Objective) {
        let Some(share) = objective.top_entropy_share() else { return };
        let tokens = step.tokens.block.len();
        step.choose(&floats(&self.entropies[start as usize..][..tokens]), share).expect("a choice");
    }

    /// Those of a step that begins at token `start`, cut to a part.
    fn attach(&self, start: i64, part: &mut Part, kind: Kind) -> Scores {
        let places = &part.place_n + start;
        let pick = |values: &Vec<f64>| Tensor::from_slice(values).index_select(0, &places).to_kind(kind);
        part.tokens.old_n = self.old.as_ref().map(pick);
        part.tokens.reference_n = self.reference.as_ref().map(pick);
        in_kind(&mut part.tokens, kind);
        Scores { logprob_n: pick(&self.logprobs), entropy_n: pick(&self.entropies) }
    }
}

fn in_kind(tokens: &mut Tokens, kind: Kind) {
    for values in [&mut tokens.mask_n, &mut tokens.weight_n, &mut tokens.advantage_n] {
        *values = values.to_kind(kind);
    }
    for values in [&mut tokens.entropy_weight_n, &mut tokens.behaviour_n, &mut tokens.kept_n].into_iter().flatten() {
        *values = values.to_kind(kind);
    }
}

/// What a step came to: loss, its size with nothing cancelling, gradients in the order of its tokens, metrics.
struct Found {
    loss: f64,
    size: f64,
    logprobs: Vec<f64>,
    entropies: Vec<f64>,
    metrics: Metrics,
}

fn compute(
    case: &Case,
    run: &mut Objective,
    step: &mut Step,
    start: i64,
    sampling: &mut Sampling,
    kind: Kind,
) -> Found {
    let objective = run.of_next_step();
    let columns = Columns::of(case);
    columns.choose(start, step, &objective);
    let tokens = step.tokens.mask_n.size()[0] as usize;
    let mut found = Found {
        loss: 0.0,
        size: 0.0,
        logprobs: vec![0.0; tokens],
        entropies: vec![0.0; tokens],
        metrics: Metrics::new(),
    };
    let mut sums = StepSums::new(&objective, &step.tokens);
    for part in &mut step.parts {
        let scores = columns.attach(start, part, kind);
        let (evaluated, slopes) = objective.differentiate(&scores, &part.tokens);
        found.loss += evaluated.loss.double_value(&[]);
        found.size += (&evaluated.loss_n * &part.tokens.weight_n).abs().sum(Kind::Double).double_value(&[]);
        for (at, place) in Vec::<i64>::try_from(&part.place_n).expect("places").into_iter().enumerate() {
            found.logprobs[place as usize] = slopes.logprob_n.double_value(&[at as i64]);
            if let Some(entropy_n) = &slopes.entropy_n {
                found.entropies[place as usize] = entropy_n.double_value(&[at as i64]);
            }
        }
        let old_n = part.tokens.old_n.as_ref().unwrap_or(&scores.logprob_n);
        sampling.add(part, old_n, objective.grpo().zip(evaluated.terms.as_ref()));
        sums.add(part, &scores, &evaluated);
    }
    found.metrics = sums.metrics(0.0);
    run.observe(sums.trained_entropy());
    if run.is_controlled() {
        found.metrics.insert("entropy_coef".into(), run.entropy_coefficient());
    }
    found
}

fn relative_gap(found: &[f64], expected: &[f64]) -> f64 {
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>().sqrt();
    let gap = norm(&mut found.iter().zip(expected).map(|(found, expected)| found - expected));
    if gap == 0.0 {
        0.0
    } else {
        gap / norm(&mut expected.iter().copied())
    }
}

fn check(case: &Case, microbatch_tokens: usize, kind: Kind) {
    let batch = case.batch();
    let mut sampling = Sampling::new(batch.trained_tokens() as f64, Device::Cpu);
    let mut start = 0;
    let mut run = Objective::Grpo(case.grpo());
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
    if kind == Kind::Float && case.grpo().correction.is_some() && batch.trained_tokens() > 0 {
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

/// The cases without a weight that is held constant, whose gradient is that of the loss, in fp64.
fn differentiable() -> impl Iterator<Item = Case> {
    cases()
        .into_iter()
        .filter(|case| !matches!(case.grpo().loss, Loss::Cispo(_) | Loss::Vespo(_)) && case.json.get("old").is_some())
}

/// The losses that TRL has not: dual clip, and the KL estimators k1 and k2.
fn variants(grpo: &Grpo) -> Vec<Grpo> {
    let mut found = vec![grpo.clone()];
    for kl_estimator in [KlEstimator::K1, KlEstimator::K2] {
        found.push(Grpo { kl_estimator, ..grpo.clone() });
    }
    if let Loss::Clip(clip) = grpo.loss {
        found.push(Grpo { loss: Loss::Clip(Clip { dual: Some(1.05), ..clip }), ..grpo.clone() });
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
        columns.choose(0, &mut steps[0], &Objective::Grpo(case.grpo()));
        let Some(part) = steps[0].parts.first_mut() else { continue };
        let scores = columns.attach(0, part, Kind::Double);
        for grpo in variants(&case.grpo()) {
            let objective = Objective::Grpo(grpo);
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

fn tokens_of(advantages: &[f64], old: &[f64], reference: Option<&[f64]>) -> Tokens {
    use exit_rl_engine::train::tokens::Segments;
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

fn plain(loss: Loss) -> Grpo {
    Grpo {
        loss,
        normalisation: Normalisation::TokenMean,
        importance_ratio: Level::Token,
        beta: 0.0,
        kl_estimator: KlEstimator::K3,
        kl_ratio: false,
        entropy_coefficient: 0.0,
        entropy_control: None,
        top_entropy_share: 1.0,
        off_policy_threshold: None,
        correction: None,
        local_rollouts: 0,
        temperature: 1.0,
        epochs: 1,
        use_rollout_logprobs: false,
    }
}

/// By hand, as verl's `compute_policy_loss_vanilla`: min(−c A, max(−r A, −clip(r) A)) where A < 0, else without c.
#[test]
fn dual_clip_bounds_the_loss_of_bad_tokens_alone() {
    let grpo = plain(Loss::Clip(Clip { low: 0.2, high: 0.2, delta: None, dual: Some(3.0) }));
    let ratios = [0.5f64, 1.0, 1.5, 2.9, 4.0, 0.5, 1.5, 4.0];
    let advantages = [-2.0, -2.0, -2.0, -2.0, -2.0, 2.0, 2.0, 2.0];
    let logprobs: Vec<f64> = ratios.iter().map(|ratio| ratio.ln() - 1.0).collect();
    let tokens = tokens_of(&advantages, &[-1.0; 8], None);
    let (loss_n, _) = grpo.loss(&Tensor::from_slice(&logprobs), &tokens);
    for (at, (&ratio, &advantage)) in ratios.iter().zip(&advantages).enumerate() {
        let clipped = (-ratio * advantage).max(-ratio.clamp(0.8, 1.2) * advantage);
        let expected = if advantage < 0.0 { clipped.min(-3.0 * advantage) } else { clipped };
        assert!((loss_n.double_value(&[at as i64]) - expected).abs() < 1e-12, "r {ratio}, A {advantage}");
    }
}

#[test]
fn cispo_within_a_range_is_a_constant_weight() {
    let grpo = plain(Loss::Cispo(Bounds { low: Some(0.8), high: Some(1.2) }));
    let logprob_n = Tensor::from_slice(&[0.5f64.ln() - 1.0, -1.0, 2f64.ln() - 1.0]).set_requires_grad(true);
    let tokens = tokens_of(&[1.0, -1.0, 2.0], &[-1.0; 3], None);
    grpo.loss(&logprob_n, &tokens).0.sum(Kind::Double).backward();
    let found = Vec::<f64>::try_from(&logprob_n.grad()).expect("a gradient");
    assert!(relative_gap(&found, &[-0.8, 1.0, -2.4]) < 1e-12, "{found:?}");
}

#[test]
fn kl_estimators_are_schulmans() {
    let (logprobs, reference) = ([-1.0, -2.0, -0.5], [-1.5, -1.0, -0.5]);
    for (kl_estimator, formula) in [
        (KlEstimator::K1, (|d| d) as fn(f64) -> f64),
        (KlEstimator::K2, |d| d * d / 2.0),
        (KlEstimator::K3, |d| (-d).exp() + d - 1.0),
    ] {
        let clip = Loss::Clip(Clip { low: 0.2, high: 0.2, delta: None, dual: None });
        let grpo = Grpo { beta: 1.0, kl_estimator, ..plain(clip) };
        let tokens = tokens_of(&[0.0; 3], &logprobs, Some(&reference));
        let (_, terms) = grpo.loss(&Tensor::from_slice(&logprobs), &tokens);
        let found = Vec::<f64>::try_from(&terms.kl_n.expect("a KL")).expect("numbers");
        let expected: Vec<f64> = logprobs.iter().zip(&reference).map(|(lp, other)| formula(lp - other)).collect();
        assert!(relative_gap(&found, &expected) < 1e-12, "{kl_estimator:?}: {found:?}");
    }
}
