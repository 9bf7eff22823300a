//! The listeners on real loopback sockets, with an engine of the test's own behind them.

mod portable;
mod support;
mod tcp;
mod udp;
