//! The routes that only look, and the one that takes values for `push` checks.

#![expect(unused_qualifications, reason = "in what the macros of utoipa write")]

use std::net::IpAddr;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;

use super::routes::{self, Failure};
use super::wire::{
    Alive, ErrorBody, PopList, Preview, PushBody, PushDone, Readiness, ServiceList, TargetList, Traffic, ZoneList,
};
use super::{Desk, explaining, metrics, previewing, ready, view};
use crate::health::CheckKind;
use crate::probe::Pushed;

/// Whether the process answers. For supervisors that restart it.
#[utoipa::path(get, path = "/healthz", responses((status = 200, body = Alive)))]
pub(super) async fn healthz() -> Json<Alive> {
    Json(Alive { alive: true })
}

/// Whether clients should be sent here, and why not. For load balancers and anycast.
#[utoipa::path(get, path = "/readyz", responses((status = 200, body = Readiness), (status = 503, body = Readiness)))]
pub(super) async fn readyz(State(desk): State<Desk>) -> (StatusCode, Json<Readiness>) {
    let readiness = ready::readiness(&desk);
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness))
}

/// Everything that is counted and measured, for Prometheus.
#[utoipa::path(get, path = "/metrics", responses((status = 200, body = String, content_type = "application/openmetrics-text")))]
pub(super) async fn metrics(State(desk): State<Desk>) -> Result<Response, Failure> {
    let text = aside(move || metrics::text(&desk)).await?;
    let text =
        text.map_err(|_| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be written", ""))?;
    Ok(([(CONTENT_TYPE, metrics::MEDIA_TYPE)], text).into_response())
}

/// Every zone.
#[utoipa::path(get, path = "/api/v1/zones", responses((status = 200, body = ZoneList)))]
pub(super) async fn zones(State(desk): State<Desk>) -> Json<ZoneList> {
    Json(view::zones(&desk))
}

/// Every PoP.
#[utoipa::path(get, path = "/api/v1/pops", responses((status = 200, body = PopList)))]
pub(super) async fn pops(State(desk): State<Desk>) -> Json<PopList> {
    Json(view::pops(&desk))
}

/// Every service at every PoP, as answers go by it now.
#[utoipa::path(get, path = "/api/v1/services", responses((status = 200, body = ServiceList)))]
pub(super) async fn services(State(desk): State<Desk>) -> Json<ServiceList> {
    Json(view::service_list(&desk))
}

/// Every target, with its last changes of state.
#[utoipa::path(get, path = "/api/v1/targets", responses((status = 200, body = TargetList)))]
pub(super) async fn targets(State(desk): State<Desk>) -> Json<TargetList> {
    Json(view::targets(&desk))
}

/// What was asked and answered since the start, and the names that are asked for most lately.
#[utoipa::path(get, path = "/api/v1/traffic", responses((status = 200, body = Traffic)))]
pub(super) async fn traffic(State(desk): State<Desk>) -> Json<Traffic> {
    Json(view::traffic(&desk))
}

/// What is to be explained.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ExplainQuery {
    /// The name that is asked for.
    pub(super) name: String,
    /// The packet's source; otherwise the address of the subnet, or 127.0.0.1.
    pub(super) client: Option<String>,
    /// The client subnet: `ADDRESS/LENGTH`.
    pub(super) subnet: Option<String>,
    /// Assumptions: `down=fra,lhr,drain=ams,up=web@iad`.
    pub(super) assume: Option<String>,
    /// `json` (default), or `text`: as `catchment explain` prints it.
    pub(super) format: Option<String>,
    /// Whether `text` shows every candidate, however many.
    pub(super) all: Option<bool>,
}

/// Why a client is sent where it is sent, by what the running server knows.
#[utoipa::path(get, path = "/api/v1/explain", params(ExplainQuery), responses(
    (status = 200, body = serde_json::Value),
    (status = 400, body = ErrorBody),
    (status = 503, description = "a reload is under way", body = ErrorBody),
))]
pub(super) async fn explain(
    State(desk): State<Desk>,
    query: Result<Query<ExplainQuery>, QueryRejection>,
) -> Result<Response, Failure> {
    let Query(query) = query.map_err(|rejection| {
        let help = "for example `?name=www.example.com&client=192.0.2.1`";
        Failure::new(StatusCode::BAD_REQUEST, rejection.body_text(), help)
    })?;
    aside(move || explaining::explain(&desk, &query)).await?
}

/// What is to be previewed. Each list has PoPs (`fra`), or a service at one (`web@fra`), with commas between them.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct PreviewQuery {
    /// The steered name, or one that leads there.
    pub(super) name: String,
    /// These fail.
    pub(super) down: Option<String>,
    /// These are drained.
    pub(super) drain: Option<String>,
    /// These come back.
    pub(super) up: Option<String>,
}

/// Where clients would go if PoPs failed or were drained, from how things stand now: its health and its orders.
#[utoipa::path(get, path = "/api/v1/preview", params(PreviewQuery), responses(
    (status = 200, body = Preview),
    (status = 400, body = ErrorBody),
    (status = 503, description = "another one is worked out", body = ErrorBody),
))]
pub(super) async fn preview(
    State(desk): State<Desk>,
    query: Result<Query<PreviewQuery>, QueryRejection>,
) -> Result<Json<Preview>, Failure> {
    let Query(query) = query.map_err(|rejection| {
        let help = "for example `?name=www.example.com&down=fra`";
        Failure::new(StatusCode::BAD_REQUEST, rejection.body_text(), help)
    })?;
    aside(move || previewing::preview(&desk, &query)).await?.map(Json)
}

/// What a body of `push` is like.
const PUSH: &str = r#"for example `{"name": "web", "up": false, "for_seconds": 600, "text": "disk full"}`"#;

/// Takes a value for `push` checks.
#[utoipa::path(post, path = "/api/v1/push", request_body = PushBody, security(("token" = [])), responses(
    (status = 200, body = PushDone),
    (status = 400, body = ErrorBody),
    (status = 401, description = "over TCP: no token, or an unknown one", body = ErrorBody),
    (status = 404, description = "no check has that name", body = ErrorBody),
))]
pub(super) async fn push(
    State(desk): State<Desk>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<PushDone>, Failure> {
    let wrong = |error: String| Failure::new(StatusCode::BAD_REQUEST, error, PUSH);
    let body: PushBody = routes::body(body, "a value", PUSH)?;
    let address = body.address.as_deref().map(str::parse::<IpAddr>).transpose();
    let address = address.map_err(|_| wrong("`address` is not an address".to_owned()))?;
    let fits = |target: &crate::health::Target| {
        let named = matches!(&target.check.kind, CheckKind::Push(push) if push.name == body.name);
        named && address.is_none_or(|address| target.address.ip() == address)
    };
    let targets = desk.prober.report().iter().filter(|report| fits(&report.target)).count();
    if targets == 0 {
        let help = "a check says `push: NAME`, and a target has it";
        return Err(Failure::new(StatusCode::NOT_FOUND, "no target has a check of that name", help));
    }
    let value = Pushed { up: body.up, lifetime: Duration::from_secs(body.for_seconds), text: one_line(&body.text) };
    let written = aside(move || desk.prober.push(&body.name, address, &value)).await?;
    match written {
        Ok(()) => Ok(Json(PushDone { targets })),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => {
            Err(wrong("`for_seconds` is 1 to 2592000".to_owned()))
        }
        Err(error) => {
            let help = "nothing was changed; mend the state directory and try again";
            let message = format!("the value could not be written down: {error}");
            Err(Failure::new(StatusCode::INTERNAL_SERVER_ERROR, message, help))
        }
    }
}

/// The first line without control characters, at most 200 of them.
fn one_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().filter(|c| !c.is_control()).take(200).collect()
}

/// Work of some milliseconds, beside the tasks that answer.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "this failed unexpectedly; please report it", ""))
}
