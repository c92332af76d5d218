//! The objective against TRL's own code, at the level of log-probabilities: test/golden/losses.json, made by
//! scripts/goldens/losses.py. And its gradient against finite differences.

mod case;
mod compute;
mod formulas;
mod settings;
mod slope;
mod trl;
