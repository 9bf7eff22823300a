//! A survey as GeoJSON (RFC 7946): PoPs, and clients gathered by place, as points.

use serde_json::{Value, json};

use super::clients::{Catchments, ClientPlace, PopMark, State};
use crate::geo::Place;

/// A feature collection: every PoP whose place is known, then clients of one country within a quarter of a degree, with
/// who serves most of them.
pub fn geojson(catchments: &Catchments) -> Value {
    let pops = catchments.pops.iter().filter_map(pop);
    let clients = catchments.clients.iter().map(|client| of_clients(catchments, client));
    json!({
        "type": "FeatureCollection",
        "name": catchments.title,
        "description": catchments.subtitle,
        "credits": catchments.credits,
        "features": pops.chain(clients).collect::<Vec<_>>(),
    })
}

fn pop(pop: &PopMark) -> Option<Value> {
    let state = match pop.state {
        State::Up => "up",
        State::Drained => "drained",
        State::Down => "down",
    };
    let properties = json!({
        "kind": "pop",
        "pop": pop.name,
        "state": state,
        "ipv4_share": pop.v4,
        "ipv6_share": pop.v6,
        "people_share": pop.people,
    });
    Some(feature(pop.place?, &properties))
}

fn of_clients(catchments: &Catchments, client: &ClientPlace) -> Value {
    let pop = client.pop.and_then(|pop| catchments.pops.get(usize::from(pop))).map(|pop| pop.name.as_str());
    let properties = json!({
        "kind": "clients",
        "country": client.country.map(|country| country.to_string()),
        "pop": pop,
        "pop_share": client.share,
        "ipv4_addresses": client.v4.round(),
        "ipv6_records": client.v6.round(),
        "people": client.people.round(),
    });
    feature(client.place, &properties)
}

fn feature(place: Place, properties: &Value) -> Value {
    json!({
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [place.longitude(), place.latitude()]},
        "properties": properties,
    })
}
