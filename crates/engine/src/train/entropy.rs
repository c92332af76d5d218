//! The entropy bonus: its weight, constant or adaptive.

use serde::Deserialize;

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Entropy {
    /// The weight of the mean entropy, which is subtracted from the loss.
    pub coefficient: f64,
    /// The share of trained tokens, those with the largest entropy, that the policy term and the bonus use.
    pub top_share: f64,
    pub control: EntropyControl,
}

/// Whether the weight of the entropy bonus changes from step to step.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum EntropyControl {
    Constant {},
    Adaptive(Adaptive),
}

/// Raises the weight by `change` after a step whose entropy is not above `target`, else lowers it.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Adaptive {
    pub target: f64,
    pub change: f64,
    pub min: f64,
    pub max: f64,
    /// Mean entropy of the previous step's tokens, in nats; None before the first. State of the run, not a setting.
    #[serde(skip)]
    pub measured: Option<f64>,
}

/// The state of an adaptive bonus after an update, from which the next one continues.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EntropyState {
    pub coefficient: f64,
    pub measured: f64,
}

impl Adaptive {
    /// TRL's controller is inactive before the first measurement and above its target.
    fn applies(&self) -> bool {
        self.measured.is_some_and(|entropy| entropy <= self.target)
    }
}

impl Entropy {
    pub fn has_bonus(&self) -> bool {
        self.coefficient != 0.0 || self.is_controlled()
    }

    pub fn is_controlled(&self) -> bool {
        matches!(self.control, EntropyControl::Adaptive(_))
    }

    /// Continues from the state of an earlier update.
    pub fn resume(&mut self, state: EntropyState) {
        if let EntropyControl::Adaptive(adaptive) = &mut self.control {
            adaptive.measured = Some(state.measured);
            self.coefficient = state.coefficient;
        }
    }

    /// The settings of the next step.
    pub fn for_next_step(&self) -> Self {
        match self.control {
            EntropyControl::Adaptive(adaptive) if !adaptive.applies() => Self { coefficient: 0.0, ..*self },
            _ => *self,
        }
    }

    /// The weight of the bonus after the last step and the entropy that changed it, from which the next update continues.
    /// Empty for a constant weight.
    pub fn control_metrics(&self) -> Vec<(String, f64)> {
        let EntropyControl::Adaptive(adaptive) = &self.control else { return Vec::new() };
        let coefficient = ("entropy_control/coefficient".to_string(), self.coefficient);
        let measured = adaptive.measured.map(|entropy| ("entropy_control/entropy".to_string(), entropy));
        std::iter::once(coefficient).chain(measured).collect()
    }

    /// Updates the weight of the bonus after a step with this mean entropy.
    pub fn observe(&mut self, entropy: f64) {
        let EntropyControl::Adaptive(adaptive) = &mut self.control else { return };
        adaptive.measured = Some(entropy);
        self.coefficient = if adaptive.applies() {
            (self.coefficient + adaptive.change).min(adaptive.max)
        } else {
            (self.coefficient - adaptive.change).max(adaptive.min)
        };
    }
}
