//! `/openapi.json`: the API described from the types and routes themselves.

use axum::Json;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::{lookups, reload, routes};

/// The description.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Catchment control API",
        description = "Reads for whoever reaches the address; writes over the control socket, or over TCP with a token. Fields are \
                       added, never renamed or removed, within a version.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    modifiers(&Token),
    paths(
        lookups::healthz,
        lookups::readyz,
        lookups::metrics,
        routes::status,
        routes::health,
        lookups::traffic,
        routes::overrides,
        routes::order,
        reload::reload,
        lookups::zones,
        lookups::pops,
        lookups::services,
        lookups::targets,
        lookups::explain,
        lookups::preview,
        lookups::push,
    )
)]
struct Description;

/// The token of writes.
struct Token;

impl Modify for Token {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
        openapi.components.get_or_insert_default().add_security_scheme("token", scheme);
    }
}

/// This description.
pub(super) async fn document() -> Json<utoipa::openapi::OpenApi> {
    Json(Description::openapi())
}
