//! What became of answers that were taken down singly: for the query log, for dnstap.

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JournalKind {
    /// Lines of the query log.
    QueryLog,
    /// Frames of dnstap.
    Dnstap,
}

impl JournalKind {
    /// Both, in their order.
    pub const ALL: [Self; 2] = [Self::QueryLog, Self::Dnstap];

    /// The label in metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::QueryLog => "query-log",
            Self::Dnstap => "dnstap",
        }
    }
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JournalFate {
    /// It was written.
    Written,
    /// There was no room to wait: the output is slower than what is to be written.
    Dropped,
    /// It could not be written: nobody reads the socket, a disk is full.
    Lost,
}

impl JournalFate {
    /// All of them, in their order.
    pub const ALL: [Self; 3] = [Self::Written, Self::Dropped, Self::Lost];

    /// The label in metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Dropped => "dropped",
            Self::Lost => "lost",
        }
    }
}

/// By what is written, then by what became of it, both in the order of their `ALL`.
pub type JournaledCounts = [[u64; JournalFate::ALL.len()]; JournalKind::ALL.len()];
