//! The policy as its own embedder: pooled hidden states of sequences.

use crate::backend::Backend;
use crate::batch::Batch;
use crate::embed::pooling::Pooling;
use crate::error::{EngineError, Result};
use crate::model::parameters::Parameters;

/// One vector per sequence, row-major `[sequences, D]`: the pooled final hidden states that its tokens were drawn from.
/// The first state is the one after the prompt, the last the one before the last token.
pub fn sequence_states(
    parameters: &Parameters,
    backend: &dyn Backend,
    batch: &Batch,
    pooling: &Pooling,
    microbatch_tokens: usize,
) -> Result<Vec<f32>> {
    batch.check(&parameters.config)?;
    let states = backend.hidden_states(parameters, batch, microbatch_tokens)?;
    let width = parameters.config.hidden_size;
    let mut vectors = Vec::with_capacity(batch.sequences.lists() * width);
    let mut rest = states.as_slice();
    for index in 0..batch.sequences.lists() {
        let (sequence, others) = rest.split_at(batch.sequences.get(index).len() * width);
        vectors.extend(pooling.pool(sequence, width, 0));
        rest = others;
    }
    if vectors.iter().any(|value| !value.is_finite()) {
        return Err(EngineError::NonFinite { what: "a hidden state".into() });
    }
    Ok(vectors)
}
