//! What a snapshot does to the whole address space, against counts address by address; and the commands that show it.
#![allow(clippy::unwrap_used, reason = "a panic is a test's report")]
#![allow(clippy::cast_precision_loss, clippy::cast_sign_loss, reason = "small counts")]
#![allow(clippy::needless_raw_string_hashes, reason = "as expect-test writes them")]

mod commands;
mod walk;
mod world;
