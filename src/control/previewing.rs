//! `GET preview`: where clients would go if PoPs failed or were drained, from how things stand in the running server.

use std::sync::{Mutex, TryLockError};

use axum::http::StatusCode;

use super::Desk;
use super::explaining::name_of;
use super::lookups::PreviewQuery;
use super::routes::Failure;
use super::wire::{Clients, Kilometers, Preview, PreviewFlow, PreviewPop};
use crate::explain::{Assume, steer_of};
use crate::steering::Family;
use crate::survey::{Amounts, Change, Ground, Side};

/// Walks the whole address space: one at a time, as each takes some tenths of a second of a core with full databases.
static ONE: Mutex<()> = Mutex::new(());

pub(super) fn preview(desk: &Desk, query: &PreviewQuery) -> Result<Preview, Failure> {
    let wrong = |error: String| Failure::new(StatusCode::BAD_REQUEST, error, "");
    let name = name_of(&query.name).map_err(wrong)?;
    let list = |words: &Option<String>| -> Vec<String> {
        words.iter().flat_map(|words| words.split(',')).filter(|word| !word.is_empty()).map(str::to_owned).collect()
    };
    let assume = Assume { down: list(&query.down), drain: list(&query.drain), up: list(&query.up) };
    if assume.is_empty() {
        let help = "for example `?name=www.example.com&down=fra`";
        return Err(Failure::new(StatusCode::BAD_REQUEST, "nothing is assumed", help));
    }
    let snapshot = desk.current.load_full();
    if let Some(error) = assume.unknown(&snapshot) {
        return Err(wrong(error));
    }
    let steer = steer_of(&snapshot, &name).ok_or_else(|| wrong(format!("`{name}` is not steered here")))?;
    let _one = match ONE.try_lock() {
        Ok(one) => one,
        // Whoever panicked there left nothing half done.
        Err(TryLockError::Poisoned(one)) => one.into_inner(),
        Err(TryLockError::WouldBlock) => {
            let help = "one is worked out at a time; ask again in a second";
            return Err(Failure::new(StatusCode::SERVICE_UNAVAILABLE, "another preview is under way", help));
        }
    };
    let live = snapshot.live().clone();
    let side = |assume: &Assume| {
        let side = Side::now(&snapshot, &live, steer.map, assume);
        side.ok_or_else(|| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "the name is of another snapshot", ""))
    };
    let (now, then) = (side(&Assume::default())?, side(&assume)?);
    let change = Change::new(&now, &then, &Ground::of(&now));
    Ok(Preview {
        name: name.to_string(),
        service: then.map.service.name.clone(),
        policy: then.map.policy.name.clone(),
        rtype: match then.family {
            Family::V4 => "A".to_owned(),
            Family::V6 => "AAAA".to_owned(),
        },
        generation: snapshot.generation,
        epoch: live.epoch,
        total: clients(&change.total, &change),
        moved: clients(&change.moved, &change),
        moved_km: change.moved_km.map(kilometers),
        km: change.km.map(kilometers),
        flows: flows(&change),
        pops: pops(&change),
    })
}

fn flows(change: &Change) -> Vec<PreviewFlow> {
    let mut flows: Vec<_> = change.flows.iter().filter(|flow| flow.from != flow.to).collect();
    let size = |amounts: &Amounts| if change.total.v4 > 0.0 { amounts.v4 } else { amounts.v6 };
    flows.sort_by(|a, b| size(&b.amounts).total_cmp(&size(&a.amounts)));
    let flow = |flow: &crate::survey::Flow| PreviewFlow {
        from: change.name(flow.from).to_owned(),
        to: change.name(flow.to).to_owned(),
        clients: clients(&flow.amounts, change),
        km: flow.km.map(kilometers),
    };
    flows.into_iter().map(flow).collect()
}

fn pops(change: &Change) -> Vec<PreviewPop> {
    let mut servers: Vec<_> = change.flows.iter().flat_map(|flow| [flow.from, flow.to]).collect();
    servers.sort_unstable();
    servers.dedup();
    let pop = |server| {
        let [before, after] = change.clients(server).map(|amounts| clients(&amounts, change));
        PreviewPop { pop: change.name(server).to_owned(), before, after }
    };
    servers.into_iter().map(pop).collect()
}

fn clients(amounts: &Amounts, change: &Change) -> Clients {
    let share = amounts.share_of(&change.total);
    Clients {
        ipv4_addresses: amounts.v4,
        ipv4_share: share.v4,
        ipv6_records: amounts.v6,
        ipv6_share: share.v6,
        people: amounts.people.round(),
        people_share: share.people,
    }
}

fn kilometers([before, after]: [f64; 2]) -> Kilometers {
    Kilometers { before, after }
}
