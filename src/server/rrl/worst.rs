//! Which networks are limited most, in little room: places by hash, and in each the one that comes more often than all others
//! together (Boyer and Moore's majority).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::mix;

/// A network that is limited as one: a /24 or a /56.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(pub(super) u64);

/// Set on the numbers of IPv4 networks. Those of IPv6 have their 56 bits above 8 that are 0.
const V4: u64 = 1;

impl Network {
    /// The one an address is in. IPv4 within IPv6 counts as IPv4.
    #[inline]
    pub(super) fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::of_v4(address),
            IpAddr::V6(address) => match address.to_ipv4_mapped() {
                Some(address) => Self::of_v4(address),
                None => Self((address.to_bits() >> 64) as u64 & !0xff),
            },
        }
    }

    #[inline]
    fn of_v4(address: Ipv4Addr) -> Self {
        Self(u64::from(address.to_bits() & !0xff) | V4)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 & V4 == V4 {
            write!(f, "{}/24", Ipv4Addr::from_bits(self.0 as u32 & !0xff))
        } else {
            write!(f, "{}/56", Ipv6Addr::from_bits(u128::from(self.0) << 64))
        }
    }
}

/// Places; a flood has one network or some hundreds, and a line of the log names five.
const PLACES: usize = 512;

#[derive(Debug)]
pub(super) struct Worst {
    places: Box<[Place]>,
}

#[derive(Debug)]
struct Place {
    network: AtomicU64,
    /// How much more often this one came than all others; 0: nobody has the place.
    lead: AtomicU64,
}

impl Worst {
    pub(super) fn new() -> Self {
        Self { places: (0..PLACES).map(|_| Place { network: AtomicU64::new(0), lead: AtomicU64::new(0) }).collect() }
    }

    /// A network was limited. Threads that do this at the same time may lose some of it: it is for a line of the log.
    pub(super) fn note(&self, network: Network, seed: [u64; 2]) {
        let Some(place) = self.places.get(mix(network.0 ^ seed[1], seed[0] | 1) as usize % PLACES) else { return };
        let lead = place.lead.load(Relaxed);
        if lead == 0 {
            place.network.store(network.0, Relaxed);
        }
        if place.network.load(Relaxed) == network.0 {
            place.lead.fetch_add(1, Relaxed);
        } else {
            place.lead.store(lead.saturating_sub(1), Relaxed);
        }
    }

    /// Those that were limited most since the last call, most first; of each, by how much it leads.
    pub(super) fn take(&self) -> Vec<(Network, u64)> {
        let mut worst: Vec<_> = self
            .places
            .iter()
            .map(|place| (Network(place.network.load(Relaxed)), place.lead.swap(0, Relaxed)))
            .filter(|(_, lead)| *lead > 0)
            .collect();
        worst.sort_unstable_by_key(|(network, lead)| (std::cmp::Reverse(*lead), network.0));
        worst
    }
}
