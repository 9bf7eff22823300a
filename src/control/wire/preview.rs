//! Where clients would go if PoPs failed or were drained.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `GET preview`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Preview {
    /// The steered name.
    pub name: String,
    /// The service served there.
    pub service: String,
    /// The policy that chooses.
    pub policy: String,
    /// The answers that are looked at: `A`, or `AAAA` where the service has no IPv4.
    #[serde(rename = "type")]
    pub rtype: String,
    /// The generation that this is of.
    pub generation: u64,
    /// The state of health that it begins with.
    pub epoch: u64,
    /// All clients that something is known of.
    pub total: Clients,
    /// Those who would be served by another.
    pub moved: Clients,
    /// Mean kilometers of those now, and then; missing where no place is known.
    pub moved_km: Option<Kilometers>,
    /// The same of all clients.
    pub km: Option<Kilometers>,
    /// From whom to whom, the most first; those who stay are not among them.
    pub flows: Vec<PreviewFlow>,
    /// Each PoP's clients now, and then.
    pub pops: Vec<PreviewPop>,
}

/// How many clients, counted in three ways, with their shares of all (0 to 1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Clients {
    /// Addresses of IPv4.
    pub ipv4_addresses: f64,
    /// Of all of them.
    pub ipv4_share: f64,
    /// Records of the database for IPv6, whose addresses say nothing of clients.
    pub ipv6_records: f64,
    /// Of all of them.
    pub ipv6_share: f64,
    /// People: each country's population spread over its IPv4 addresses.
    pub people: f64,
    /// Of all of them.
    pub people_share: f64,
}

/// Mean great-circle kilometers to who serves.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Kilometers {
    /// Now.
    pub before: f64,
    /// Then.
    pub after: f64,
}

/// Clients who would go from one PoP to another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PreviewFlow {
    /// Who serves them now: a PoP, `fallback` or `nobody`.
    pub from: String,
    /// Who would.
    pub to: String,
    /// How many.
    pub clients: Clients,
    /// How far they are.
    pub km: Option<Kilometers>,
}

/// A PoP's clients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PreviewPop {
    /// The PoP, `fallback` or `nobody`.
    pub pop: String,
    /// Now.
    pub before: Clients,
    /// Then.
    pub after: Clients,
}
