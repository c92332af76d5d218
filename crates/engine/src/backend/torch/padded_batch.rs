//! The layout of a microbatch on libtorch: padded to one length, each prompt computed once.

use crate::batch::Batch;
use crate::model::attention::SharedPromptBatch;
use std::ops::Range;
use tch::{Device, Kind, Tensor};

/// Sequences computed in one pass.
pub struct PaddedBatch {
    pub layout: SharedPromptBatch,
    /// Rows of the padded completions that are tokens; None when all are.
    pub rows: Option<Tensor>,
    /// The tokens themselves, `[tokens]`.
    pub targets: Tensor,
}

impl PaddedBatch {
    pub fn new(batch: &Batch, sequences: Range<usize>, device: Device, kind: Kind) -> Self {
        let prompts = batch.distinct_prompts(sequences.clone());
        let (prompt_rows, longest) = (batch.prompt_rows(&prompts), batch.longest(sequences.clone()));
        let tokens = batch.tokens(sequences.clone());
        let targets: Vec<i64> = batch.sequences.tokens[tokens].iter().map(|&token| i64::from(token)).collect();
        let build = Builder { batch, sequences, prompts, prompt_rows, longest, device, kind };
        Self { layout: build.layout(), rows: build.rows(), targets: Tensor::from_slice(&targets).to_device(device) }
    }

    /// Selects the padded completion rows that are tokens.
    pub fn select(&self, rows_nd: &Tensor) -> Tensor {
        self.rows.as_ref().map_or_else(|| rows_nd.shallow_clone(), |rows| rows_nd.index_select(0, rows))
    }
}

struct Builder<'a> {
    batch: &'a Batch,
    sequences: Range<usize>,
    prompts: Vec<u32>,
    prompt_rows: usize,
    longest: usize,
    device: Device,
    kind: Kind,
}

impl Builder<'_> {
    fn layout(&self) -> SharedPromptBatch {
        let (mut ids, mut positions) = (Vec::new(), Vec::new());
        for &prompt in &self.prompts {
            let tokens = self.batch.prompts.get(prompt as usize);
            self.push_row(&tokens[..tokens.len() - 1], 0, self.prompt_rows, &mut ids, &mut positions);
        }
        for index in self.sequences.clone() {
            let prompt = self.batch.prompts.get(self.batch.prompt[index] as usize);
            let tokens = self.batch.sequences.get(index);
            // Each token is predicted by the one before it: the first by the prompt's last.
            let inputs: Vec<i32> = prompt.last().into_iter().chain(&tokens[..tokens.len() - 1]).copied().collect();
            self.push_row(&inputs, prompt.len() - 1, self.longest, &mut ids, &mut positions);
        }
        let local = self.local_prompts();
        SharedPromptBatch {
            positions: positions.iter().max().map_or(1, |&position| position as usize + 1),
            ids_n: Tensor::from_slice(&ids).to_device(self.device),
            positions_n: Tensor::from_slice(&positions).to_device(self.device),
            prompts: self.prompts.len() as i64,
            prompt_length: self.prompt_rows as i64,
            completions: self.sequences.len() as i64,
            completion_length: self.longest as i64,
            uniform_group: self.uniform_group(&local),
            prompt_of_b: Tensor::from_slice(&local).to_device(self.device),
            mask_b1ts: self.mask(&local),
            starts_b: Tensor::from_slice(&self.starts(&local)).to_device(self.device),
        }
    }

    fn push_row(&self, tokens: &[i32], start: usize, width: usize, ids: &mut Vec<i64>, positions: &mut Vec<i64>) {
        ids.extend(tokens.iter().map(|&token| i64::from(token)));
        positions.extend((start..start + tokens.len()).map(|position| position as i64));
        // Padding is token 0 at position 0: it is computed, and no token attends to it.
        ids.extend(std::iter::repeat_n(0, width - tokens.len()));
        positions.extend(std::iter::repeat_n(0, width - tokens.len()));
    }

    /// Index of each sequence's prompt among the prompts of this microbatch.
    fn local_prompts(&self) -> Vec<i64> {
        let mut local = -1;
        let mut previous = None;
        self.sequences
            .clone()
            .map(|index| {
                let prompt = self.batch.prompt[index];
                local += i64::from(previous != Some(prompt));
                previous = Some(prompt);
                local
            })
            .collect()
    }

    fn uniform_group(&self, local: &[i64]) -> Option<i64> {
        let group = local.len() / self.prompts.len();
        let uniform = local.iter().enumerate().all(|(index, &prompt)| (index / group) as i64 == prompt);
        (uniform && group * self.prompts.len() == local.len()).then_some(group as i64)
    }

    /// Prompt rows before each completion; one number for all when prompts are equally long.
    fn starts(&self, local: &[i64]) -> Vec<i64> {
        let lengths: Vec<i64> =
            self.prompts.iter().map(|&prompt| self.batch.prompts.get(prompt as usize).len() as i64 - 1).collect();
        if lengths.iter().all(|&length| length == self.prompt_rows as i64) {
            return vec![self.prompt_rows as i64];
        }
        local.iter().map(|&prompt| lengths[prompt as usize]).collect()
    }

    /// `[B or 1, 1, T, Tp + T]`: −∞ at prompt padding and at later tokens of the completion; one row for all when prompts
    /// are equally long.
    fn mask(&self, local: &[i64]) -> Tensor {
        let (rows, longest) = (self.prompt_rows, self.longest);
        let starts = self.starts(local);
        let mut mask = Vec::with_capacity(starts.len() * longest * (rows + longest));
        for &length in &starts {
            for query in 0..longest {
                let visible = |key: usize| if key < rows { (key as i64) < length } else { key - rows <= query };
                mask.extend((0..rows + longest).map(|key| if visible(key) { 0f32 } else { f32::NEG_INFINITY }));
            }
        }
        let shape = [starts.len() as i64, 1, longest as i64, (rows + longest) as i64];
        Tensor::from_slice(&mask).view(shape).to_device(self.device).to_kind(self.kind)
    }

    fn rows(&self) -> Option<Tensor> {
        let lengths = self.sequences.clone().map(|index| self.batch.sequences.get(index).len());
        if lengths.clone().all(|length| length == self.longest) {
            return None;
        }
        let rows: Vec<i64> = lengths
            .enumerate()
            .flat_map(|(index, length)| (0..length).map(move |token| (index, token)))
            .map(|(index, token)| (index * self.longest + token) as i64)
            .collect();
        Some(Tensor::from_slice(&rows).to_device(self.device))
    }
}
