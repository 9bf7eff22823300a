//! Static zone data (skeleton; the room is written on its own branch).
/// A steered owner name of one snapshot; what it means is for `snapshot` to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SteerId(pub u32);
/// All zones of a snapshot.
#[derive(Debug, Default)]
pub struct ZoneSet;
