//! A survey as a picture of the world, and as GeoJSON.
//!
//! [`clients`] gathers who is served where, [`territory`] gives every piece of land to whoever serves the clients nearest to it,
//! [`map`] puts land, territories, clients, PoPs and a legend together as shapes ([`scene`]), and [`svg`] and [`png`] write the
//! same shapes. Land and countries are Natural Earth's ([`world`]), letters Roboto's ([`font`]); both are small files of our own,
//! made by the scripts beside them.
//!
//! Pure: the same survey gives the same octets on every machine of one kind; knows nothing of files.

mod bytes;
pub mod clients;
pub mod colors;
pub mod font;
pub mod geojson;
pub mod labels;
pub mod map;
pub mod png;
pub mod projection;
pub mod scene;
pub mod svg;
pub mod territory;
mod trace;
mod tree;
pub mod world;

pub use clients::{Catchments, ClientPlace, PopMark, State};
pub use map::draw;
pub use projection::Frame;
pub use scene::Scene;

/// The credit for land and countries.
pub const OUTLINES: &str = "Land and countries: Natural Earth";
