//! The operator's word beside the measurement.

/// What the operator insists on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Forced {
    /// Up, whatever is measured.
    Up,
    /// Down, never relaxed.
    Down,
}

/// What holds for one service at one PoP now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Effect {
    /// What the operator insists on.
    pub forced: Option<Forced>,
    /// Prefer anyone else.
    pub drained: bool,
    /// Thousandths of its clients it keeps.
    pub share: u16,
}

impl Default for Effect {
    fn default() -> Self {
        Self { forced: None, drained: false, share: 1000 }
    }
}

/// All overrides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {}

impl Overrides {
    /// What holds for a service at a PoP.
    pub fn effect(&self, _service: &str, _pop: &str, _now_ms: u64) -> Effect {
        Effect::default()
    }
}
