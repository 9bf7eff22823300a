//! States now.
