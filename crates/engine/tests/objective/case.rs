//! The cases of test/golden/losses.json.

use exit_rl_engine::backend::LOGITS_BYTES;
use exit_rl_engine::batch::{Batch, Ragged};
use exit_rl_engine::train::objective::{
    Bounds, Clip, Correction, EntropyControl, Gamma, Grpo, KlEstimator, Level, Loss, Normalisation, Objective, Vespo,
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

    /// A column of numbers per token; None where the case has none.
    pub fn column(&self, key: &str) -> Option<Vec<f64>> {
        self.json.get(key).map(|value| numbers(value).iter().map(|number| number / self.unit).collect())
    }

    /// A row of TRL is a sequence and a rollout of its own; an optimizer step takes `accumulation` of `splits` parts.
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
            behaviour_logprobs: self.column("sampler").map_or_else(Vec::new, |sampler| floats(&sampler)),
            step: (0..rows).map(|row| (row / step_rows) as u32).collect(),
        }
    }

    pub fn settings(&self, microbatch_tokens: usize) -> UpdateSettings {
        UpdateSettings {
            objective: Objective::Grpo(Box::new(self.grpo())),
            optimizer: OptimizerSettings {
                adamw: AdamW { lr: 1e-3, beta1: 0.9, beta2: 0.999, weight_decay: 0.0, eps: 1e-8 },
                max_grad_norm: 0.0,
            },
            microbatch_tokens,
            gradient_checkpointing: false,
            logits_bytes: LOGITS_BYTES,
        }
    }

    pub fn grpo(&self) -> Grpo {
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
