//! `exec`: a program that probes, as Nagios plugins do. Off unless the settings say `probes: {exec: true}`: who may write a
//! zone file could otherwise run programs.
//!
//! No shell, an environment of four variables, no input. The program has a process group of its own, which is killed whole
//! when the probe is over, whatever way it ended.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::process::{ExitStatus, Stdio};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

use super::attempt::{Failure, Progress, Stage, plain};
use super::dialog::shown;
use super::tools::Tools;
use crate::health::check::Exec;

/// Octets of output that are kept; the rest is read and forgotten, so that the program does not wait for a reader.
const KEPT: usize = 4096;
const OFF: &str = "`exec` checks are off: the settings turn them on with `probes: {exec: true}`";

/// Runs the program and judges how it ended.
pub(crate) async fn run(
    address: SocketAddr,
    exec: &Exec,
    tools: &Tools,
    progress: &mut Progress,
) -> Result<Cow<'static, str>, Failure> {
    if !tools.exec {
        tools.say_once(OFF);
        return Err(Failure::of_ours(format!("not probed: {OFF}")));
    }
    let (ip, port) = (address.ip().to_string(), address.port().to_string());
    let mut words = exec.command.iter().map(|word| word.replace("{address}", &ip).replace("{port}", &port));
    let program = words.next().unwrap_or_default();
    progress.enter(Stage::Program);
    let mut child = Command::new(&program)
        .args(words)
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C")
        .env("CATCHMENT_ADDRESS", &ip)
        .env("CATCHMENT_PORT", &port)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| Failure::of_ours(format!("not probed: {program}: {}", plain(&error))))?;
    let _group = Group::of(child.id());
    let stdout = child.stdout.take();
    let mut output = Vec::new();
    let ended = {
        let mut reading = std::pin::pin!(read(stdout, &mut output));
        tokio::select! {
            // Output first: what was said before the end is to be seen.
            biased;
            () = &mut reading => child.wait().await,
            ended = child.wait() => {
                // Something it started may hold its output open; what is there already is enough.
                let _ = tokio::time::timeout(std::time::Duration::ZERO, &mut reading).await;
                ended
            }
        }
    };
    progress.enter(Stage::Done);
    let ended = ended.map_err(|error| Failure::of_ours(format!("not probed: {}", plain(&error))))?;
    judge(ended, &output)
}

/// Reads to the end, keeping the beginning.
async fn read(from: Option<impl AsyncRead + Unpin>, output: &mut Vec<u8>) {
    let Some(mut from) = from else { return };
    let mut piece = [0; KEPT];
    while let Ok(count @ 1..) = from.read(&mut piece).await {
        let room = KEPT.saturating_sub(output.len());
        output.extend(piece.iter().take(count.min(room)));
    }
}

/// The exit codes of Nagios plugins: 0 ok, 1 warning, 2 critical, 3 unknown.
fn judge(ended: ExitStatus, output: &[u8]) -> Result<Cow<'static, str>, Failure> {
    // What follows `|` are figures for graphs.
    let text = output.split(|octet| *octet == b'|').next().unwrap_or_default();
    let text = shown(text);
    let told = |state: &str| if text.is_empty() { state.to_owned() } else { format!("{state}: {}", text.trim()) };
    match ended.code() {
        Some(0) => Ok(told("ok").into()),
        Some(1) => Ok(told("warning").into()),
        Some(2) => Err(Failure::of_target(told("critical"))),
        Some(3) => Err(Failure::of_ours(told("unknown"))),
        Some(code) => Err(Failure::of_ours(told(&format!("unknown (exit code {code})")))),
        None => Err(Failure::of_ours(told("unknown (ended by a signal)"))),
    }
}

/// A process group that ends with this.
struct Group(Option<Pid>);

impl Group {
    fn of(leader: Option<u32>) -> Self {
        Self(leader.and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // An error says that nothing of it is left.
            let _ = killpg(leader, Signal::SIGKILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;
    use crate::health::Verdict;

    #[track_caller]
    fn check(wait_status: i32, output: &str, verdict: Verdict, words: &str) {
        let judged = match judge(ExitStatus::from_raw(wait_status), output.as_bytes()) {
            Ok(words) => (Verdict::Good, words.into_owned()),
            Err(failure) => (failure.verdict(), failure.words().to_owned()),
        };
        assert_eq!(judged, (verdict, words.to_owned()));
    }

    #[test]
    fn exit_codes() {
        check(0, "DISK OK - 42 GB free | free=42\nmore\n", Verdict::Good, "ok: DISK OK - 42 GB free");
        check(0, "", Verdict::Good, "ok");
        check(1 << 8, "slow\n", Verdict::Good, "warning: slow");
        check(2 << 8, "gone\n", Verdict::Bad, "critical: gone");
        check(3 << 8, "usage: x\n", Verdict::Unable, "unknown: usage: x");
        check(127 << 8, "", Verdict::Unable, "unknown (exit code 127)");
        check(9, "", Verdict::Unable, "unknown (ended by a signal)");
    }
}
