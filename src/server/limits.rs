//! Who may hold a TCP connection: a total and a share per client, and when either is full the idlest goes.
//!
//! A newcomer always gets in: refusing it would let whoever connected first keep everyone else out. The idlest is the
//! connection whose last whole message, or last answer, is longest ago; one that trickles octets is idle. Knows nothing
//! of sockets; the time is an argument.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{
    AtomicU8, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwap;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::TcpSettings;

/// The limits of TCP in force. Clones share them; they may be set while serving.
#[derive(Clone, Debug)]
pub struct TcpLimits(Arc<ArcSwap<TcpSettings>>);

impl TcpLimits {
    pub(super) fn new(settings: TcpSettings) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(settings)))
    }

    /// From now on these hold. Connections beyond a lowered number go one after another when the next newcomer arrives;
    /// one that waits already goes by the times it began to wait with.
    pub fn set(&self, settings: TcpSettings) {
        self.0.store(Arc::new(settings));
    }

    pub(super) fn get(&self) -> TcpSettings {
        **self.0.load()
    }
}

/// The seats of all TCP listeners of a server.
#[derive(Debug)]
pub(super) struct Seats {
    limits: TcpLimits,
    epoch: Instant,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    /// What newcomers are told.
    word: Word,
    seats: HashMap<u64, Arc<State>>,
    clients: HashMap<Client, usize>,
}

#[derive(Debug)]
struct State {
    client: Client,
    /// Microseconds after `epoch`.
    active: AtomicU64,
    /// A [`Word`].
    told: AtomicU8,
    /// Rung when there is a new one.
    bell: Notify,
}

/// What a connection is told; a later one of these holds instead of those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Word {
    /// Nothing.
    #[default]
    Stay,
    /// The server drains: answer what has arrived, and go.
    Finish,
    /// Its seat is needed: go now.
    Leave,
    /// The server's grace is over: go now.
    End,
}

impl State {
    fn tell(&self, word: Word) {
        self.told.fetch_max(word as u8, Release);
        self.bell.notify_one();
    }
}

/// Who shares a limit: an IPv4 address, or an IPv6 /64, the least that one client is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Client {
    V4(u32),
    V6(u64),
}

impl Client {
    fn new(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(address.into()),
            IpAddr::V6(address) => Self::V6((u128::from(address) >> 64) as u64),
        }
    }
}

impl Seats {
    /// Room for as many connections, in all and of one client, as the limits say; for one at least.
    pub(super) fn new(limits: TcpLimits, now: Instant) -> Arc<Self> {
        Arc::new(Self { limits, epoch: now, taken: Mutex::default() })
    }

    /// A seat for a new connection. If its client's share is used up, the client's own idlest connection is told to
    /// close; else, if all seats are taken, the idlest of all.
    pub(super) fn admit(self: &Arc<Self>, client: IpAddr, now: Instant) -> Seat {
        let client = Client::new(client);
        let TcpSettings { connections, per_client, .. } = self.limits.get();
        let mut taken = self.lock();
        // More than one goes only when a limit was lowered.
        while taken.clients.get(&client).is_some_and(|&count| count >= per_client.max(1)) {
            taken.evict_idlest(Some(client));
        }
        while taken.seats.len() >= connections.max(1) {
            taken.evict_idlest(None);
        }
        let id = taken.next;
        taken.next += 1;
        let active = AtomicU64::new(self.micros(now));
        let state = Arc::new(State { client, active, told: AtomicU8::new(taken.word as u8), bell: Notify::new() });
        taken.seats.insert(id, Arc::clone(&state));
        *taken.clients.entry(client).or_default() += 1;
        drop(taken);
        Seat { seats: Arc::clone(self), id, state }
    }

    /// Tells the idlest connection to close, as when the process has run out of descriptors.
    pub(super) fn evict_idlest(&self) {
        self.lock().evict_idlest(None);
    }

    /// Tells all connections, and those to come.
    pub(super) fn tell_all(&self, word: Word) {
        let mut taken = self.lock();
        taken.word = taken.word.max(word);
        taken.seats.values().for_each(|state| state.tell(word));
    }

    fn micros(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.epoch).as_micros() as u64
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Frees the seat at once; its connection learns of it when its task next runs.
    fn evict_idlest(&mut self, of: Option<Client>) {
        // A scan, and only when full: a thousand loads cost less than the accept that asks for them. Equal times are
        // told apart by age.
        let idlest = self
            .seats
            .iter()
            .filter(|(_, state)| of.is_none_or(|client| state.client == client))
            .min_by_key(|(id, state)| (state.active.load(Relaxed), **id))
            .map(|(id, state)| (*id, Arc::clone(state)));
        if let Some((id, state)) = idlest {
            self.free(id);
            state.tell(Word::Leave);
        }
    }

    fn free(&mut self, id: u64) {
        let Some(state) = self.seats.remove(&id) else { return };
        if let Some(count) = self.clients.get_mut(&state.client) {
            *count -= 1;
            if *count == 0 {
                self.clients.remove(&state.client);
            }
        }
    }
}

/// One connection's seat, freed when dropped.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Arc<Seats>,
    id: u64,
    state: Arc<State>,
}

impl Seat {
    /// The connection did something useful now.
    pub(super) fn touch(&self, now: Instant) {
        self.state.active.store(self.seats.micros(now), Relaxed);
    }

    /// What the connection is told now.
    pub(super) fn told(&self) -> Word {
        match self.state.told.load(Acquire) {
            0 => Word::Stay,
            1 => Word::Finish,
            2 => Word::Leave,
            _ => Word::End,
        }
    }

    /// Rung when it is told something new. A ring that nobody waits for is kept for the next who does.
    pub(super) fn bell(&self) -> Bell {
        Bell(Arc::clone(&self.state))
    }
}

/// See [`Seat::bell`].
pub(super) struct Bell(Arc<State>);

impl Bell {
    pub(super) fn rung(&self) -> Notified<'_> {
        self.0.bell.notified()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.lock().free(self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn evicted(seats: &[&Seat]) -> Vec<bool> {
        seats.iter().map(|seat| seat.told() == Word::Leave).collect()
    }

    /// Seats, and the time they are asked at.
    struct Room {
        seats: Arc<Seats>,
        now: Instant,
    }

    impl Room {
        fn new(total: usize, per_client: usize) -> Self {
            let now = Instant::now();
            let limits = TcpLimits::new(TcpSettings { connections: total, per_client, ..TcpSettings::default() });
            Self { seats: Seats::new(limits, now), now }
        }

        fn set(&self, total: usize, per_client: usize) {
            self.seats.limits.set(TcpSettings { connections: total, per_client, ..TcpSettings::default() });
        }

        fn pass(&mut self) {
            self.now += Duration::from_millis(5);
        }

        fn admit(&self, client: &str) -> Seat {
            self.seats.admit(client.parse().unwrap(), self.now)
        }
    }

    #[test]
    fn when_all_seats_are_taken_the_idlest_goes() {
        let mut room = Room::new(3, 3);
        let first = room.admit("192.0.2.1");
        room.pass();
        let (second, third) = (room.admit("192.0.2.2"), room.admit("192.0.2.3"));
        room.pass();
        first.touch(room.now);
        let fourth = room.admit("192.0.2.4");
        assert_eq!(evicted(&[&first, &second, &third, &fourth]), [false, true, false, false]);
        // The seat was freed already: its owner's leaving frees no second one.
        drop(second);
        let fifth = room.admit("192.0.2.5");
        assert_eq!(evicted(&[&first, &third, &fourth, &fifth]), [false, true, false, false]);
    }

    #[test]
    fn a_client_over_its_share_displaces_itself() {
        let mut room = Room::new(10, 2);
        let other = room.admit("192.0.2.9");
        room.pass();
        let (a, b) = (room.admit("2001:db8::1"), room.admit("2001:db8::2:0:0:1"));
        let c = room.admit("2001:db8::3");
        assert_eq!(evicted(&[&other, &a, &b, &c]), [false, true, false, false]);
        let d = room.admit("2001:db8:0:1::1");
        assert_eq!(evicted(&[&other, &b, &c, &d]), [false; 4]);
    }

    #[test]
    fn lowered_limits_hold_from_the_next_newcomer_on() {
        let mut room = Room::new(6, 6);
        let mut seats = Vec::new();
        for client in ["192.0.2.1", "192.0.2.2", "192.0.2.2", "192.0.2.2", "192.0.2.3"] {
            room.pass();
            seats.push(room.admit(client));
        }
        room.set(6, 2);
        seats.push(room.admit("192.0.2.2"));
        assert_eq!(evicted(&seats.iter().collect::<Vec<_>>()), [false, true, true, false, false, false]);
        room.set(2, 2);
        seats.push(room.admit("192.0.2.4"));
        assert_eq!(evicted(&seats.iter().collect::<Vec<_>>()), [true, true, true, true, true, false, false]);
        room.set(9, 9);
        seats.push(room.admit("192.0.2.4"));
        assert_eq!(evicted(&seats[5..].iter().collect::<Vec<_>>()), [false; 3]);
    }

    #[tokio::test]
    async fn all_are_told_those_to_come_too_and_what_was_said_later_holds() {
        let room = Room::new(2, 2);
        let first = room.admit("192.0.2.1");
        room.seats.tell_all(Word::Finish);
        let (second, third) = (room.admit("192.0.2.2"), room.admit("192.0.2.3"));
        assert_eq!([&first, &second, &third].map(Seat::told), [Word::Leave, Word::Finish, Word::Finish]);
        room.seats.tell_all(Word::End);
        room.seats.tell_all(Word::Finish);
        // Who had to leave has no seat any more, and leaves for that.
        assert_eq!([&first, &second, &third].map(Seat::told), [Word::Leave, Word::End, Word::End]);
        // Rung before anybody waited.
        second.bell().rung().await;
    }

    #[test]
    fn seats_come_back() {
        let room = Room::new(1, 1);
        for _ in 0..3 {
            let seat = room.admit("192.0.2.1");
            assert_eq!(seat.told(), Word::Stay);
        }
        let taken = room.seats.lock();
        assert!(taken.seats.is_empty() && taken.clients.is_empty());
    }
}
