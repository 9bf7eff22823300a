//! `catchment geodb`: what databases say of an address, what they are, and a small one made from large ones.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail, ensure};
use clap::{Args, Subcommand};
use serde_json::json;

use super::fetch::{self, FetchArgs};
use super::progress::Progress;
use crate::geo::database::DEMONSTRATION;
use crate::geo::simplify::{Detail, simplify};
use crate::geo::writer::Metadata;
use crate::geo::{Database, Listed, Place, Record, SiteTable};
use crate::net::{Block, Folded, UNUSABLE};

/// Ask, inspect and build databases of where addresses are.
#[derive(Debug, Args)]
pub struct GeodbArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what every database says of an address, and the site that results.
    Lookup(LookupArgs),
    /// Show what databases are: type, age, families, how much they hold.
    Inspect(InspectArgs),
    /// Make a small database from full ones, keeping country and coordinates.
    Build(BuildArgs),
    /// Get new databases from their providers: download, check, compare, replace.
    Fetch(FetchArgs),
}

#[derive(Debug, Args)]
struct LookupArgs {
    /// Addresses to look up.
    #[arg(required = true)]
    addresses: Vec<IpAddr>,
    /// A database, or a folder of them; may be given several times.
    #[arg(long, value_name = "DIR|FILE", default_value = "geodb")]
    geodb: Vec<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct InspectArgs {
    /// Databases, or folders of them.
    #[arg(value_name = "DIR|FILE", default_value = "geodb")]
    files: Vec<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct BuildArgs {
    /// Databases to build from; where several know an address, the first named wins.
    #[arg(long, value_name = "FILE", num_args = 1.., required = true)]
    from: Vec<PathBuf>,
    /// The file to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Price of an IPv4 record: kilometers lost times /24s that lose them; more makes the file smaller.
    #[arg(long, value_name = "X", conflicts_with = "max_bytes", value_parser = price)]
    lambda: Option<f64>,
    /// Price of an IPv6 record, in the same way over /48s [default: 4 times --lambda].
    #[arg(long, value_name = "X", requires = "lambda", value_parser = price)]
    lambda_v6: Option<f64>,
    /// Keep as much as fits into this many bytes [default: 8000000].
    #[arg(long, value_name = "N")]
    max_bytes: Option<usize>,
    /// `database_type` of the new file.
    #[arg(long = "type", value_name = "TEXT", default_value = "Catchment-Demo-City")]
    kind: String,
}

/// Runs the command. Data goes to stdout, talk to stderr.
///
/// # Errors
/// Files that cannot be read, are no databases or are damaged; a file that cannot be written.
pub fn run(args: &GeodbArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::Lookup(args) => lookup(args),
        Command::Inspect(args) => inspect(args),
        Command::Build(args) => build(args),
        Command::Fetch(args) => fetch::run(args),
    }
}

fn price(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0);
    number.ok_or_else(|| format!("`{text}` is not a number of 0 or more"))
}

fn lookup(args: &LookupArgs) -> anyhow::Result<ExitCode> {
    let mut databases = Vec::new();
    for (file, listed) in files(&args.geodb)? {
        let database = open(&file)?;
        databases.push((file, listed, database));
    }
    databases.sort_by_cached_key(|(file, listed, database)| (database.precedence(*listed), file.clone()));

    let mut text = String::new();
    let mut results = Vec::new();
    for address in &args.addresses {
        let asked = Block::host(*address).address();
        let mut answers = Vec::new();
        for (file, _, database) in &databases {
            let answer = database.lookup(asked).with_context(|| format!("{}", file.display()))?;
            answers.push((file, database, answer));
        }
        let site = Record::combine(answers.iter().map(|(_, _, answer)| answer.record));
        let location_from = answers.iter().find(|(_, _, answer)| answer.record.has_location());
        let asn_from = answers.iter().find(|(_, _, answer)| answer.record.asn != 0);
        if args.json {
            let databases: Vec<_> = answers
                .iter()
                .map(|(file, database, answer)| {
                    json!({
                        "file": file, "type": database.kind(), "class": database.class().to_string(),
                        "built": date(database.build_epoch()), "network": answer.network.to_string(),
                        "record": answer.value,
                    })
                })
                .collect();
            results.push(json!({
                "address": address,
                "looked_up": asked,
                "databases": databases,
                "site": site_json(&site),
                "location_from": location_from.map(|(file, ..)| file),
                "asn_from": asn_from.map(|(file, ..)| file),
                "unusable": is_unusable(asked, &site),
            }));
            continue;
        }
        writeln!(
            text,
            "{address}{}",
            if asked == *address { String::new() } else { format!(" (looked up as {asked})") }
        )?;
        for (file, database, answer) in &answers {
            let record = answer.value.as_ref().map_or_else(|| "nothing".to_owned(), ToString::to_string);
            let (kind, built) = (database.kind(), date(database.build_epoch()));
            writeln!(text, "  {} ({kind}, built {built}): {} {record}", file.display(), answer.network)?;
        }
        writeln!(text, "  site: {}", site_text(asked, &site))?;
        // Of a single database there is no doubt.
        if answers.len() > 1 {
            let parts = [("location", location_from), ("AS number", asn_from)];
            let parts =
                parts.iter().filter_map(|(part, from)| Some(format!("{part} by {}", from.as_ref()?.0.display())));
            let parts = parts.collect::<Vec<_>>();
            if !parts.is_empty() {
                writeln!(text, "  from: {}", parts.join("; "))?;
            }
        }
    }
    let credits = credits(databases.iter().map(|(_, _, database)| database));
    if args.json {
        text = serde_json::to_string_pretty(&json!({"addresses": results, "credits": credits}))? + "\n";
    } else {
        for credit in credits {
            writeln!(text, "{credit}")?;
        }
    }
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// A site for people.
fn site_text(address: IpAddr, site: &Record<'_>) -> String {
    if is_unusable(address, site) {
        return "none: such addresses are in no one place; the resolver's address decides".to_owned();
    }
    let mut parts = Vec::new();
    if !site.has_location() {
        parts.push("unknown: no database has a place for this address; the default order applies".to_owned());
    }
    match (site.place, site.country.and_then(crate::geo::Country::place)) {
        (Some(place), _) => parts.push(place.to_string()),
        (None, Some(place)) => parts.push(format!("{place} (the country's)")),
        (None, None) => {}
    }
    match (site.city, site.city_id) {
        (None, 0) => {}
        (Some(city), 0) => parts.push(city.to_owned()),
        (None, id) => parts.push(format!("GeoNames {id}")),
        (Some(city), id) => parts.push(format!("{city} (GeoNames {id})")),
    }
    let code = site.subdivision.map(|code| match site.country {
        Some(country) => format!("{country}-{code}"),
        None => code.to_owned(),
    });
    match (site.subdivision_name, code) {
        (Some(name), Some(code)) => parts.push(format!("{name} ({code})")),
        (name, code) => parts.extend(name.map(str::to_owned).or(code)),
    }
    if let Some(country) = site.country {
        let continent = country.continent().map_or(String::new(), |continent| format!(" ({})", continent.code()));
        parts.push(format!("{country}{continent}"));
    }
    if site.asn != 0 {
        parts.push(format!("AS{}", site.asn));
    }
    parts.join("; ")
}

fn site_json(site: &Record<'_>) -> serde_json::Value {
    let place = |place: Place| json!({"latitude": place.latitude(), "longitude": place.longitude()});
    let of_country = site.country.and_then(crate::geo::Country::place).filter(|_| site.place.is_none());
    json!({
        "place": site.place.or(of_country).map(place),
        "place_from": if site.place.is_some() { Some("database") } else { of_country.map(|_| "country") },
        "city": site.city,
        "city_id": (site.city_id != 0).then_some(site.city_id),
        "subdivision": site.subdivision,
        "subdivision_name": site.subdivision_name,
        "country": site.country.map(|country| country.to_string()),
        "continent": site.country.and_then(crate::geo::Country::continent).map(crate::geo::Continent::code),
        "asn": (site.asn != 0).then_some(site.asn),
    })
}

/// Whether an address that no database has a location for says nothing of a place.
fn is_unusable(address: IpAddr, site: &Record<'_>) -> bool {
    !site.has_location()
        && UNUSABLE.iter().any(|block| {
            block.address().is_ipv4() == address.is_ipv4() && Folded::new(address, block.length()).block == *block
        })
}

fn inspect(args: &InspectArgs) -> anyhow::Result<ExitCode> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| age.as_secs());
    let (mut text, mut results, mut bad) = (String::new(), Vec::new(), false);
    for (file, _) in files(&args.files)? {
        let outcome = open(&file).and_then(|database| Ok((database.survey()?, database)));
        let (survey, database) = match outcome {
            Ok(both) => both,
            Err(error) => {
                bad = true;
                // `open` has named the file already where it was the one to fail.
                let error = format!("{error:#}").replace(&format!("{}: ", file.display()), "");
                results.push(json!({"file": file, "error": error}));
                writeln!(text, "{}\n  error: {error}", file.display())?;
                continue;
            }
        };
        let future = database.built_in_the_future(now);
        let (v4, v6) = (survey.networks_v4, survey.networks_v6);
        let families: Vec<&str> = [(v4, "IPv4"), (v6, "IPv6")].iter().filter(|f| f.0 > 0).map(|f| f.1).collect();
        if args.json {
            results.push(json!({
                "file": file,
                "type": database.kind(),
                "description": database.description(),
                "class": database.class().to_string(),
                "build_epoch": database.build_epoch(),
                "built": date(database.build_epoch()),
                "families": families,
                "networks": {"v4": v4, "v6": v6},
                "records": survey.records,
                "places": survey.distinct_places,
                "fields": {
                    "place": survey.with_place, "country": survey.with_country, "subdivision": survey.with_subdivision,
                    "subdivision_name": survey.with_subdivision_name, "city": survey.with_city,
                    "city_id": survey.with_city_id, "asn": survey.with_asn,
                },
                "nodes": database.node_count(),
                "record_size": database.record_size(),
                "bytes": database.len(),
                "demonstration": database.is_demonstration(),
                "credit": database.credit(),
                "warning": future,
            }));
            continue;
        }
        writeln!(text, "{}", file.display())?;
        writeln!(text, "  type       {} (class {})", database.kind(), database.class())?;
        if !database.description().is_empty() {
            writeln!(text, "  about      {}", database.description())?;
        }
        writeln!(text, "  built      {}", date(database.build_epoch()))?;
        writeln!(
            text,
            "  families   {}",
            if families.is_empty() { "none".to_owned() } else { families.join(" and ") }
        )?;
        writeln!(text, "  networks   {v4} IPv4, {v6} IPv6")?;
        writeln!(text, "  records    {} distinct, {} distinct places", survey.records, survey.distinct_places)?;
        let fields = [
            (survey.with_place, "coordinates"),
            (survey.with_country, "country"),
            (survey.with_subdivision, "subdivision code"),
            (survey.with_subdivision_name, "subdivision name"),
            (survey.with_city, "city"),
            (survey.with_city_id, "GeoNames id"),
            (survey.with_asn, "AS number"),
        ];
        let found = fields.iter().filter(|(count, _)| *count > 0).map(|(count, name)| format!("{name} in {count}"));
        let found = found.collect::<Vec<_>>().join(", ");
        writeln!(text, "  fields     {}", if found.is_empty() { "none that can be used" } else { &found })?;
        writeln!(
            text,
            "  size       {} bytes, {} nodes of two {}-bit records",
            database.len(),
            database.node_count(),
            database.record_size()
        )?;
        if database.is_demonstration() {
            writeln!(text, "  note       simplified demonstration data; put a full database beside it for real use")?;
        }
        if let Some(credit) = database.credit() {
            writeln!(text, "  credit     {credit}")?;
        }
        if let Some(future) = future {
            writeln!(text, "  warning    {future}")?;
        }
    }
    if args.json {
        text = serde_json::to_string_pretty(&results)? + "\n";
    }
    print(&text)?;
    Ok(ExitCode::from(u8::from(bad)))
}

fn build(args: &BuildArgs) -> anyhow::Result<ExitCode> {
    let progress = Progress::new("reading databases");
    let mut databases = Vec::new();
    for file in &args.from {
        databases.push(open(file)?);
    }
    progress.say("merging what they say");
    let borrowed: Vec<&Database> = databases.iter().collect();
    let table = SiteTable::build(&borrowed)
        .with_context(|| "the databases do not hold together; try `catchment geodb inspect`")?;
    let sources: BTreeSet<&str> = databases.iter().map(Database::kind).collect();
    let origin = match credits(databases.iter()).as_slice() {
        [] => sources.into_iter().collect::<Vec<_>>().join(", "),
        [crate::geo::DB_IP_CREDIT] => "DB-IP City Lite, CC BY 4.0, https://db-ip.com".to_owned(),
        credits => credits.join("; "),
    };
    let demonstration = if args.kind.starts_with(DEMONSTRATION) { "demonstration " } else { "" };
    let metadata = Metadata {
        kind: args.kind.clone(),
        description: format!("Simplified {demonstration}data from {origin}"),
        // The newest of the sources, so that the same sources give the same bytes.
        build_epoch: databases.iter().map(Database::build_epoch).max().unwrap_or(0),
    };
    let detail = match args.lambda {
        Some(v4) => Detail::Lambda { v4, v6: args.lambda_v6.unwrap_or(v4 * 4.0) },
        None => Detail::Bytes(args.max_bytes.unwrap_or(8_000_000)),
    };
    progress.say(match detail {
        Detail::Bytes(_) => "simplifying, until it fits",
        Detail::Lambda { .. } => "simplifying",
    });
    let made = simplify(&table, detail, &metadata);
    drop(progress);
    if let Detail::Bytes(limit) = detail {
        let fits = made.bytes.len() <= limit && made.leaves != (0, 0);
        ensure!(fits, "nothing useful fits into {limit} bytes; allow some thousands at least");
    }
    replace(&args.out, &made.bytes).with_context(|| format!("{}", args.out.display()))?;
    print(&format!(
        "{}: {} bytes, {} IPv4 and {} IPv6 networks, {} records, lambda {:.0} and {:.0}\n",
        args.out.display(),
        made.bytes.len(),
        made.leaves.0,
        made.leaves.1,
        made.records,
        made.lambda.0,
        made.lambda.1
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// Writes beside the file and renames, so that nobody ever reads half of it.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".new");
    let new = path.with_file_name(name);
    std::fs::write(&new, bytes)?;
    std::fs::rename(&new, path)
}

/// The files named, and the `.mmdb` files of the folders named, in order of their names.
fn files(paths: &[PathBuf]) -> anyhow::Result<Vec<(PathBuf, Listed)>> {
    let mut files = Vec::new();
    for (index, path) in paths.iter().enumerate() {
        if !path.is_dir() {
            files.push((path.clone(), Listed::File(index)));
            continue;
        }
        let entries = std::fs::read_dir(path).with_context(|| format!("{}", path.display()))?;
        let mut found: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
        found.retain(|file| file.extension().is_some_and(|extension| extension == "mmdb"));
        found.sort();
        if found.is_empty() {
            bail!("{}: no .mmdb file in this folder", path.display());
        }
        files.extend(found.into_iter().map(|file| (file, Listed::Folder(index))));
    }
    Ok(files)
}

fn open(path: &Path) -> anyhow::Result<Database> {
    let bytes = std::fs::read(path).with_context(|| format!("{}", path.display()))?;
    Database::new(bytes).with_context(|| format!("{}", path.display()))
}

fn credits<'a>(databases: impl Iterator<Item = &'a Database>) -> Vec<&'static str> {
    databases.filter_map(Database::credit).collect::<BTreeSet<_>>().into_iter().collect()
}

fn print(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        // Whoever reads us has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("standard output"),
    }
}

/// `2026-06-05`, in UTC.
fn date(epoch: u64) -> String {
    // Days since 0000-03-01, in 400-year eras of 146,097 days (the usual civil calendar arithmetic).
    let days = epoch / 86_400 + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    format!("{:04}-{month:02}-{day:02}", era * 400 + year + next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(epoch: u64, expected: &str) {
        assert_eq!(date(epoch), expected);
    }

    #[test]
    fn dates() {
        // Nonsense is shown, not fatal.
        date(u64::MAX);
        check(0, "1970-01-01");
        check(951_782_400, "2000-02-29");
        check(951_868_800, "2000-03-01");
        check(1_780_666_922, "2026-06-05");
        check(4_107_542_399, "2100-02-28");
    }

    #[test]
    fn what_a_site_says() {
        let text = |address: &str, record| site_text(address.parse().unwrap(), &record);
        let none = Record::default();
        assert!(text("10.1.2.3", none).starts_with("none: "));
        assert!(text("fe80::1", none).starts_with("none: "));
        assert!(text("192.0.2.1", none).starts_with("unknown: "));
        let country = crate::geo::Country::new("NL");
        assert_eq!(text("10.1.2.3", Record { country, ..none }), "52.10, 5.00 (the country's); NL (EU)");
        let place = Place::from_degrees(52.37, 4.9);
        let all = Record {
            subdivision: Some("NH"),
            subdivision_name: Some("North Holland"),
            city: Some("Amsterdam"),
            city_id: 2_759_794,
            ..Record { place, country, asn: 3333, ..none }
        };
        assert_eq!(
            text("192.0.2.1", all),
            "52.37, 4.90; Amsterdam (GeoNames 2759794); North Holland (NL-NH); NL (EU); AS3333"
        );
        let words = Record { subdivision_name: None, city_id: 0, ..all };
        assert_eq!(text("192.0.2.1", words), "52.37, 4.90; Amsterdam; NL-NH; NL (EU); AS3333");
        let alone = Record { asn: 680, ..none };
        assert!(text("192.0.2.1", alone).starts_with("unknown: ") && text("192.0.2.1", alone).ends_with("; AS680"));
        assert!(text("10.1.2.3", alone).starts_with("none: "));
    }
}
