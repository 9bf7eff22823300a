//! `catchment map`: which clients each PoP serves, as a table, JSON, GeoJSON and a picture of the world.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Value, json};

use super::Places;
use super::subject::{
    Assumptions, Caches, Found, Subject, WEIGHTS, amounts_json, credits, family, grouped, kilometers, large, percent,
    table,
};
use super::words::Page;
use crate::picture::{self, Catchments, Frame, State};
use crate::survey::{Ground, Row, Server, Side, Tally};

#[derive(Clone, Debug, Args)]
pub(super) struct MapArgs {
    #[command(flatten)]
    subject: Subject,
    #[command(flatten)]
    assumptions: Assumptions,
    #[command(flatten)]
    places: Places,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Write a picture of the world, to look at at any size
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Write the same picture in pixels
    #[arg(long, value_name = "FILE")]
    png: Option<PathBuf>,
    /// Pixels of the PNG per unit of 1800 across
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = scale)]
    scale: f32,
    /// Show this part of the world only: `SOUTH,WEST,NORTH,EAST` in degrees
    #[arg(long, value_name = "DEGREES", value_parser = Frame::parse, allow_hyphen_values = true)]
    frame: Option<Frame>,
    /// Write PoPs and clients by place as GeoJSON (RFC 7946)
    #[arg(long, value_name = "FILE")]
    geojson: Option<PathBuf>,
}

fn scale(text: &str) -> Result<f32, String> {
    let factor = text.parse::<f32>().ok().filter(|factor| (0.25..=8.0).contains(factor));
    factor.ok_or_else(|| format!("`{text}` is not a factor from 0.25 to 8"))
}

pub(super) fn run(args: &MapArgs) -> anyhow::Result<ExitCode> {
    let (snapshot, loader, _) = super::explain::load(&args.places)?;
    let found = args.subject.find(&snapshot)?;
    let assume = args.assumptions.assume(&snapshot)?;
    let Some(side) = Side::new(&snapshot, found.map, &assume) else { anyhow::bail!("the map is gone") };
    let ground = Ground::of(&side);
    let tally = Tally::new(&side, &ground);
    let credits = credits(&loader.databases.used);
    let shown =
        Shown { found: &found, side: &side, tally: &tally, words: args.assumptions.words(side.map), credits: &credits };
    if args.svg.is_some() || args.png.is_some() || args.geojson.is_some() {
        pictures(args, &shown, &ground)?;
    }
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{:#}", shown.json(&args.assumptions))?;
    } else {
        write!(out, "{}", shown.text())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the files that are asked for.
fn pictures(args: &MapArgs, shown: &Shown<'_>, ground: &Ground) -> anyhow::Result<()> {
    let map = shown.side.map;
    let names = |list: &[String], pop: &str| {
        let here = |word: &String| word == pop || *word == format!("{}@{pop}", map.service.name);
        list.iter().any(here)
    };
    let state = |pop: u16| {
        let name = &map.pops[usize::from(pop)];
        match (names(&args.assumptions.down, name), names(&args.assumptions.drain, name)) {
            (true, _) => State::Down,
            (false, true) => State::Drained,
            (false, false) if map.drained[usize::from(pop)] => State::Drained,
            (false, false) => State::Up,
        }
    };
    let catchments = Catchments {
        title: shown.found.title.clone(),
        subtitle: format!("service {}, policy {}; {}", map.service.name, map.policy.name, shown.words),
        credits: shown.credits.to_vec(),
        ..Catchments::of(shown.side, ground, shown.tally, state)
    };
    let write = |path: &Path, octets: &[u8]| {
        std::fs::write(path, octets).with_context(|| format!("{} cannot be written", path.display()))
    };
    if let Some(path) = &args.geojson {
        write(path, picture::geojson::geojson(&catchments).to_string().as_bytes())?;
    }
    if args.svg.is_none() && args.png.is_none() {
        return Ok(());
    }
    let scene = picture::draw(&catchments, args.frame.unwrap_or(Frame::WORLD));
    if let Some(path) = &args.svg {
        write(path, picture::svg::svg(&scene).as_bytes())?;
    }
    if let Some(path) = &args.png {
        let Some(octets) = picture::png::png(&scene, args.scale) else { bail!("the picture is too large") };
        write(path, &octets)?;
    }
    Ok(())
}

/// What is shown.
struct Shown<'a> {
    found: &'a Found,
    side: &'a Side<'a>,
    tally: &'a Tally,
    words: String,
    credits: &'a [String],
}

impl Shown<'_> {
    fn name(&self, server: Server) -> String {
        match server {
            Server::Pop(pop) => self.side.pops()[usize::from(pop)].to_string(),
            Server::Fallback => "fallback".to_owned(),
            Server::Nobody => "nobody".to_owned(),
        }
    }

    /// The largest first.
    fn rows(&self) -> Vec<&Row> {
        let mut rows: Vec<_> = self.tally.rows.iter().collect();
        let size = |row: &Row| if self.tally.total.v4 > 0.0 { row.amounts.v4 } else { row.amounts.v6 };
        rows.sort_by(|a, b| size(b).total_cmp(&size(a)));
        rows
    }

    fn text(&self) -> String {
        let map = self.side.map;
        let tally = self.tally;
        let page = Page { width: 80, color: false };
        let mut out = String::new();
        // Writing to a string cannot fail.
        let head = format!(
            "{}: service {}, policy {}, {} PoPs; {}",
            self.found.title,
            map.service.name,
            map.policy.name,
            map.pops.len(),
            self.words
        );
        let _ = writeln!(out, "{}\n", page.wrap(&head, 0));
        let head = ["PoP", "IPv4", "IPv6", "people", "mean km", "p50", "p95", "max"];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        let away = tally.away.share_of(&tally.total);
        for row in self.rows() {
            rows.push(line(self.name(row.server), row, tally));
        }
        let all = Row { server: Server::Nobody, amounts: tally.total, away: tally.away, km: tally.km };
        rows.push(line("all".to_owned(), &all, tally));
        out.push_str(&table(&rows, 1));
        let counts = format!(
            "{} IPv4 addresses in {} records, {} records of IPv6, {} people",
            large(tally.total.v4),
            grouped(tally.total.v4_records),
            grouped(tally.total.v6),
            large(tally.total.people)
        );
        let _ = writeln!(out, "\n{}", page.wrap(&counts, 2));
        if tally.away.v4 + tally.away.v6 > 0.0 {
            let _ = writeln!(
                out,
                "away from their best PoP: {} of IPv4, {} of IPv6, {} of people",
                percent(away.v4),
                percent(away.v6),
                percent(away.people)
            );
        }
        if tally.unplaced.v4 + tally.unplaced.v6 > 0.0 {
            let share = tally.unplaced.share_of(&tally.total);
            let _ = writeln!(out, "place unknown: {} of IPv4, {} of IPv6", percent(share.v4), percent(share.v6));
        }
        let _ = writeln!(out, "{}", page.wrap(&Caches::of(self.side).text(), 2));
        let _ = writeln!(out, "{}", page.wrap(WEIGHTS, 0));
        for credit in self.credits {
            let _ = writeln!(out, "\n{credit}");
        }
        out
    }

    fn json(&self, assumptions: &Assumptions) -> Value {
        let map = self.side.map;
        let tally = self.tally;
        let pop = |row: &&Row| {
            let mut value = amounts_json(&row.amounts, &tally.total);
            value["pop"] = self.name(row.server).into();
            if let Server::Pop(pop) = row.server {
                let place = self.side.pop_place(pop);
                value["latitude"] = place.map(crate::geo::Place::latitude).into();
                value["longitude"] = place.map(crate::geo::Place::longitude).into();
            }
            value["away"] = amounts_json(&row.away, &tally.total);
            value["km"] = row.km.map(|km| json!({"mean": km.mean, "p50": km.p50, "p95": km.p95, "max": km.max})).into();
            value
        };
        let countries = tally.countries.iter().map(|(country, servers)| {
            let pops = servers.iter().map(|(server, amounts)| {
                let mut value = amounts_json(amounts, &tally.total);
                value["pop"] = self.name(*server).into();
                value
            });
            json!({"country": country.map(|c| c.to_string()), "pops": pops.collect::<Vec<_>>()})
        });
        json!({
            "name": self.found.title,
            "service": map.service.name,
            "policy": map.policy.name,
            "type": family(self.side),
            "assume": {"down": assumptions.down, "drain": assumptions.drain},
            "total": amounts_json(&tally.total, &tally.total),
            "away": amounts_json(&tally.away, &tally.total),
            "place_unknown": amounts_json(&tally.unplaced, &tally.total),
            "km": tally.km.map(|km| json!({"mean": km.mean, "p50": km.p50, "p95": km.p95, "max": km.max})),
            "pops": self.rows().iter().map(pop).collect::<Vec<_>>(),
            "countries": countries.collect::<Vec<_>>(),
            "caches": Caches::of(self.side).json(),
            "credits": self.credits,
        })
    }
}

fn line(name: String, row: &Row, tally: &Tally) -> Vec<String> {
    let share = row.amounts.share_of(&tally.total);
    let km = |pick: fn(&crate::survey::Distances) -> f64| kilometers(row.km.as_ref().map(pick));
    vec![
        name,
        percent(share.v4),
        percent(share.v6),
        percent(share.people),
        km(|km| km.mean),
        km(|km| km.p50),
        km(|km| km.p95),
        km(|km| km.max),
    ]
}
