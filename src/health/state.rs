//! The state machine of one target.

/// What is known of a target. Usable: `Unknown`, `Up`, `Suspect`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum State {
    /// No result yet, or results too old.
    #[default]
    Unknown,
    /// The last results were good.
    Up,
    /// Was up; failures have begun.
    Suspect,
    /// `fall` failures in a row.
    Down,
    /// Was down; successes have begun.
    Recovering,
}

impl State {
    /// Whether clients may be sent there.
    pub fn usable(self) -> bool {
        match self {
            Self::Unknown | Self::Up | Self::Suspect => true,
            Self::Down | Self::Recovering => false,
        }
    }
}
