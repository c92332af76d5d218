//! Computes an optimizer step of a case.

use crate::case::{floats, Case};
use exit_rl_engine::backend::TokenStats;
use exit_rl_engine::train::metrics::{BehaviourMetrics, Metrics, StepSums};
use exit_rl_engine::train::objective::Objective;
use exit_rl_engine::train::step::{Microbatch, Step};
use exit_rl_engine::train::tokens::Tokens;
use tch::{Kind, Tensor};

/// The columns of a case, one number per token of the batch.
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

    /// Masks the tokens of a step that begins at token `start`, as the share of top entropies requires.
    pub fn mask(&self, start: i64, step: &mut Step, objective: &Objective) {
        let Some(share) = objective.top_entropy_share() else { return };
        let tokens = step.tokens.block.len();
        step.mask_top_entropy(&floats(&self.entropies[start as usize..][..tokens]), share).expect("a mask");
    }

    /// Fills in a microbatch of a step that begins at token `start`, and returns the outputs of its forward pass.
    pub fn attach(&self, start: i64, microbatch: &mut Microbatch, kind: Kind) -> TokenStats {
        let places = &microbatch.place_n + start;
        let pick = |values: &Vec<f64>| Tensor::from_slice(values).index_select(0, &places).to_kind(kind);
        microbatch.tokens.old_logprob_n = self.old.as_ref().map(pick);
        microbatch.tokens.reference_logprob_n = self.reference.as_ref().map(pick);
        in_kind(&mut microbatch.tokens, kind);
        TokenStats { logprob_n: pick(&self.logprobs), entropy_n: pick(&self.entropies) }
    }
}

pub fn in_kind(tokens: &mut Tokens, kind: Kind) {
    for values in [&mut tokens.mask_n, &mut tokens.weight_n, &mut tokens.advantage_n] {
        *values = values.to_kind(kind);
    }
    for values in [&mut tokens.entropy_weight_n, &mut tokens.behaviour_logprob_n, &mut tokens.entropy_mask_n]
        .into_iter()
        .flatten()
    {
        *values = values.to_kind(kind);
    }
}

/// The results of a step: loss, the sum of its absolute terms, gradients in the order of its tokens, metrics.
pub struct Computed {
    pub loss: f64,
    pub size: f64,
    pub logprobs: Vec<f64>,
    pub entropies: Vec<f64>,
    pub metrics: Metrics,
}

pub fn compute(
    case: &Case,
    settings: &mut Objective,
    step: &mut Step,
    start: i64,
    behaviour: &mut BehaviourMetrics,
    kind: Kind,
) -> Computed {
    let objective = settings.for_next_step();
    let columns = Columns::of(case);
    columns.mask(start, step, &objective);
    let tokens = step.tokens.mask_n.size()[0] as usize;
    let mut computed = Computed {
        loss: 0.0,
        size: 0.0,
        logprobs: vec![0.0; tokens],
        entropies: vec![0.0; tokens],
        metrics: Metrics::new(),
    };
    let mut sums = StepSums::new(&objective, &step.tokens);
    for microbatch in &mut step.microbatches {
        let stats = columns.attach(start, microbatch, kind);
        let (evaluation, grads) = objective.differentiate(&stats, &microbatch.tokens);
        computed.loss += evaluation.loss.double_value(&[]);
        computed.size += (&evaluation.loss_n * &microbatch.tokens.weight_n).abs().sum(Kind::Double).double_value(&[]);
        for (at, place) in Vec::<i64>::try_from(&microbatch.place_n).expect("places").into_iter().enumerate() {
            computed.logprobs[place as usize] = grads.logprob_n.double_value(&[at as i64]);
            if let Some(entropy_n) = &grads.entropy_n {
                computed.entropies[place as usize] = entropy_n.double_value(&[at as i64]);
            }
        }
        let old_logprob_n = microbatch.tokens.old_logprob_n.as_ref().unwrap_or(&stats.logprob_n);
        behaviour.add(microbatch, old_logprob_n, &objective, &evaluation.terms);
        sums.add(microbatch, &stats, &evaluation);
    }
    computed.metrics = sums.metrics(0.0);
    settings.entropy.observe(sums.trained_entropy());
    if settings.entropy.is_controlled() {
        computed.metrics.insert("entropy_coef".into(), settings.entropy.coefficient);
    }
    computed
}
