//! What a forward pass leaves behind for its gradient, row-major over the rows of the pass.

#[derive(Default)]
pub struct LayerActivations {
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
pub struct Activations {
    pub layers: Vec<LayerActivations>,
    pub x: Vec<f32>,
    /// Final hidden states.
    pub normed: Vec<f32>,
}

impl Activations {
    /// The next layer's kept.
    pub fn layer(&mut self) -> &mut LayerActivations {
        self.layers.push(LayerActivations::default());
        self.layers.last_mut().expect("a kept was just pushed")
    }
}
