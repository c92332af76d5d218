//! The settings as they cross the border.

use exit_rl_engine::train::objective::{Clip, Correction, EntropyControl, Loss, Normalisation, Objective, OldPolicy};
use serde_json::{json, Value};

fn plain() -> Value {
    json!({
        "loss": { "kind": "clip", "low": 0.2, "high": 0.2, "delta": null, "dual": null },
        "importanceRatio": "token",
        "kl": { "beta": 0, "estimator": "k3", "ratio": false },
        "entropy": { "coefficient": 0, "topShare": 1, "control": { "kind": "constant" } },
        "offPolicyThreshold": null,
        "correction": { "kind": "none" },
        "normalisation": { "kind": "sequence-mean" },
        "localRollouts": 0,
        "oldPolicy": "trainer",
        "batchEpochs": 1,
    })
}

/// The plain settings with the value at `pointer` replaced.
fn read(pointer: &str, value: Value) -> Result<Objective, String> {
    let mut settings = plain();
    *settings.pointer_mut(pointer).expect("a setting") = value;
    serde_json::from_value(settings).map_err(|error| error.to_string())
}

#[test]
fn every_key_has_its_place() {
    let found: Objective = serde_json::from_value(plain()).expect("settings");
    assert_eq!(found.loss, Loss::Clip(Clip { low: 0.2, high: 0.2, delta: None, dual: None }));
    assert_eq!(found.correction, Correction::None {});
    assert_eq!(found.entropy.control, EntropyControl::Constant {});
    assert_eq!(found.normalisation, Normalisation::SequenceMean {});
    assert_eq!(found.old_policy, OldPolicy::Trainer);
}

#[test]
fn a_key_of_another_kind_is_refused() {
    for (pointer, value) in [
        ("/loss", json!({ "kind": "sapo", "temperaturePositive": 1, "temperatureNegative": 1, "low": 0.2 })),
        ("/correction", json!({ "kind": "none", "max": 3 })),
        ("/normalisation", json!({ "kind": "token-mean", "length": 5 })),
        ("/entropy/control", json!({ "kind": "constant", "target": 1 })),
        ("/kl", json!({ "beta": 0, "estimator": "k3", "ratio": false, "betta": 1 })),
    ] {
        let error = read(pointer, value).expect_err(pointer);
        assert!(error.contains("unknown field"), "{pointer}: {error}");
    }
}

#[test]
fn whole_numbers_do_not_wrap() {
    for value in [json!(-1), json!(1.5), json!(1e30), Value::Null] {
        assert!(read("/batchEpochs", value.clone()).is_err(), "{value}");
        assert!(read("/localRollouts", value.clone()).is_err(), "{value}");
    }
}

#[test]
fn numbers_that_no_type_refuses_are_checked() {
    let dual = json!({ "kind": "clip", "low": 0.2, "high": 0.2, "delta": null, "dual": 1 });
    for (pointer, value) in [("/loss", dual), ("/batchEpochs", json!(0))] {
        assert!(read(pointer, value).expect("a type").check().is_err(), "{pointer}");
    }
}
