//! The route that has all files looked at: `POST reload`.

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::Desk;
use super::routes::{Failure, body};
use super::wire::{ErrorBody, Finding, Moves, ReloadBody, ReloadDone, ZoneEvent};
use crate::config::{Diagnostic, Severity};
use crate::reload::watch::{Asked, Cause, Report};
use crate::reload::{Event, Wish};
use crate::survey::Move;

/// How long a look may take: large databases on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_mins(2);

/// Looks at all files now, or says what would come of it.
#[utoipa::path(post, path = "/api/v1/reload", request_body = ReloadBody, security(("token" = [])), responses(
    (status = 200, description = "what came of it, refusals included", body = ReloadDone),
    (status = 400, description = "it makes no sense", body = ErrorBody),
    (status = 401, description = "over TCP: no token, or an unknown one", body = ErrorBody),
    (status = 504, description = "it takes long, and goes on", body = ErrorBody),
))]
pub(super) async fn reload(
    State(desk): State<Desk>,
    octets: Result<Bytes, BytesRejection>,
) -> Result<Json<ReloadDone>, Failure> {
    let asked: ReloadBody = body(octets, "a reload", r#"for example `{"dry_run": true}`, or `{}`"#)?;
    let wish = Wish { confirm_removals: asked.confirm_removals, force: asked.force, survey: false };
    let (reply, answer) = oneshot::channel();
    let gone = || Failure::new(StatusCode::SERVICE_UNAVAILABLE, "the server is stopping", "");
    let cause = Cause::Asked(Asked { wish, rehearse: asked.dry_run, reply: Some(reply) });
    desk.reloads.send(cause).map_err(|_| gone())?;
    match timeout(PATIENCE, answer).await {
        Ok(Ok(report)) => Ok(Json(done(report))),
        Ok(Err(_)) => Err(gone()),
        Err(_) => {
            let help = "it goes on; look at `catchment status` and the log for what comes of it";
            Err(Failure::new(StatusCode::GATEWAY_TIMEOUT, format!("the reload takes longer than {PATIENCE:?}"), help))
        }
    }
}

fn done(report: Report) -> ReloadDone {
    let Report { rehearsed, before, generation, took, loaded } = report;
    ReloadDone {
        dry_run: rehearsed,
        before,
        generation,
        took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        zones: loaded.events.iter().map(event).collect(),
        findings: loaded.findings.diagnostics.0.into_iter().map(finding).collect(),
        databases_changed: loaded.database.changed,
        database_errors: loaded.database.errors,
        database_warnings: loaded.database.warnings,
        moves: loaded.moves.iter().map(moves).collect(),
        state_error: loaded.state_error,
    }
}

fn event(event: &Event) -> ZoneEvent {
    let (zone, what, numbers) = match event {
        Event::Added { zone, serial, records } => (zone, "added", Some((*serial, *records))),
        Event::Changed { zone, serial, records } => (zone, "changed", Some((*serial, *records))),
        Event::Kept(zone) => (zone, "kept", None),
        Event::NotLoaded(zone) => (zone, "not-loaded", None),
        Event::Vanished(zone) => (zone, "vanished", None),
        Event::Held(zone) => (zone, "held", None),
        Event::Removed(zone) => (zone, "removed", None),
    };
    let (serial, records) = numbers.unzip();
    ZoneEvent { zone: zone.to_string(), what: what.to_owned(), serial, records }
}

fn finding(diagnostic: Diagnostic) -> Finding {
    Finding {
        severity: match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
        .to_owned(),
        file: diagnostic.location.file.to_string(),
        line: diagnostic.location.line,
        column: diagnostic.location.column,
        message: diagnostic.message,
        help: diagnostic.help,
    }
}

fn moves(one: &Move) -> Moves {
    Moves {
        names: one.names.iter().map(|(name, _)| name.to_string()).collect(),
        v4: one.share.v4,
        v6: one.share.v6,
        people: one.share.people,
    }
}
