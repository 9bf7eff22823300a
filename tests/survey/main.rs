//! What a snapshot does to the whole address space, against counts address by address; and the commands that show it.
#![allow(clippy::unwrap_used, reason = "a panic is a test's report")]

mod commands;
mod walk;
mod world;
