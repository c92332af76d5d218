//! The activations that a forward pass keeps for its gradient, row-major over the rows of the pass.

/// Activations of one layer. R rows.
#[derive(Default)]
pub struct LayerActivations {
    /// Input of the layer, `[R, D]`.
    pub x: Vec<f32>,
    /// Input of the query, key and value projections, `[R, D]`.
    pub normed: Vec<f32>,
    /// Projected queries, keys and values before the RMSNorm of the heads; empty in families without it.
    pub raw_qkv: Vec<f32>,
    /// Queries, keys and values as attention reads them: normalised and rotated.
    pub qkv: Vec<f32>,
    /// Output of attention, input of the output projection.
    pub attended: Vec<f32>,
    /// The residual stream between attention and MLP, `[R, D]`.
    pub middle: Vec<f32>,
    /// Input of the gate and up projections, `[R, D]`.
    pub mlp_normed: Vec<f32>,
    /// Outputs of the gate and up projections.
    pub gate_up: Vec<f32>,
    /// f(gate) · up, input of the down projection.
    pub activated: Vec<f32>,
}

/// Activations of a whole pass.
#[derive(Default)]
pub struct Activations {
    pub layers: Vec<LayerActivations>,
    /// Input of the final norm, `[R, D]`.
    pub x: Vec<f32>,
    /// Final hidden states, `[R, D]`.
    pub normed: Vec<f32>,
}

impl Activations {
    /// Appends empty activations for the next layer.
    pub fn push_layer(&mut self) -> &mut LayerActivations {
        self.layers.push(LayerActivations::default());
        self.layers.last_mut().expect("a layer was just pushed")
    }
}
