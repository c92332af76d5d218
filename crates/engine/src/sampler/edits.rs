//! Changes to a row of logits before a token is drawn from it.

/// Which logits change; the rest stay.
#[derive(Debug, Clone, PartialEq)]
pub struct Edits {
    /// Divides the positive logits of `repeated`, and multiplies the negative ones (arXiv 1909.05858).
    pub penalty: f32,
    /// Each token once: a token that occurs twice is not penalised twice.
    pub repeated: Vec<u32>,
    /// Cannot be drawn.
    pub banned: Vec<u32>,
}

impl Edits {
    pub fn apply(&self, logits: &mut [f32]) {
        for &token in &self.repeated {
            let logit = &mut logits[token as usize];
            *logit = if *logit < 0.0 { *logit * self.penalty } else { *logit / self.penalty };
        }
        self.banned.iter().for_each(|&token| logits[token as usize] = f32::NEG_INFINITY);
    }
}
