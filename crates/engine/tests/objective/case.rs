//! Reads the cases of test/golden/losses.json.

use exit_rl_engine::batch::{Batch, Ragged};
use exit_rl_engine::train::objective::{
    Adaptive, Beyond, Bounded, Clip, Correction, Entropy, EntropyControl, Kl, KlEstimator, Level, Loss, Normalisation,
    Objective, OldPolicy, Vespo,
};
use exit_rl_engine::train::optimizer::OptimizerSettings;
use exit_rl_engine::train::settings::UpdateSettings;
use exit_rl_shim::AdamW;
use serde_json::Value;

pub struct Case {
    pub json: Value,
    unit: f64,
}

pub fn cases() -> Vec<Case> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../test/golden/losses.json");
    let text = std::fs::read_to_string(file).expect("the fixture is committed");
    let json: Value = serde_json::from_str(&text).expect("the fixture is JSON");
    let unit = json["unit"].as_f64().expect("a number");
    json["cases"].as_array().expect("a list").iter().map(|case| Case { json: case.clone(), unit }).collect()
}

pub fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().into_iter().flatten().map(|number| number.as_f64().expect("a number")).collect()
}

pub fn floats(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&value| value as f32).collect()
}

/// ‖found − expected‖ / ‖expected‖; 0 when both are zero.
pub fn relative_gap(found: &[f64], expected: &[f64]) -> f64 {
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>().sqrt();
    let gap = norm(&mut found.iter().zip(expected).map(|(found, expected)| found - expected));
    if gap == 0.0 {
        0.0
    } else {
        gap / norm(&mut expected.iter().copied())
    }
}

impl Case {
    pub fn option(&self, key: &str) -> &Value {
        &self.json["options"][key]
    }

    pub fn name(&self) -> String {
        self.json["options"].to_string()
    }

    pub fn whole(&self, key: &str) -> usize {
        self.json[key].as_u64().expect("a whole number") as usize
    }

    /// One number per token; None when the case has no such column.
    pub fn column(&self, key: &str) -> Option<Vec<f64>> {
        self.json.get(key).map(|value| numbers(value).iter().map(|number| number / self.unit).collect())
    }

    /// Each row of TRL becomes a sequence with a rollout of its own; an optimizer step trains on `accumulation` of `splits`
    /// microbatches.
    pub fn batch(&self) -> Batch {
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
            behaviour_logprobs: self.column("sampler").map_or_else(Vec::new, |logprobs| floats(&logprobs)),
            step: (0..rows).map(|row| (row / step_rows) as u32).collect(),
        }
    }

    pub fn settings(&self, microbatch_tokens: usize) -> UpdateSettings {
        UpdateSettings {
            objective: self.objective(),
            temperature: 1.0,
            optimizer: OptimizerSettings {
                adamw: AdamW { lr: 1e-3, beta1: 0.9, beta2: 0.999, weight_decay: 0.0, eps: 1e-8 },
                max_grad_norm: 0.0,
            },
            microbatch_tokens,
            gradient_checkpointing: false,
            logits_bytes: 1 << 20,
        }
    }

    pub fn objective(&self) -> Objective {
        let number = |key: &str| self.option(key).as_f64();
        let (low, high) = (number("epsilon").expect("given"), number("epsilon_high").expect("given"));
        let clip = Loss::Clip(Clip { low, high, delta: number("delta"), dual: None });
        let length = self.whole("max_completion_length");
        let (loss, normalisation) = match self.option("loss_type").as_str().expect("a name") {
            "grpo" => (clip, Normalisation::SequenceMean {}),
            "bnpo" => (clip, Normalisation::LocalTokenMean {}),
            "dr_grpo" => (clip, Normalisation::Constant { length }),
            "dapo" => (clip, Normalisation::TokenMean {}),
            "cispo" => (Loss::Cispo { high }, Normalisation::TokenMean {}),
            "sapo" => {
                (Loss::Sapo { temperature_positive: 1.0, temperature_negative: 1.05 }, Normalisation::SequenceMean {})
            }
            "vespo" => {
                let given = |key: &str| number(key).expect("given");
                let vespo = Vespo {
                    power_positive: given("vespo_k_pos"),
                    decay_positive: given("vespo_lambda_pos"),
                    power_negative: given("vespo_k_neg"),
                    decay_negative: given("vespo_lambda_neg"),
                };
                (Loss::Vespo(vespo), Normalisation::TokenMean {})
            }
            "luspo" => (clip, Normalisation::SequenceSum {}),
            other => panic!("an unknown loss type {other}"),
        };
        Objective {
            loss,
            normalisation,
            importance_ratio: level(self.option("level").as_str().expect("a name")),
            kl: Kl {
                beta: number("beta").expect("given"),
                estimator: KlEstimator::K3,
                ratio: self.option("use_bias_correction_kl").as_bool().expect("a switch"),
                clamp: None,
            },
            entropy: Entropy {
                coefficient: number("entropy_coef").expect("given"),
                top_share: number("top_entropy_quantile").expect("given"),
                control: number("entropy_target").map_or(EntropyControl::Constant {}, |target| {
                    let (change, min, max, measured) = (0.05, 0.0, 0.07, None);
                    EntropyControl::Adaptive(Adaptive { target, change, min, max, measured })
                }),
            },
            off_policy_threshold: number("off_policy_mask_threshold"),
            correction: self.correction(),
            local_rollouts: numbers(&self.json["lengths"]).len() / self.whole("splits"),
            old_policy: OldPolicy::Trainer,
            batch_epochs: 1,
        }
    }

    fn correction(&self) -> Correction {
        let Some(name) = self.option("correction").as_str() else { return Correction::None {} };
        let (of, how) = name.split_once('_').expect("level and treatment");
        let beyond = if how == "mask" { Beyond::Mask } else { Beyond::Truncate };
        let bounded = Bounded { beyond, min: self.option("clip_min").as_f64(), max: self.option("clip_max").as_f64() };
        match level(of) {
            Level::Token => Correction::Token(bounded),
            Level::Sequence => Correction::Sequence(bounded),
        }
    }
}

fn level(name: &str) -> Level {
    if name == "token" {
        Level::Token
    } else {
        Level::Sequence
    }
}
