//! `GET explain`: the question read, and what the running server knows beside its tables.

use std::net::IpAddr;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::lookups::ExplainQuery;
use super::routes::Failure;
use super::{Desk, view};
use crate::dns::Name;
use crate::explain::{Assume, Background, Question, TargetWords, explain_with, json, text};
use crate::health::{Known, State};
use crate::net::Block;
use crate::snapshot::Snapshot;

/// Explains by what is known now.
pub(super) fn explain(desk: &Desk, query: &ExplainQuery) -> Result<Response, Failure> {
    let wrong = |error: String| Failure::new(StatusCode::BAD_REQUEST, error, "");
    let snapshot = desk.current.load_full();
    let question = question(query).map_err(wrong)?;
    if let Some(error) = question.assume.unknown(&snapshot) {
        return Err(wrong(error));
    }
    let background = background(desk, &snapshot).ok_or_else(|| {
        Failure::new(StatusCode::SERVICE_UNAVAILABLE, "a reload is under way", "ask again in a second")
    })?;
    let explained = explain_with(&snapshot, &snapshot.live(), &question, &background);
    let files = desk.files.borrow().clone();
    let credits: Vec<_> = files.databases.iter().filter_map(|used| used.credit.clone()).collect();
    match query.format.as_deref() {
        None | Some("json") => {
            let mut value = json::json(&question, &explained, &background);
            value["credits"] = credits.into();
            Ok(Json(value).into_response())
        }
        Some("text") => Ok(text::text(&question, &explained, &background, query.all == Some(true)).into_response()),
        Some(_) => Err(wrong("`format` is `json` or `text`".to_owned())),
    }
}

/// A name as it is written, absolute with its final dot or without.
pub(super) fn name_of(written: &str) -> Result<Name, String> {
    let absolute = format!("{}.", written.trim_end_matches('.'));
    Name::parse(&absolute, None).map_err(|error| format!("`name` is not a name: {error}"))
}

fn question(query: &ExplainQuery) -> Result<Question, String> {
    let name = name_of(&query.name)?;
    let subnet = query.subnet.as_deref().map(Block::parse).transpose().map_err(|error| format!("`subnet`: {error}"))?;
    let subnet = subnet.map(|block| (block.address(), block.length()));
    let client = query.client.as_deref().map(str::parse::<IpAddr>).transpose();
    let client = client.map_err(|_| "`client` is not an address".to_owned())?;
    let source = client.or(subnet.map(|(address, _)| address)).unwrap_or(IpAddr::from([127, 0, 0, 1]));
    let words: Vec<String> = query.assume.iter().flat_map(|words| words.split(',')).map(str::to_owned).collect();
    Ok(Question { name, source, subnet, assume: Assume::parse(&words)? })
}

/// `None` while the prober has another plan than the snapshot.
fn background(desk: &Desk, snapshot: &Snapshot) -> Option<Background> {
    let (overrides, files, guard) =
        (desk.overrides.borrow().clone(), desk.files.borrow().clone(), desk.guard.borrow().clone());
    let now_ms = view::unix_ms();
    let ((of, mut states), (same, returns)) = (desk.prober.states(), desk.prober.returns());
    if of != snapshot.generation || same != of {
        return None;
    }
    if guard.generation == of {
        for (state, held) in states.iter_mut().zip(&guard.held) {
            *state = held.unwrap_or(*state);
        }
    }
    let moment = |ago: Option<std::time::Duration>| ago.map_or(0, |ago| now_ms.saturating_sub(ago.as_millis() as u64));
    let mut targets = vec![TargetWords::default(); states.len()];
    for report in desk.prober.report() {
        let state = match report.state {
            State::Unknown | State::Up => continue,
            state @ (State::Suspect | State::Down | State::Recovering) => state.to_string(),
        };
        if let Some(words) = targets.get_mut(report.id.0 as usize) {
            let found = report.last.map(|last| last.observation.words.into_owned()).unwrap_or_default();
            *words = TargetWords { state, since: Some(report.since), found };
        }
    }
    let said = view::overrides(&overrides, &files, now_ms).into_iter().map(|item| {
        let words = format!("{} by {}: {}", item.word, item.by, item.reason);
        (item.service, item.pop, words)
    });
    let drains = files.pops.iter().filter_map(|pop| Some((pop.name.clone(), pop.written_drain.clone()?)));
    Some(Background {
        age: Some(std::time::Duration::ZERO),
        targets,
        drains: drains.collect(),
        said: said.collect(),
        serving: true,
        known: Known {
            states,
            returned_ms: returns.into_iter().map(moment).collect(),
            overrides: overrides.as_ref().clone(),
            now_ms,
        },
    })
}
