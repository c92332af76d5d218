//! A step of a case, computed.

use crate::case::{floats, Case};
use exit_rl_engine::backend::Scores;
use exit_rl_engine::train::metrics::{Metrics, Sampling, StepSums};
use exit_rl_engine::train::objective::Objective;
use exit_rl_engine::train::step::{Part, Step};
use exit_rl_engine::train::tokens::Tokens;
use tch::{Kind, Tensor};

/// Numbers of the batch's tokens, for the parts of its steps.
pub struct Columns {
    pub logprobs: Vec<f64>,
    pub entropies: Vec<f64>,
    old: Option<Vec<f64>>,
    reference: Option<Vec<f64>>,
}

impl Columns {
    pub fn of(case: &Case) -> Self {
        let beta = case.option("beta").as_f64() != Some(0.0);
        Self {
            logprobs: case.column("logprobs").expect("given"),
            entropies: case.column("entropies").expect("given"),
            old: case.column("old"),
            reference: case.column("reference").filter(|_| beta),
        }
    }

    /// Which tokens of a step that begins at token `start` are trained.
    pub fn choose(&self, start: i64, step: &mut Step, objective: &Objective) {
        let Some(share) = objective.top_entropy_share() else { return };
        let tokens = step.tokens.block.len();
        step.choose(&floats(&self.entropies[start as usize..][..tokens]), share).expect("a choice");
    }

    /// Those of a step that begins at token `start`, cut to a part.
    pub fn attach(&self, start: i64, part: &mut Part, kind: Kind) -> Scores {
        let places = &part.place_n + start;
        let pick = |values: &Vec<f64>| Tensor::from_slice(values).index_select(0, &places).to_kind(kind);
        part.tokens.old_n = self.old.as_ref().map(pick);
        part.tokens.reference_n = self.reference.as_ref().map(pick);
        in_kind(&mut part.tokens, kind);
        Scores { logprob_n: pick(&self.logprobs), entropy_n: pick(&self.entropies) }
    }
}

pub fn in_kind(tokens: &mut Tokens, kind: Kind) {
    for values in [&mut tokens.mask_n, &mut tokens.weight_n, &mut tokens.advantage_n] {
        *values = values.to_kind(kind);
    }
    for values in [&mut tokens.entropy_weight_n, &mut tokens.behaviour_n, &mut tokens.kept_n].into_iter().flatten() {
        *values = values.to_kind(kind);
    }
}

/// What a step came to: loss, its size with nothing cancelling, gradients in the order of its tokens, metrics.
pub struct Found {
    pub loss: f64,
    pub size: f64,
    pub logprobs: Vec<f64>,
    pub entropies: Vec<f64>,
    pub metrics: Metrics,
}

pub fn compute(
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
        sampling.add(part, old_n, &objective, &evaluated.terms);
        sums.add(part, &scores, &evaluated);
    }
    found.metrics = sums.metrics(0.0);
    run.entropy.observe(sums.trained_entropy());
    if run.entropy.is_controlled() {
        found.metrics.insert("entropy_coef".into(), run.entropy.coefficient);
    }
    found
}
