//! The routes of `/api/v1`.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Extension, State};
use axum::http::header::CONTENT_LENGTH;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router, extract, middleware};
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::reload::reload;
use super::wire::{ActionWord, ErrorBody, Health, OrderBody, OrderDone, OverrideList, PREFIX, Status};
use super::{Desk, OrderError, Request, lookups, openapi, view};
use crate::health::overrides::{Action, Order, RefusalKind};

/// Largest body of a request, in octets: an order is a few hundred.
pub const MAX_BODY: usize = 16 << 10;
/// Longest name a client gives for itself, in characters.
const MAX_BY: usize = 64;
/// How long an order may wait for the disk.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who is at the other end.
#[derive(Clone, Debug)]
pub(super) struct Peer(pub(super) String);

/// The routes, for one connection's peer.
pub(super) fn router(desk: Desk) -> Router {
    let routes = Router::new()
        .route("/status", get(status))
        .route("/health", get(health))
        .route("/traffic", get(lookups::traffic))
        .route("/overrides", get(overrides).post(order))
        .route("/reload", post(reload))
        .route("/zones", get(lookups::zones))
        .route("/pops", get(lookups::pops))
        .route("/services", get(lookups::services))
        .route("/targets", get(lookups::targets))
        .route("/explain", get(lookups::explain))
        .route("/preview", get(lookups::preview))
        .route("/push", post(lookups::push));
    Router::new()
        .nest(PREFIX, routes)
        .route("/metrics", get(lookups::metrics))
        .route("/healthz", get(lookups::healthz))
        .route("/readyz", get(lookups::readyz))
        .route("/openapi.json", get(openapi::document))
        .fallback(nowhere)
        .method_not_allowed_fallback(not_so)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn(announced))
        .with_state(desk)
}

/// Refuses a body that is announced as too long, without waiting for it.
async fn announced(request: extract::Request, next: middleware::Next) -> Response {
    let length = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > MAX_BODY as u64) {
        let help = format!("at most {MAX_BODY} octets are read");
        return Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is too long", help).into_response();
    }
    next.run(request).await
}

/// How the server is.
#[utoipa::path(get, path = "/api/v1/status", responses((status = 200, body = Status)))]
pub(super) async fn status(State(desk): State<Desk>) -> Json<Status> {
    Json(view::status(&desk))
}

/// Every target, every service at every PoP, and what is not as usual.
#[utoipa::path(get, path = "/api/v1/health", responses((status = 200, body = Health)))]
pub(super) async fn health(State(desk): State<Desk>) -> Json<Health> {
    Json(view::health(&desk))
}

/// What operators said.
#[utoipa::path(get, path = "/api/v1/overrides", responses((status = 200, body = OverrideList)))]
pub(super) async fn overrides(State(desk): State<Desk>) -> Json<OverrideList> {
    let (overrides, files) = (desk.overrides.borrow().clone(), desk.files.borrow().clone());
    Json(OverrideList { overrides: view::overrides(&overrides, &files, view::unix_ms()) })
}

/// Drains, forces, or takes that back. Answered when it is written down and in force.
#[utoipa::path(post, path = "/api/v1/overrides", request_body = OrderBody, security(("token" = [])), responses(
    (status = 200, body = OrderDone),
    (status = 400, description = "it makes no sense", body = ErrorBody),
    (status = 401, description = "over TCP: no token, or an unknown one", body = ErrorBody),
    (status = 404, description = "there is no such PoP or service", body = ErrorBody),
    (status = 409, description = "refused as things are", body = ErrorBody),
    (status = 413, description = "the body is too long", body = ErrorBody),
    (status = 500, description = "it could not be written down; nothing was changed", body = ErrorBody),
))]
pub(super) async fn order(
    State(desk): State<Desk>,
    Extension(Peer(peer)): Extension<Peer>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<OrderDone>, Failure> {
    let body: OrderBody = self::body(
        body,
        "an order",
        r#"for example `{"target": "fra", "action": "drain", "reason": "maintenance", "for_seconds": 7200}`"#,
    )?;
    let (reply, answer) = oneshot::channel();
    let gone = || Failure::new(StatusCode::SERVICE_UNAVAILABLE, "the server is stopping", "");
    desk.orders.send(Request { order: to_order(body, &peer)?, reply }).await.map_err(|_| gone())?;
    let answered = timeout(PATIENCE, answer).await.map_err(|_| {
        let help = "the state directory may be stuck; look at `catchment status` whether it came into force";
        Failure::new(StatusCode::GATEWAY_TIMEOUT, "the order is not written down yet", help)
    })?;
    match answered.map_err(|_| gone())? {
        Ok(done) => Ok(Json(view::done(&done, &desk.files.borrow()))),
        Err(OrderError::Refused(refusal)) => {
            let status = match refusal.kind {
                RefusalKind::Invalid => StatusCode::BAD_REQUEST,
                RefusalKind::Unknown => StatusCode::NOT_FOUND,
                RefusalKind::Conflict => StatusCode::CONFLICT,
            };
            Err(Failure { status, body: ErrorBody { error: refusal.message, help: refusal.help } })
        }
        Err(OrderError::NotKept(words)) => {
            let help = "nothing was changed; mend the state directory and try again";
            let message = format!("the order could not be written down: {words}");
            Err(Failure::new(StatusCode::INTERNAL_SERVER_ERROR, message, help))
        }
    }
}

/// A body as one of the API's types.
pub(super) fn body<T: DeserializeOwned>(
    octets: Result<Bytes, BytesRejection>,
    what: &str,
    example: &str,
) -> Result<T, Failure> {
    let octets = octets.map_err(|rejection| {
        let help = format!("at most {MAX_BODY} octets are read");
        Failure::new(rejection.status(), "the body could not be read", help)
    })?;
    serde_json::from_slice(&octets)
        .map_err(|error| Failure::new(StatusCode::BAD_REQUEST, format!("the body is not {what}: {error}"), example))
}

fn to_order(body: OrderBody, peer: &str) -> Result<Order, Failure> {
    let said = body.by.trim();
    if said.chars().count() > MAX_BY || said.contains(char::is_control) {
        let help = format!("one line of at most {MAX_BY} characters");
        return Err(Failure::new(StatusCode::BAD_REQUEST, "`by` is not a name", help));
    }
    let by = if said.is_empty() || said == peer { peer.to_owned() } else { format!("{said} (as {peer})") };
    Ok(Order {
        target: body.target,
        action: match body.action {
            ActionWord::Drain => Action::Drain,
            ActionWord::Undrain => Action::Undrain,
            ActionWord::Up => Action::Up,
            ActionWord::Down => Action::Down,
            ActionWord::Clear => Action::Clear,
        },
        lasts: body.for_seconds.map(Duration::from_secs),
        over: body.over_seconds.map(Duration::from_secs),
        reason: body.reason,
        by,
        force: body.force,
    })
}

async fn nowhere(uri: Uri) -> Failure {
    let help = "`/openapi.json` has them all";
    let path: String = uri.path().chars().take(100).collect();
    Failure::new(StatusCode::NOT_FOUND, format!("there is nothing at `{path}`"), help)
}

async fn not_so() -> Failure {
    let help = format!("GET reads; `{PREFIX}/overrides`, `{PREFIX}/reload` and `{PREFIX}/push` take POST");
    Failure::new(StatusCode::METHOD_NOT_ALLOWED, "this method is not answered here", help)
}

/// A refusal with its status code.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    body: ErrorBody,
}

impl Failure {
    pub(super) fn new(status: StatusCode, error: impl Into<String>, help: impl Into<String>) -> Self {
        let help = help.into();
        Self { status, body: ErrorBody { error: error.into(), help: (!help.is_empty()).then_some(help) } }
    }
}

impl Failure {
    #[cfg(test)]
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.status, Json(self.body)).into_response()
    }
}
