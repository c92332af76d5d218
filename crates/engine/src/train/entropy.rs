//! The entropy bonus: its weight, and how an adaptive one moves.

use serde::Deserialize;

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Entropy {
    /// Weight of the mean entropy that is taken off the loss.
    pub coefficient: f64,
    /// The policy's part and the bonus are of this share of the trained tokens, those of the largest entropy.
    pub top_share: f64,
    pub control: EntropyControl,
}

/// Whether the weight of the entropy bonus moves from step to step.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum EntropyControl {
    Constant {},
    Adaptive(Adaptive),
}

/// Up by `change` after a step whose entropy is not above `target`, else down.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Adaptive {
    pub target: f64,
    pub change: f64,
    pub min: f64,
    pub max: f64,
    /// Mean entropy of the tokens of the step before; None before the first. The run's state, and no setting.
    #[serde(skip)]
    pub measured: Option<f64>,
}

/// Where an adaptive bonus stands after an update, and where the next one begins.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EntropyState {
    pub coefficient: f64,
    pub measured: f64,
}

impl Adaptive {
    /// TRL's controller waits for a first measurement, and lets go above its target.
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

    /// Goes on from where an earlier update left the adaptive weight of the bonus.
    pub fn resume(&mut self, state: EntropyState) {
        if let EntropyControl::Adaptive(adaptive) = &mut self.control {
            adaptive.measured = Some(state.measured);
            self.coefficient = state.coefficient;
        }
    }

    /// As the next step minimises it.
    pub fn of_next_step(&self) -> Self {
        match self.control {
            EntropyControl::Adaptive(adaptive) if !adaptive.applies() => Self { coefficient: 0.0, ..*self },
            _ => *self,
        }
    }

    /// The weight of the bonus as the last step left it, and the entropy that it was moved by: where the next update
    /// begins. Empty where the weight is constant.
    pub fn control_metrics(&self) -> Vec<(String, f64)> {
        let EntropyControl::Adaptive(adaptive) = &self.control else { return Vec::new() };
        let coefficient = ("entropy_control/coefficient".to_string(), self.coefficient);
        let measured = adaptive.measured.map(|entropy| ("entropy_control/entropy".to_string(), entropy));
        std::iter::once(coefficient).chain(measured).collect()
    }

    /// Moves the weight of the bonus after a step of this mean entropy.
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
