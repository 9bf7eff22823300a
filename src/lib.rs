//! Catchment: an authoritative DNS server that sends every client to its nearest healthy point of presence (PoP).
//!
//! Work has three temperatures, and a file has only one of them. **Cold**: files become a model, a model becomes a
//! snapshot; this may allocate, may take seconds, and fails with a page of advice. **Warm**: probes, reload, admin;
//! async, bounded, retried. **Hot**: a packet becomes an answer; synchronous, allocates nothing, cannot fail.
//!
//! The rooms, in reading order (who may import whom is held by `tests/architecture.rs`; the map is
//! `docs/ARCHITECTURE.md`).

// A file per command.
pub mod cli;
// Model + geo database + previous health → snapshot.
pub mod compile;
// Texts with their paths → model, or every diagnostic at once.
pub mod config;
// The control API over a Unix socket: what operators see of a running server, and what they tell it.
pub mod control;
// Builds the rooms; owns tasks, signals and the order of shutdown.
pub mod daemon;
// The protocol's words: names, messages, EDNS, client subnet, RDATA text. Knows nothing of zones or sockets.
pub mod dns;
// How good the steering of a map is: nearest rates, failures, caches, against an oracle of its own.
pub mod evaluate;
// Decides again with reasons, and holds the result against the live tables.
pub mod explain;
// Fetches databases: asks, unpacks, checks, replaces.
pub mod fetch;
// Client address → site: coordinates, sorted ranges, MaxMind databases, the compiled site table.
pub mod geo;
// Memory that is free goes back to the system; one of the few places with `unsafe` code.
pub mod heap;
// What is known of each target: the pure state machine and the table of states.
pub mod health;
// What single answers were, for the query log and dnstap: taken down beside the query path, written by threads of its own.
pub mod journal;
// Per map: site → PoPs now, address ranges → answer and scope; recomputed each epoch.
pub mod live;
// A file of our own, mapped read-only; one of the few places with `unsafe` code.
pub mod mapped;
// Counters: one writer each, summed by readers.
pub mod metrics;
// IP blocks, and IPv4-in-IPv6 folded to IPv4 here and only here.
pub mod net;
// A survey as a picture of the world (SVG, PNG) and as GeoJSON.
pub mod picture;
// The scheduler of probes and the probes themselves.
pub mod probe;
// A packet's bytes in, an answer's bytes and an outcome out. Synchronous, allocates nothing.
pub mod query;
// Watches files, waits for quiet, compiles, swaps or keeps the last good.
pub mod reload;
// Listeners: UDP, TCP, the portable ones. Sockets in, outcomes counted.
pub mod server;
// The immutable tables one query reads, their generation, and the pointer swap around them.
pub mod snapshot;
// Steering policy + site + health → decision with reasons. Pure: no clock, no randomness.
pub mod steering;
// What a snapshot does to the whole address space: shares per PoP, distances, and what a change moves.
pub mod survey;
// Which certificate authorities a client trusts, and what went wrong with a handshake in words.
pub mod tls;
// Static zone data and the lookup algorithm of RFC 1034 §4.3.2. Pure; knows nothing of clients.
pub mod zone;
