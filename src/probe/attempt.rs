//! One probe from start to verdict: its time limit, its stages, and its failures in words.

use std::borrow::Cow;
use std::io;

use tokio::time::{Instant, timeout};

use super::tls::Alpn;
use super::tools::Tools;
use super::{dialog, dns, exec, grpc, http, icmp, push, tcp};
use crate::health::{CheckKind, Observation, Phases, Target, Verdict};
pub(crate) use crate::tls::{Spell, plain};

/// Makes one probe of this target. Ends within the check's timeout.
pub(crate) async fn probe(target: &Target, tools: &Tools) -> Observation {
    let limit = target.check.timeout;
    let mut progress = Progress::begin();
    let outcome = timeout(limit, attempt(target, tools, &mut progress)).await;
    let (verdict, words) = match outcome {
        Ok(Ok(words)) => (Verdict::Good, words),
        Ok(Err(Failure { verdict, words })) => (verdict, words),
        Err(_) => (Verdict::Bad, format!("timed out after {} while {}", Spell(limit), progress.stage.doing()).into()),
    };
    Observation { verdict, words, phases: progress.end() }
}

async fn attempt(target: &Target, tools: &Tools, progress: &mut Progress) -> Result<Cow<'static, str>, Failure> {
    let source = target.check.source.towards(target.address.ip());
    match &target.check.kind {
        CheckKind::Tcp => {
            tcp::connect(target.address, source).await?;
            progress.enter(Stage::Done);
            Ok("connected".into())
        }
        CheckKind::Dialog(dialog) => {
            let stream = tcp::connect(target.address, source).await?;
            dialog::speak(stream, dialog, progress).await
        }
        CheckKind::Http(http) => http::exchange(target.address, source, http, None, tools, progress).await,
        CheckKind::Https(http, tls) => http::exchange(target.address, source, http, Some(tls), tools, progress).await,
        CheckKind::Tls(tls) => {
            let stream = tcp::connect(target.address, source).await?;
            progress.enter(Stage::Tls);
            let host = target.address.to_string();
            let secured = tools.connectors.handshake(stream, &host, tls, Alpn::None).await?;
            progress.enter(Stage::Done);
            Ok(secured.certificate().into())
        }
        CheckKind::Dns(dns) => dns::ask(target.address, source, dns, tools, progress).await,
        CheckKind::Icmp => icmp::echo(target.address.ip(), source, tools, progress).await,
        CheckKind::Grpc(grpc) => grpc::ask(target.address, source, grpc, tools, progress).await,
        CheckKind::Exec(exec) => exec::run(target.address, exec, tools, progress).await,
        CheckKind::Push(push) => push::read(target.address.ip(), push, tools, progress).await,
        // Never scheduled.
        CheckKind::Calculated(_) => Err(Failure::of_ours("calculated, not probed")),
    }
}

/// Why a probe was not good.
#[derive(Debug)]
pub(crate) struct Failure {
    verdict: Verdict,
    words: Cow<'static, str>,
}

impl Failure {
    /// The target's.
    pub(crate) fn of_target(words: impl Into<Cow<'static, str>>) -> Self {
        Self { verdict: Verdict::Bad, words: words.into() }
    }

    #[cfg(test)]
    pub(crate) fn verdict(&self) -> Verdict {
        self.verdict
    }

    #[cfg(test)]
    pub(crate) fn words(&self) -> &str {
        &self.words
    }

    /// Ours: nothing is said of the target.
    pub(crate) fn of_ours(words: impl Into<Cow<'static, str>>) -> Self {
        Self { verdict: Verdict::Unable, words: words.into() }
    }

    /// An error of the connection; `doing` is a stage's [`Stage::doing`]. Ours when it tells of something that ran out
    /// on this machine.
    pub(crate) fn of_connection(error: &io::Error, doing: Stage) -> Self {
        let what: Cow<'static, str> = match error.kind() {
            io::ErrorKind::ConnectionRefused => return Self::of_target("connection refused"),
            io::ErrorKind::HostUnreachable => return Self::of_target("no route to host"),
            io::ErrorKind::NetworkUnreachable => return Self::of_target("network is unreachable from here"),
            io::ErrorKind::PermissionDenied => {
                return Self::of_target("connecting is not permitted (a local firewall?)");
            }
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => "connection reset".into(),
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionAborted => "connection closed".into(),
            io::ErrorKind::TimedOut => "connection lost".into(),
            io::ErrorKind::AddrNotAvailable | io::ErrorKind::OutOfMemory => {
                return Self::of_ours(format!("not probed: {}", plain(error)));
            }
            _ if ran_out_here(error) => return Self::of_ours(format!("not probed: {}", plain(error))),
            _ => plain(error).into(),
        };
        Self::of_target(format!("{what} while {}", doing.doing()))
    }
}

/// EMFILE, ENFILE, ENOBUFS, ENOMEM: no fault of the target.
fn ran_out_here(error: &io::Error) -> bool {
    use nix::libc::{EMFILE, ENFILE, ENOBUFS, ENOMEM};
    matches!(error.raw_os_error(), Some(EMFILE | ENFILE | ENOBUFS | ENOMEM))
}

/// What a probe is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Connect,
    Tls,
    /// Asked; nothing has come yet.
    Response,
    Body,
    /// A program of the operator's is running.
    Program,
    Done,
}

impl Stage {
    fn doing(self) -> &'static str {
        match self {
            Self::Connect => "connecting",
            Self::Tls => "shaking hands for TLS",
            Self::Response => "waiting for the first byte",
            Self::Body => "reading the answer",
            Self::Program => "running the program",
            Self::Done => "finishing",
        }
    }
}

/// How far a probe has come, and how long it took to get there.
#[derive(Debug)]
pub(crate) struct Progress {
    begun: Instant,
    entered: Instant,
    stage: Stage,
    phases: Phases,
}

impl Progress {
    fn begin() -> Self {
        let now = Instant::now();
        Self { begun: now, entered: now, stage: Stage::Connect, phases: Phases::default() }
    }

    /// Leaves the stage the probe was at, noting how long it took, and enters the next.
    pub(crate) fn enter(&mut self, next: Stage) {
        let now = Instant::now();
        let took = Some(now - self.entered);
        match self.stage {
            Stage::Connect => self.phases.connect = took,
            Stage::Tls => self.phases.tls = took,
            Stage::Response => self.phases.first_byte = took,
            Stage::Body | Stage::Program | Stage::Done => {}
        }
        (self.stage, self.entered) = (next, now);
    }

    fn end(self) -> Phases {
        Phases { total: self.begun.elapsed(), ..self.phases }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(error: impl Into<io::Error>, verdict: Verdict, words: &str) {
        let failure = Failure::of_connection(&error.into(), Stage::Connect);
        assert_eq!((failure.verdict, &*failure.words), (verdict, words));
    }

    #[test]
    fn errors_in_words_and_whose_they_are() {
        use nix::libc;
        let os = io::Error::from_raw_os_error;
        check(os(libc::ECONNREFUSED), Verdict::Bad, "connection refused");
        check(os(libc::ECONNRESET), Verdict::Bad, "connection reset while connecting");
        check(os(libc::EHOSTUNREACH), Verdict::Bad, "no route to host");
        check(os(libc::ENETUNREACH), Verdict::Bad, "network is unreachable from here");
        check(os(libc::EMFILE), Verdict::Unable, "not probed: too many open files");
        check(os(libc::ENOBUFS), Verdict::Unable, "not probed: no buffer space available");
        check(os(libc::EADDRNOTAVAIL), Verdict::Unable, "not probed: cannot assign requested address");
    }
}
