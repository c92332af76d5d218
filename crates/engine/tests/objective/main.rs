//! Compares the objective with TRL's code, given log-probabilities (test/golden/losses.json, made by
//! scripts/goldens/losses.py), and its gradient with finite differences.

mod case;
mod compute;
mod formulas;
mod gradient;
mod settings;
mod trl;
