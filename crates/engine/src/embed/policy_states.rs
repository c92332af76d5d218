//! The policy as its own embedder: what it computed when it wrote an answer.

use super::pooling::Pooling;
use crate::cpu::decoder::CpuDecoder;
use crate::cpu::segment::Workspace;
use crate::cpu::trainer::Pool;
use crate::cpu::unit::{run_passes, units};
use crate::error::{EngineError, Result};
use crate::model::decoder::Decoder;
use crate::model::parameters::Parameters;
use crate::train::batch::Batch;
use crate::train::network::Compute;
use rayon::prelude::*;
use std::ops::Range;
use tch::{Device, Kind, Tensor};

/// One vector a sequence, `[sequences, D]`: the final hidden states that its tokens were drawn from, pooled. The first
/// is the state after the prompt, the last the one before the last token.
pub fn sequence_states(
    parameters: &Parameters,
    compute: &Compute,
    batch: &Batch,
    pooling: &Pooling,
    microbatch_tokens: usize,
) -> Result<Vec<f32>> {
    batch.check(&parameters.config)?;
    let states = match compute {
        Compute::Kernels(pool) => on_kernels(parameters, pool, batch)?,
        Compute::Torch => on_torch(parameters, batch, microbatch_tokens)?,
    };
    let width = parameters.config.hidden_size;
    let mut vectors = Vec::with_capacity(batch.sequences.lists() * width);
    let mut rest = states.as_slice();
    for index in 0..batch.sequences.lists() {
        let (own, others) = rest.split_at(batch.sequences.get(index).len() * width);
        vectors.extend(pooling.pool(own, width, 0));
        rest = others;
    }
    if vectors.iter().any(|value| !value.is_finite()) {
        return Err(EngineError::NonFinite { what: "a hidden state".into() });
    }
    Ok(vectors)
}

fn on_kernels(parameters: &Parameters, pool: &Pool, batch: &Batch) -> Result<Vec<f32>> {
    let mut decoder = CpuDecoder::new(parameters)?;
    decoder.reserve_positions(batch.longest_total());
    let units = units(batch, 0..batch.sequences.lists());
    let one = |unit: &Range<usize>| {
        let mut workspace = Workspace::default();
        run_passes(&decoder, batch, unit.clone(), false, &mut workspace);
        workspace.states().to_vec()
    };
    let states: Vec<Vec<f32>> = match pool {
        Some(pool) => pool.install(|| units.par_iter().map(one).collect()),
        None => units.iter().map(one).collect(),
    };
    Ok(states.concat())
}

fn on_torch(parameters: &Parameters, batch: &Batch, microbatch_tokens: usize) -> Result<Vec<f32>> {
    let decoder = Decoder::new(parameters);
    let pass = |range: Range<usize>| -> Result<Vec<f32>> {
        let micro = batch.microbatch(range, parameters.device(), parameters.kind());
        let states: Tensor = micro.select(&decoder.completion_states(&micro.layout));
        Ok(Vec::<f32>::try_from(&states.to_kind(Kind::Float).f_to_device(Device::Cpu)?.contiguous().view([-1]))?)
    };
    let passes = batch.microbatches(microbatch_tokens).into_iter().map(|range| tch::no_grad(|| pass(range)));
    Ok(passes.collect::<Result<Vec<_>>>()?.concat())
}
