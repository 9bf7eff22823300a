//! Which database says what of one address: for people, and never for packets.

use std::net::IpAddr;

use super::packed::{Packable, PackedView};
use super::sites::{SiteId, SiteTable};
use super::tree::Family;
use crate::net::Block;

/// A database that a table was made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// Its path as shown to the operator; `(built in)` for the one in the program.
    pub path: String,
    /// Its `database_type`.
    pub kind: String,
    /// When it was built, in seconds since 1970-01-01 UTC.
    pub built: u64,
}

/// What is known of one address, and from where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Description<'a> {
    /// Its site, labels and named AS numbers included.
    pub site: SiteId,
    /// The largest aligned block around it of which the databases say the same; the network of the database's record, or
    /// several of them that are alike.
    pub network: Block,
    /// The database that the place, country, subdivision and city are from; `None` when no database has any of them (or
    /// when a table was not told of its sources, [`SiteTable::with_sources`]).
    pub source: Option<&'a Source>,
    /// Its AS number, 0 when unknown, whether or not a policy names it.
    pub asn: u32,
    /// The largest aligned block around it with that AS number.
    pub asn_network: Block,
    /// The database that the AS number is from.
    pub asn_source: Option<&'a Source>,
}

impl SiteTable {
    /// Tells what the databases say of an address, and which of them. The address is taken as it is: fold it first.
    pub fn describe(&self, address: IpAddr) -> Description<'_> {
        let c = &self.columns;
        let asns = self.asns.as_deref();
        match address {
            IpAddr::V4(a) => {
                let asns = asns.map(|asns| (asns.v4(), asns.v4_sources.view()));
                self.describe_in(a.into(), self.v4().find(a.into()).value, c.v4.view(), c.v4_sources.view(), asns)
            }
            IpAddr::V6(a) => {
                let asns = asns.map(|asns| (asns.v6(), asns.v6_sources.view()));
                self.describe_in(a.into(), self.v6().find(a.into()).value, c.v6.view(), c.v6_sources.view(), asns)
            }
        }
    }

    fn describe_in<K: Family + Packable>(
        &self,
        x: K,
        site: u32,
        sites: PackedView<'_, K>,
        sources: PackedView<'_, K>,
        asns: Option<(PackedView<'_, K>, PackedView<'_, K>)>,
    ) -> Description<'_> {
        // Alike and of one source: the narrower of two blocks around one address lies in both.
        let describe = |values: PackedView<'_, K>, sources: PackedView<'_, K>| {
            let (value, source) = (values.find(x), sources.find(x));
            let block = Block::new(x.address(), value.scope(x).max(source.scope(x)));
            let source = (source.value as usize).checked_sub(1).and_then(|index| self.sources.get(index));
            (value.value, block, source)
        };
        let (_, network, source) = describe(sites, sources);
        let nothing = || (0, Block::new(x.address(), 0), None);
        let (asn, asn_network, asn_source) = asns.map_or_else(nothing, |(asns, sources)| describe(asns, sources));
        Description { site: SiteId(site), network, source, asn, asn_network, asn_source }
    }

    /// The table with the names of what it was made of, in the order given to [`SiteTable::build`].
    #[must_use]
    pub fn with_sources(self, sources: Vec<Source>) -> Self {
        Self { sources: sources.into(), ..self }
    }

    /// What the table was made of, as far as it was told, in order of precedence.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }
}
