//! `catchment geodb fetch`: new databases, from those who have them.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use super::settings_at;
use super::words::{safe, size};
use crate::config::settings::fetch::{Source, address, checksum};
use crate::config::settings::reach::{Proxy, ProxyUrl, Reach};
use crate::fetch::{Done, Facts, Failure, Fetcher, Outcome, Step, Wish, day};

#[derive(Clone, Debug, Args)]
pub(super) struct FetchArgs {
    /// What to fetch: `maxmind`, `maxmind:EDITION`, `dbip`, `dbip:EDITION`, `ipinfo`, `ipinfo:EDITION` or an address
    /// [default: all of `geodb: {fetch: …}` in the settings]
    #[arg(value_name = "SOURCE")]
    sources: Vec<String>,
    /// The file to replace, with one SOURCE [default: `EDITION.mmdb` in the first directory of databases]
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// Number of the MaxMind account, or a name for basic authentication [default: `MAXMIND_ACCOUNT_ID` of the environment]
    #[arg(long, value_name = "ID")]
    account: Option<String>,
    /// File with the license key or token on its first line [default: `MAXMIND_LICENSE_KEY` or `IPINFO_TOKEN` of the
    /// environment]
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// SHA-256 of the download, or the address of a text with it [default: where the provider has one]
    #[arg(long, value_name = "DIGITS|URL")]
    sha256: Option<String>,
    /// A mirror that is asked instead of the provider
    #[arg(long, value_name = "URL")]
    base: Option<String>,
    /// File of certificate authorities (PEM) that are trusted besides the public ones [default: as the settings say]
    #[arg(long, value_name = "FILE")]
    authorities: Option<PathBuf>,
    /// HTTP proxy to fetch through, `off` for none [default: as the settings say, else `https_proxy` or `all_proxy` of the
    /// environment; `no_proxy` has exceptions]
    #[arg(long, value_name = "URL")]
    proxy: Option<String>,
    /// Take what is older, smaller or another than the one that is there, and do not ask whether it is new
    #[arg(long)]
    force: bool,
    /// Do everything but replace
    #[arg(long)]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Settings file [default: catchment.yaml, if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Directory of databases [default: `geodb`, or as the settings say]
    #[arg(long, value_name = "DIR")]
    geodb: Option<PathBuf>,
    /// Directory for downloads while they last [default: `state`, or as the settings say]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

pub(super) fn run(args: &FetchArgs) -> anyhow::Result<ExitCode> {
    let settings = settings_at(args.config.as_deref())?;
    let asked = sources(args, &settings.fetch).and_then(|sources| Ok((sources, reach(args, settings.reach)?)));
    let (sources, reach) = match asked {
        Ok(asked) => asked,
        Err((message, help)) => {
            writeln!(io::stderr(), "error: {message}\n  help: {help}")?;
            return Ok(ExitCode::from(2));
        }
    };
    if sources.is_empty() {
        bail!(
            "nothing to fetch\n  help: name a source, for example `catchment geodb fetch dbip`, or write `geodb: {{fetch: \
             [dbip]}}` into the settings"
        );
    }
    let places = args.geodb.as_ref().map_or(settings.geodb, |directory| vec![directory.clone()]);
    let state = args.state.clone().unwrap_or(settings.state);
    let fetcher = Fetcher::new(state.join("fetch"), reach);
    let wish = Wish { force: args.force, dry_run: args.dry_run };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut failed, mut results) = (false, Vec::new());
    for source in &sources {
        let file = source.file(&places).context("there is no directory of databases; name a file with `--to`")?;
        let progress = Progress::new(source);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| age.as_secs());
        let done = runtime.block_on(fetcher.fetch(source, &file, wish, now, &environment, &|step| progress.step(step)));
        progress.0.finish_and_clear();
        failed |= done.is_err();
        if args.json {
            results.push(as_json(source, &file, &done));
            continue;
        }
        match done {
            Ok(done) => write!(io::stdout(), "{}", text(&file, &done))?,
            Err(failure) => writeln!(io::stderr(), "error: {}: {}", file.display(), safe_lines(&failure.to_string()))?,
        }
    }
    if args.json {
        writeln!(io::stdout(), "{:#}", Value::from(results))?;
    }
    Ok(ExitCode::from(u8::from(failed)))
}

/// A variable of the environment.
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Those that are named, else those of the settings. A source that is named as it is in the settings is that one.
fn sources(args: &FetchArgs, written: &[Source]) -> Result<Vec<Source>, (String, &'static str)> {
    let one = args.to.is_some()
        || args.account.is_some()
        || args.key_file.is_some()
        || args.sha256.is_some()
        || args.base.is_some();
    if one && args.sources.len() != 1 {
        let message = "`--to`, `--account`, `--key-file`, `--sha256` and `--base` are for one source";
        return Err((message.to_owned(), "name it"));
    }
    if args.sources.is_empty() {
        return Ok(written.to_vec());
    }
    let mut sources = Vec::new();
    for named in &args.sources {
        let parsed = Source::parse(named)?;
        let like = |known: &&Source| known.provider == parsed.provider && known.edition == parsed.edition;
        let mut source = written.iter().find(like).cloned().unwrap_or(parsed);
        if let Some(to) = &args.to {
            // A name alone is a path here, as it is for every other command.
            source.to = if to.is_absolute() { to.clone() } else { Path::new(".").join(to) };
        }
        source.account = args.account.clone().or(source.account);
        source.key_file = args.key_file.clone().or(source.key_file);
        if let Some(sha256) = &args.sha256 {
            source.sha256 = Some(checksum(sha256)?);
        }
        if let Some(base) = &args.base {
            address(base)?;
            source.base = Some(base.trim_end_matches('/').to_owned());
        }
        sources.push(source);
    }
    Ok(sources)
}

/// How others are reached: as flags say, else the settings.
fn reach(args: &FetchArgs, written: Reach) -> Result<Reach, (String, &'static str)> {
    let proxy = match args.proxy.as_deref() {
        None => written.proxy,
        Some("off") => Proxy::Off,
        Some(url) => {
            let url = ProxyUrl::parse(url)?;
            if url.has_name() {
                let help = "write it into the settings (`geodb: {proxy: …}`), or set `https_proxy`";
                return Err((
                    "a name and password do not belong on the command line, which all can see".to_owned(),
                    help,
                ));
            }
            Proxy::At(url)
        }
    };
    Ok(Reach { authorities: args.authorities.clone().or(written.authorities), proxy, ..written })
}

fn text(file: &Path, done: &Done) -> String {
    let word = match done.outcome {
        Outcome::Replaced if done.was.is_none() => "new",
        Outcome::Replaced => "replaced",
        Outcome::Unchanged => "unchanged",
        Outcome::Would => "would be replaced",
    };
    let is = &done.is;
    let was = match &done.was {
        Some(was) if done.outcome != Outcome::Unchanged => format!(" (was {})", day(was.built)),
        _ => String::new(),
    };
    let mut out = format!(
        "{}: {word}: {}, built {}{was}, {} IPv4 and {} IPv6 networks, {}\n",
        file.display(),
        safe(&is.kind),
        day(is.built),
        is.networks_v4,
        is.networks_v6,
        size(is.octets)
    );
    if let Some(credit) = done.credit {
        out += credit;
        out.push('\n');
    }
    out
}

/// Control characters escaped, lines kept.
fn safe_lines(text: &str) -> String {
    text.split('\n').map(safe).collect::<Vec<_>>().join("\n")
}

fn as_json(source: &Source, file: &Path, done: &Result<Done, Failure>) -> Value {
    let facts = |facts: &Facts| {
        json!({
            "type": facts.kind, "class": facts.class, "build_epoch": facts.built, "built": day(facts.built),
            "networks": {"v4": facts.networks_v4, "v6": facts.networks_v6}, "records": facts.records, "bytes": facts.octets,
        })
    };
    let mut value = json!({"source": source.to_string(), "file": file});
    match done {
        Ok(done) => {
            value["outcome"] = match done.outcome {
                Outcome::Replaced => "replaced",
                Outcome::Unchanged => "unchanged",
                Outcome::Would => "would-replace",
            }
            .into();
            value["database"] = facts(&done.is);
            value["before"] = done.was.as_ref().map(facts).into();
            value["credit"] = done.credit.into();
        }
        Err(failure) => {
            value["outcome"] = "failed".into();
            value["cause"] = failure.kind.word().into();
            value["error"] = failure.to_string().into();
        }
    }
    value
}

/// How far it is, on stderr, where that is a terminal.
struct Progress(ProgressBar);

impl Progress {
    fn new(source: &Source) -> Self {
        let bar = if io::stderr().is_terminal() {
            ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(8))
        } else {
            ProgressBar::hidden()
        };
        bar.set_prefix(source.to_string());
        let progress = Self(bar);
        progress.look("{prefix}: {msg}");
        progress
    }

    fn look(&self, template: &str) {
        // A template that is not understood would be ours; the plain bar does as well.
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.0.set_style(style);
        }
    }

    fn step(&self, step: Step) {
        match step {
            Step::Asking => self.say("asking"),
            Step::Download { octets, all } => {
                if let (Some(all), true) = (all, self.0.length().is_none()) {
                    self.0.set_length(all);
                    self.look(
                        "{prefix}: {wide_bar} {decimal_bytes}/{decimal_total_bytes}, {decimal_bytes_per_sec}, {eta}",
                    );
                } else if all.is_none() {
                    self.look("{prefix}: {decimal_bytes}, {decimal_bytes_per_sec}");
                }
                self.0.set_position(octets);
            }
            Step::Unpacking => self.say("unpacking"),
            Step::Checking => self.say("reading every record"),
        }
    }

    fn say(&self, what: &'static str) {
        self.look("{prefix}: {msg}");
        self.0.set_message(what);
        self.0.tick();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(sources: &[&str]) -> FetchArgs {
        FetchArgs {
            sources: sources.iter().map(|&source| source.to_owned()).collect(),
            to: None,
            account: None,
            key_file: None,
            sha256: None,
            base: None,
            authorities: None,
            proxy: None,
            force: false,
            dry_run: false,
            json: false,
            config: None,
            geodb: None,
            state: None,
        }
    }

    #[test]
    fn flags_win_over_the_settings() {
        let mut written = Source::parse("maxmind").unwrap();
        written.account = Some("1".to_owned());
        written.key_file = Some("key".into());
        let written = [written, Source::parse("dbip").unwrap()];
        assert_eq!(sources(&args(&[]), &written).unwrap(), written);

        let named = FetchArgs { account: Some("2".to_owned()), to: Some("x.mmdb".into()), ..args(&["maxmind"]) };
        let named = sources(&named, &written).unwrap().remove(0);
        assert_eq!((named.account.as_deref(), named.key_file.as_deref()), (Some("2"), Some(Path::new("key"))));
        assert_eq!(named.file(&["geodb".into()]).unwrap(), Path::new("./x.mmdb"));

        // Another edition is another source.
        let other = sources(&args(&["maxmind:GeoLite2-ASN"]), &written).unwrap().remove(0);
        assert_eq!(other.account, None);
        let (message, _) = sources(&FetchArgs { base: Some(String::new()), ..args(&[]) }, &written).unwrap_err();
        assert!(message.contains("one source"), "{message}");
    }
}
