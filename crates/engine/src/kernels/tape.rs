//! What a forward pass leaves behind for its gradient, row-major over the rows of the pass.

#[derive(Default)]
pub struct LayerTape {
    pub x: Vec<f32>,
    pub normed: Vec<f32>,
    /// Before head normalisation; empty where the family has none.
    pub raw_qkv: Vec<f32>,
    /// Rotated.
    pub qkv: Vec<f32>,
    pub attended: Vec<f32>,
    /// After attention was added.
    pub middle: Vec<f32>,
    pub mlp_normed: Vec<f32>,
    pub gate_up: Vec<f32>,
    pub activated: Vec<f32>,
}

#[derive(Default)]
pub struct Tape {
    pub layers: Vec<LayerTape>,
    pub x: Vec<f32>,
    /// Final hidden states.
    pub normed: Vec<f32>,
}

impl Tape {
    /// The next layer's record.
    pub fn layer(&mut self) -> &mut LayerTape {
        self.layers.push(LayerTape::default());
        self.layers.last_mut().expect("a record was just pushed")
    }
}
