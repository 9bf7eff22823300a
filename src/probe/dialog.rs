//! `tcp` with `send` or `expect`: a few bytes each way.

use std::borrow::Cow;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::attempt::{Failure, Progress, Stage};
use crate::health::check::Dialog;

/// Bytes of the answer that are looked at.
const LIMIT: usize = 4096;

/// Sends what is to be sent and looks for what is expected.
pub(crate) async fn speak(
    mut stream: TcpStream,
    dialog: &Dialog,
    progress: &mut Progress,
) -> Result<Cow<'static, str>, Failure> {
    progress.enter(Stage::Response);
    let broken = |error: &std::io::Error, stage| Failure::of_connection(error, stage);
    stream.write_all(&dialog.send).await.map_err(|error| broken(&error, Stage::Response))?;
    let Some(expected) = &dialog.expect else {
        progress.enter(Stage::Done);
        return Ok("connected and sent".into());
    };
    let mut seen = Vec::with_capacity(256);
    while !holds(&seen, expected) {
        let mut room = (&mut stream).take((LIMIT - seen.len()) as u64);
        let stage = if seen.is_empty() { Stage::Response } else { Stage::Body };
        let count = room.read_buf(&mut seen).await.map_err(|error| broken(&error, stage))?;
        if seen.len() == count && count > 0 {
            progress.enter(Stage::Body);
        }
        if count == 0 {
            let answer = if seen.is_empty() { "nothing".into() } else { format!("`{}`", shown(&seen)) };
            return Err(Failure::of_target(format!("answered {answer}, wanted `{}`", shown(expected))));
        }
    }
    progress.enter(Stage::Done);
    Ok(format!("answered `{}`", shown(&seen)).into())
}

fn holds(seen: &[u8], expected: &[u8]) -> bool {
    seen.windows(expected.len().max(1)).any(|window| window == expected)
}

/// The beginning of what was said, fit for one line.
pub(crate) fn shown(said: &[u8]) -> String {
    const LONGEST: usize = 60;
    let text = String::from_utf8_lossy(said);
    let line = text.trim_end().lines().next().unwrap_or_default();
    let more = if line.chars().count() > LONGEST { "…" } else { "" };
    let start: String = line.chars().take(LONGEST).map(|c| if c.is_control() { '�' } else { c }).collect();
    start + more
}
