//! `catchment scope-audit`: whether the scopes that a server returns are true, and no narrower than they must be.
//!
//! Every probe asks as a client at random and learns a scope. Another client of the same scope block must be told the same,
//! else resolvers hand one client's answer to another: a *violation*. In the sibling block somebody must be told
//! something else, or scopes must be finer there; else the two blocks could be one: *not minimal*, which costs resolvers'
//! caches, and is no fault where the scope is 1 or the longest prefix that resolvers send, or where clients are dealt.

mod files;
mod server;

use std::fmt::Write as _;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::bail;
use clap::Args;
use serde_json::{Value, json};

use super::Places;
use crate::dns::{Name, Type};
use crate::evaluate::Scopes;
use crate::evaluate::random::Random;
use crate::net::Block;
use crate::snapshot::Snapshot;

/// Violations that are shown.
const SHOWN: usize = 20;

#[derive(Clone, Debug, Args)]
pub(super) struct ScopeAuditArgs {
    /// The name that is asked for
    name: String,
    /// Clients tried, half of them IPv6 [default: 1000000, with --server 10000]
    #[arg(long, value_name = "N")]
    samples: Option<u64>,
    /// The type that is asked for
    #[arg(long = "type", value_name = "TYPE", default_value = "A")]
    rtype: String,
    /// Ask this name server by UDP, instead of the files here
    #[arg(long, value_name = "ADDRESS[:PORT]")]
    server: Option<String>,
    /// Queries per second at most, with --server
    #[arg(long, value_name = "QPS", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: u32,
    /// Where the random clients begin: the same number, the same clients
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    places: Places,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &ScopeAuditArgs) -> anyhow::Result<ExitCode> {
    let name = super::explain::name(&args.name)?;
    let Some(rtype) = Type::parse(&args.rtype) else { bail!("`{}` is not a record type", args.rtype) };
    let begun = Instant::now();
    let question = Question { name: name.clone(), rtype };
    let mut report = if let Some(server) = &args.server {
        let samples = args.samples.unwrap_or(10_000);
        server::audit(server_address(server)?, &question, samples, args.seed, args.rate)?
    } else {
        files::audit(&args.places, &question, args.samples.unwrap_or(1_000_000), args.seed)?
    };
    report.took = begun.elapsed();
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{:#}", report.json(&name, rtype))?;
    } else {
        write!(out, "{}", report.text(&name, rtype))?;
    }
    let good = report.violations == 0 && report.answered() > 0;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The audit of a snapshot, by A: for `evaluate`.
pub(super) fn of_snapshot(snapshot: &Snapshot, name: &Name, samples: u64, seed: u64) -> anyhow::Result<Scopes> {
    let question = Question { name: name.clone(), rtype: Type::A };
    Ok(files::audit_snapshot(snapshot, &question, samples, seed)?.into())
}

fn server_address(text: &str) -> anyhow::Result<SocketAddr> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    match text.parse::<IpAddr>() {
        Ok(address) => Ok(SocketAddr::new(address, 53)),
        Err(_) => bail!("`{text}` is not an address, with a port or without"),
    }
}

/// What is asked.
#[derive(Clone, Debug)]
struct Question {
    name: Name,
    rtype: Type,
}

/// What a client was told.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    /// SCOPE PREFIX-LENGTH; `None` without a client subnet in the response.
    scope: Option<u8>,
    /// What must be the same for all clients of a scope block.
    answer: Answer,
}

/// What must be the same.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Answer {
    /// RCODE and records, in a form that can be compared.
    octets: Box<[u8]>,
    /// What is known beside the octets: the decision. 0 where only the wire is seen.
    decision: u32,
    /// Whether clients are dealt among several PoPs, so that neighbors may be told the same by chance.
    dealt: bool,
}

/// Who can be asked.
trait Asked {
    /// What the clients of a block are told; `None` when nobody answers.
    fn ask(&mut self, client: Block) -> anyhow::Result<Option<Told>>;
    /// An answer as words.
    fn words(&self, answer: &Answer) -> String;
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Report {
    /// Clients tried.
    samples: u64,
    /// Queries sent.
    queries: u64,
    /// Clients without an answer.
    silent: u64,
    /// Answers without a client subnet, taken as scope 0.
    without: u64,
    /// Pairs of different clients in one scope block.
    pub(super) pairs: u64,
    /// Pairs told different things.
    pub(super) violations: u64,
    shown: Vec<Violation>,
    /// Sibling blocks asked, and those that are told the same by the same scope.
    pub(super) siblings: u64,
    pub(super) not_minimal: u64,
    /// Scopes shorter than, equal to and longer than the source prefix length; and 0.
    shorter: u64,
    equal: u64,
    longer: u64,
    zero: u64,
    took: Duration,
}

/// Two clients of one scope block that are told different things.
#[derive(Clone, Debug)]
struct Violation {
    clients: [Block; 2],
    scopes: [Option<u8>; 2],
    answers: [String; 2],
}

impl Report {
    /// Tries one client.
    fn probe(&mut self, asked: &mut impl Asked, client: Block, random: &mut Random) -> anyhow::Result<()> {
        self.samples += 1;
        self.queries += 1;
        let Some(told) = asked.ask(client)? else {
            self.silent += 1;
            return Ok(());
        };
        let length = client.length();
        let scope = told.scope.unwrap_or(0);
        self.without += u64::from(told.scope.is_none());
        match scope.cmp(&length) {
            _ if scope == 0 => self.zero += 1,
            std::cmp::Ordering::Less => self.shorter += 1,
            std::cmp::Ordering::Equal => self.equal += 1,
            std::cmp::Ordering::Greater => self.longer += 1,
        }
        let longest = longest(client);
        if scope >= length {
            // The answer is for the clients that asked alone; whether a shorter scope would do is for the sibling to say.
            // Past what resolvers send, scopes end at the source prefix length.
            let may_be_exact = scope == length && length <= longest;
            return if may_be_exact { self.sibling(asked, client, &told, random) } else { Ok(()) };
        }
        let other = random.inside(client, scope, length);
        if other != client {
            self.queries += 1;
            if let Some(second) = asked.ask(other)? {
                self.pairs += 1;
                // What a longer scope says there is a promise of its own, and no excuse for this one.
                if second.answer != told.answer {
                    self.violation(asked, [client, other], [&told, &second]);
                }
            }
        }
        self.sibling(asked, client, &told, random)
    }

    /// Whether the block beside the scope block could be one with it.
    fn sibling(
        &mut self,
        asked: &mut impl Asked,
        client: Block,
        told: &Told,
        random: &mut Random,
    ) -> anyhow::Result<()> {
        let scope = told.scope.unwrap_or(0);
        if scope <= 1 || scope == longest(client) || told.answer.dealt {
            return Ok(());
        }
        let beside = random.inside(sibling(client, scope), scope, client.length());
        self.queries += 1;
        let Some(second) = asked.ask(beside)? else { return Ok(()) };
        self.siblings += 1;
        if second.answer == told.answer && second.scope.is_some_and(|other| other <= scope) {
            self.not_minimal += 1;
        }
        Ok(())
    }

    #[cold]
    fn violation(&mut self, asked: &impl Asked, clients: [Block; 2], told: [&Told; 2]) {
        self.violations += 1;
        if self.shown.len() < SHOWN {
            let answers = told.map(|told| asked.words(&told.answer));
            self.shown.push(Violation { clients, scopes: told.map(|told| told.scope), answers });
        }
    }

    /// Takes in what another has found.
    fn add(&mut self, other: Self) {
        self.samples += other.samples;
        self.queries += other.queries;
        self.silent += other.silent;
        self.without += other.without;
        self.pairs += other.pairs;
        self.violations += other.violations;
        self.siblings += other.siblings;
        self.not_minimal += other.not_minimal;
        self.shorter += other.shorter;
        self.equal += other.equal;
        self.longer += other.longer;
        self.zero += other.zero;
        self.shown.extend(other.shown);
        self.shown.truncate(SHOWN);
    }

    fn answered(&self) -> u64 {
        self.samples - self.silent
    }

    fn text(&self, name: &Name, rtype: Type) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "{name} {rtype}: {} clients, {} queries in {:.1} s",
            self.samples,
            self.queries,
            self.took.as_secs_f64()
        );
        if self.silent > 0 {
            let _ = writeln!(out, "  no answer     {}", self.silent);
        }
        if self.without > 0 {
            let _ = writeln!(out, "  without ECS   {}: taken as scope 0", self.without);
        }
        let _ = writeln!(
            out,
            "  scopes        {} % shorter than the source, {} % equal, {} % longer, {} % 0",
            percent(self.shorter, self.answered()),
            percent(self.equal, self.answered()),
            percent(self.longer, self.answered()),
            percent(self.zero, self.answered())
        );
        let _ = writeln!(out, "  violations    {} of {} pairs inside one scope block", self.violations, self.pairs);
        let _ = writeln!(
            out,
            "  not minimal   {} of {} scopes ({} %): the sibling block is told the same",
            self.not_minimal,
            self.siblings,
            percent(self.not_minimal, self.siblings)
        );
        for violation in &self.shown {
            let scope = |scope: Option<u8>| scope.map_or_else(|| "none".to_owned(), |scope| format!("/{scope}"));
            let _ = writeln!(out, "\n  violation:");
            for ((client, of), answer) in violation.clients.iter().zip(violation.scopes).zip(&violation.answers) {
                let _ = writeln!(out, "    {client} scope {}: {answer}", scope(of));
            }
        }
        if self.violations > self.shown.len() as u64 {
            let _ = writeln!(out, "\n  … and {} more", self.violations - self.shown.len() as u64);
        }
        out
    }

    fn json(&self, name: &Name, rtype: Type) -> Value {
        let violation = |violation: &Violation| {
            json!({
                "clients": violation.clients.map(|client| client.to_string()),
                "scopes": violation.scopes,
                "answers": violation.answers,
            })
        };
        json!({
            "name": name.to_string(),
            "type": rtype.to_string(),
            "samples": self.samples,
            "queries": self.queries,
            "unanswered": self.silent,
            "without_ecs": self.without,
            "pairs": self.pairs,
            "violations": self.violations,
            "shown": self.shown.iter().map(violation).collect::<Vec<_>>(),
            "siblings": self.siblings,
            "not_minimal": self.not_minimal,
            "scope_shorter": self.shorter,
            "scope_equal": self.equal,
            "scope_longer": self.longer,
            "scope_zero": self.zero,
            "seconds": self.took.as_secs_f64(),
        })
    }
}

/// To a tenth of a percent.
fn percent(part: u64, all: u64) -> String {
    let permille = (part * 1000 + all / 2).checked_div(all).unwrap_or(0);
    format!("{}.{}", permille / 10, permille % 10)
}

/// The longest prefix that resolvers send.
fn longest(client: Block) -> u8 {
    if client.address().is_ipv4() { 24 } else { 56 }
}

/// A block of the length of `client`'s in the sibling of its block of `scope` bits.
fn sibling(client: Block, scope: u8) -> Block {
    match client {
        Block::V4 { base, length } => Block::V4 { base: base ^ 1 << (32 - scope), length },
        Block::V6 { base, length } => Block::V6 { base: base ^ 1 << (128 - scope), length },
    }
}

/// Clients at random.
trait RandomClients {
    /// A block of `length` bits inside the block of `scope` bits around a client: the first, the last, or any.
    fn inside(&mut self, client: Block, scope: u8, length: u8) -> Block;
    /// A source prefix length: what resolvers send, now and then another.
    fn length(&mut self, is_ipv4: bool) -> u8;
}

impl RandomClients for Random {
    fn inside(&mut self, client: Block, scope: u8, length: u8) -> Block {
        let bits = match self.below(4) {
            0 => 0,
            1 => u128::MAX,
            _ => self.bits(),
        };
        match client {
            Block::V4 { base, .. } => {
                let fixed = (u32::MAX).checked_shl(32 - u32::from(scope)).unwrap_or(0);
                Block::new(IpAddr::V4(((base & fixed) | (bits as u32 & !fixed)).into()), length)
            }
            Block::V6 { base, .. } => {
                let fixed = (u128::MAX).checked_shl(128 - u32::from(scope)).unwrap_or(0);
                Block::new(IpAddr::V6(((base & fixed) | (bits & !fixed)).into()), length)
            }
        }
    }

    fn length(&mut self, is_ipv4: bool) -> u8 {
        match (self.below(8), is_ipv4) {
            (0, true) => 8 + self.below(25) as u8,
            (_, true) => 24,
            (0, false) => 24 + self.below(105) as u8,
            (1 | 2, false) => 48,
            (_, false) => 56,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_and_siblings_are_where_they_should_be() {
        let mut random = Random::new(7);
        for _ in 0..2_000 {
            let is_ipv4 = random.below(2) == 0;
            let bits = random.bits();
            let address: IpAddr = if is_ipv4 { IpAddr::V4((bits as u32).into()) } else { IpAddr::V6(bits.into()) };
            let client = Block::new(address, random.length(is_ipv4));
            let scope = 1 + random.below(u64::from(client.length())) as u8;
            let other = random.inside(client, scope, client.length());
            assert_eq!(other.length(), client.length());
            assert_eq!(Block::new(other.address(), scope), Block::new(client.address(), scope));
            let beside = random.inside(sibling(client, scope), scope, client.length());
            assert_ne!(Block::new(beside.address(), scope), Block::new(client.address(), scope));
            assert_eq!(Block::new(beside.address(), scope - 1), Block::new(client.address(), scope - 1));
        }
    }
}
