//! The site table against one lookup per address with the reader crate, on MaxMind's test files and on generated ones;
//! its cache; and every kind of broken file. Oracles are the simplest thing that can be right.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a panic in a test is the report")]

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use catchment::geo::value::Value;
use catchment::geo::writer::{Metadata, Writer};
use catchment::geo::{CacheError, CacheKey, Class, Database, DatabaseError, Record, SharedBytes, SiteId, SiteTable};
use catchment::net::{Bits, Folded, UNUSABLE};
use proptest::prelude::*;

fn data(folder: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/testdata/mmdb").join(folder);
    if path.is_dir() {
        return Some(path);
    }
    println!("{folder} is not here: skipped");
    None
}

/// All `.mmdb` files below a folder, in order of their names.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.append(&mut files(&path));
        } else if path.extension().is_some_and(|extension| extension == "mmdb") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// What databases say of an address by the crate's own lookup and the rules of precedence, as text.
fn expected(readers: &[maxminddb::Reader<Vec<u8>>], address: IpAddr) -> String {
    let (mut location, mut asn) = (Record::default(), 0);
    let values: Vec<Option<Value<'_>>> = readers
        .iter()
        .map(|reader| {
            if is_other_name_of_ipv4(address)
                || is_teredo_of(reader, address)
                || (address.is_ipv6() && reader.metadata().ip_version == 4)
            {
                return None;
            }
            let found = reader.lookup(address).unwrap();
            // An IPv6 network that happens to cover ::/96 says nothing of IPv4.
            let is_ipv4 = found.network().unwrap().is_ipv4();
            if address.is_ipv4() && !is_ipv4 { None } else { found.decode().unwrap() }
        })
        .collect();
    for value in values.iter().flatten() {
        let record = Record::new(value);
        if !location.has_location() {
            location = Record { asn: 0, ..record };
        }
        if asn == 0 {
            asn = record.asn;
        }
    }
    let unusable = UNUSABLE.iter().any(|block| {
        block.address().is_ipv4() == address.is_ipv4() && catchment::net::Block::new(address, block.length()) == *block
    });
    describe(Record { asn, ..location }, unusable)
}

/// Addresses that the table leaves to IPv4: `::/96`, and where MaxMind hangs the same tree again.
fn is_other_name_of_ipv4(address: IpAddr) -> bool {
    let IpAddr::V6(v6) = address else { return false };
    let bits = u128::from(v6);
    bits >> 32 == 0 || bits >> 32 == 0xffff || bits >> 112 == 0x2002
}

/// MaxMind's own files hang the IPv4 tree under Teredo too; others may say something of it.
fn is_teredo_of(reader: &maxminddb::Reader<Vec<u8>>, address: IpAddr) -> bool {
    let IpAddr::V6(v6) = address else { return false };
    reader.metadata().database_type != "Test" && u128::from(v6) >> 96 == 0x2001_0000
}

/// As text; an AS number alone says nothing of a place.
fn describe(record: Record<'_>, unusable: bool) -> String {
    let asn = record.asn;
    match record.has_location() {
        false if unusable => format!("unusable, AS {asn}"),
        false => format!("nowhere, AS {asn}"),
        true => format!("{record:?}"),
    }
}

/// The same from the table.
fn got(table: &SiteTable, address: IpAddr) -> String {
    let id = match address {
        IpAddr::V4(a) => table.v4().find(u32::from(a)).value,
        IpAddr::V6(a) => table.v6().find(u128::from(a)).value,
    };
    let site = table.site(SiteId(id));
    assert_eq!((site.asn, site.label), (0, 0), "nothing is added to what the databases say of places");
    let record = Record {
        place: site.place,
        country: site.country,
        subdivision: site.subdivision.map(|text| table.text(text)),
        subdivision_name: site.subdivision_name.map(|text| table.text(text)),
        city: site.city.map(|text| table.text(text)),
        city_id: site.city_id,
        asn: table.asns().map_or(0, |asns| asns.asn(address)),
    };
    assert_eq!(record.has_location(), id > SiteId::UNUSABLE.0, "only the first two sites are empty");
    describe(record, id == SiteId::UNUSABLE.0)
}

/// First and last addresses of all ranges and their neighbors.
fn edges(table: &SiteTable) -> Vec<IpAddr> {
    let v4 = table.v4().iter().flat_map(|range| [range.start, range.end]).map(|a| IpAddr::V4(Ipv4Addr::from(a)));
    let v6 = table.v6().iter().flat_map(|range| [range.start, range.end]).map(|a| IpAddr::V6(Ipv6Addr::from(a)));
    let mut edges: Vec<IpAddr> = v4.chain(v6).collect();
    if let Some(asns) = table.asns() {
        edges.extend(
            asns.v4().iter().flat_map(|range| [range.start, range.end]).map(|a| IpAddr::from(Ipv4Addr::from(a))),
        );
        edges.extend(
            asns.v6().iter().flat_map(|range| [range.start, range.end]).map(|a| IpAddr::from(Ipv6Addr::from(a))),
        );
    }
    edges
}

#[track_caller]
fn check(files: &[Vec<u8>], more: &[IpAddr]) -> SiteTable {
    let databases: Vec<Database> = files.iter().map(|bytes| Database::new(bytes.clone()).unwrap()).collect();
    let table = SiteTable::build(&databases.iter().collect::<Vec<_>>()).unwrap();
    let readers: Vec<_> = files.iter().map(|bytes| maxminddb::Reader::from_source(bytes.clone()).unwrap()).collect();
    for address in edges(&table).iter().chain(more) {
        assert_eq!(got(&table, *address), expected(&readers, *address), "{address}");
        let records: Vec<Record<'_>> = databases.iter().map(|db| db.lookup(*address).unwrap().record).collect();
        let combined = Record::combine(records.iter().copied());
        assert_eq!(
            describe(combined, got(&table, *address).starts_with("unusable")),
            got(&table, *address),
            "{address}"
        );
    }
    table
}

#[test]
fn tables_of_the_test_files_agree_with_lookups() {
    let Some(folder) = data("test-data") else { return };
    let mut checked = 0;
    for path in files(&folder) {
        let name = path.file_name().unwrap().to_str().unwrap();
        if ["broken", "Broken", "Invalid"].iter().any(|word| name.contains(word)) {
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        let reader = maxminddb::Reader::from_source(bytes.clone()).unwrap();
        // The networks as the crate sees them, so that none is overlooked.
        let networks = reader.networks(maxminddb::WithinOptions::default()).unwrap();
        let addresses: Vec<IpAddr> = networks.map(|network| network.unwrap().network().unwrap().ip()).collect();
        check(&[bytes], &addresses);
        checked += 1;
    }
    assert!(checked > 25, "{checked} files");
}

#[test]
fn classes_and_families_of_the_test_files() {
    let Some(folder) = data("test-data") else { return };
    let check = |name: &str, class: Class, families: (bool, bool)| {
        let database = Database::new(fs::read(folder.join(name)).unwrap()).unwrap();
        assert_eq!((database.class(), database.families()), (class, families), "{name}");
        database.verify().unwrap();
    };
    check("GeoIP2-City-Test.mmdb", Class::City, (true, true));
    check("GeoLite2-City-Test.mmdb", Class::City, (true, true));
    check("GeoIP2-Country-Test.mmdb", Class::Country, (true, true));
    check("GeoLite2-ASN-Test.mmdb", Class::Asn, (true, true));
    check("GeoIP2-ISP-Test.mmdb", Class::Asn, (true, true));
    check("GeoIP2-Domain-Test.mmdb", Class::Unknown, (true, true));
    check("MaxMind-DB-test-ipv4-24.mmdb", Class::Unknown, (true, false));
    check("MaxMind-DB-no-ipv4-search-tree.mmdb", Class::Unknown, (false, true));
}

#[test]
fn city_and_as_number_come_from_a_file_each() {
    let Some(folder) = data("test-data") else { return };
    let read = |name: &str| fs::read(folder.join(name)).unwrap();
    let files = ["GeoLite2-ASN-Test.mmdb", "GeoLite2-City-Test.mmdb", "GeoLite2-Country-Test.mmdb"].map(read);
    let table = check(&files, &["89.160.20.112".parse().unwrap()]);
    let text = got(&table, "89.160.20.112".parse().unwrap());
    assert!(text.contains("Link") && text.contains("asn: 29518"), "{text}");
}

/// Every broken file is refused or read, and never panics; what is refused says why in words.
#[test]
fn bad_files_are_errors() {
    let Some(folder) = data("bad-data") else { return };
    let mut refused = 0;
    let mut paths = files(&folder);
    assert!(paths.len() >= 20);
    paths.extend(files(&data("test-data").unwrap()).into_iter().filter(|p| p.to_string_lossy().contains("roken")));
    for path in paths {
        match everything(fs::read(&path).unwrap()) {
            Ok(()) => println!("{}: taken", path.display()),
            Err(text) => {
                println!("{}: {text}", path.display());
                assert!(text.starts_with("not a MaxMind database") || text.starts_with("the database is "), "{text}");
                refused += 1;
            }
        }
    }
    assert!(refused >= 15, "{refused}");
}

/// Does all that can be done with a file.
fn everything(bytes: Vec<u8>) -> Result<(), String> {
    let database = Database::new(bytes).map_err(|error| error.to_string())?;
    let _ = (database.class(), database.families(), database.credit(), database.built_in_the_future(1_800_000_000));
    for address in ["1.1.1.1", "255.255.255.255", "::1", "2001:db8::1", "89.160.20.112"] {
        let answer = database.lookup(address.parse().unwrap()).map_err(|error| error.to_string())?;
        let _ = serde_json::to_string(&answer.value).unwrap();
    }
    database.verify().map_err(|error| error.to_string())?;
    SiteTable::build(&[&database]).map_err(|error| error.to_string())?;
    Ok(())
}

#[test]
fn a_truncated_file_is_refused_at_every_length() {
    let bytes = small().0;
    assert_eq!(everything(bytes.clone()), Ok(()));
    assert_eq!(Database::new(Vec::new()).unwrap_err(), DatabaseError::Empty);
    for length in (1..bytes.len()).step_by(7).chain(bytes.len() - 40..bytes.len()) {
        assert!(everything(bytes[..length].to_vec()).is_err(), "{length} of {} bytes", bytes.len());
    }
    // The start is gone instead of the end.
    assert_eq!(Database::new(bytes[bytes.len() - 300..].to_vec()).unwrap_err(), DatabaseError::Truncated);
    let text = Database::new(b"not at all".to_vec()).unwrap_err().to_string();
    assert_eq!(text, "not a MaxMind database, or a truncated one: the metadata at its end is missing");
}

#[test]
fn a_file_from_the_future_is_pointed_out() {
    let database = Database::new(small().0).unwrap();
    assert_eq!(database.built_in_the_future(EPOCH - 86_400), None);
    assert_eq!(
        database.built_in_the_future(EPOCH - 3 * 86_400).unwrap(),
        "built 3 days in the future; is this machine's clock right?"
    );
}

const EPOCH: u64 = 1_780_000_000;

fn metadata() -> Metadata {
    Metadata { kind: "Test".to_owned(), description: "generated".to_owned(), build_epoch: EPOCH }
}

/// A block and the number of its record.
type Entry = (IpAddr, u8, usize);

/// Writes blocks in order, the later over the earlier.
fn write(records: &[Value<'_>], blocks: &[Entry], alias: bool, v4_only: bool) -> Vec<u8> {
    let mut writer = Writer::new();
    let ids: Vec<_> = records.iter().map(|record| writer.record(record)).collect();
    for (address, length, record) in blocks {
        match *address {
            IpAddr::V4(a) => writer.insert_v4(u32::from(a), *length, ids[*record]),
            IpAddr::V6(a) => writer.insert_v6(u128::from(a), *length, ids[*record]),
        }
    }
    if alias {
        writer.alias(0xffff << 32, 96);
        writer.alias(0x2002 << 112, 16);
    }
    if v4_only { writer.finish_v4(&metadata()) } else { writer.finish(&metadata()) }
}

/// A few blocks of both families, and the records in them.
fn small() -> (Vec<u8>, Vec<Value<'static>>) {
    let records = records();
    let blocks = ["1.0.0.0/24", "1.0.1.0/25", "10.1.0.0/16", "193.0.0.0/21", "255.255.255.255/32", "2001:db8::/32"];
    let blocks = blocks.iter().enumerate().map(|(index, block)| {
        let block = catchment::net::Block::parse(block).unwrap();
        (block.address(), block.length(), index % records.len())
    });
    (write(&records, &blocks.collect::<Vec<_>>(), true, false), records)
}

fn records() -> Vec<Value<'static>> {
    use Value::{Double, Map, Single, Text, Whole};
    let location = Map(vec![("latitude", Double(52.37)), ("longitude", Double(4.9))]);
    let country = |code| Map(vec![("iso_code", Text(code))]);
    vec![
        Map(vec![
            ("country", country("NL")),
            ("location", location),
            ("city", Map(vec![("geoname_id", Whole(2_759_794)), ("names", Map(vec![("en", Text("Amsterdam"))]))])),
            (
                "subdivisions",
                Value::List(vec![Map(vec![
                    ("iso_code", Text("NH")),
                    ("names", Map(vec![("en", Text("North Holland"))])),
                ])]),
            ),
        ]),
        Map(vec![
            ("country_code", Text("DE")),
            ("latitude", Single(50.125)),
            ("longitude", Single(8.5)),
            ("city", Text("Köln")),
        ]),
        Map(vec![("registered_country", country("SE")), ("autonomous_system_number", Whole(29_518))]),
        Map(vec![("asn", Text("AS15169"))]),
        Map(vec![("lat", Text("1.5")), ("lng", Text("-2.25")), ("region", Text("R")), ("big", Whole(1 << 100))]),
        Map(vec![]),
        Map(vec![("unknown", Value::List(vec![Value::Flag(true), Value::Bytes(b"x"), Whole(-3)]))]),
    ]
}

#[test]
fn what_is_written_is_read_back() {
    let records = records();
    for (index, record) in records.iter().enumerate() {
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        let bytes = write(&records, &[(address, 24, index)], false, index % 2 == 0);
        let database = Database::new(bytes).unwrap();
        let answer = database.lookup(address).unwrap();
        assert_eq!(answer.value.as_ref(), Some(record));
        assert_eq!(answer.network.to_string(), "192.0.2.0/24");
        assert_eq!(database.lookup("192.0.3.1".parse().unwrap()).unwrap().value, None);
    }
}

/// Blocks that collide often, of both families.
fn blocks() -> impl Strategy<Value = Vec<Entry>> {
    let address = prop_oneof![
        (0..6u32, 0..4u32, any::<u32>()).prop_map(|(a, b, c)| {
            let first = [0, 1, 10, 127, 193, 255][a as usize];
            IpAddr::V4(Ipv4Addr::from(first << 24 | b << 22 | c & 0xffff))
        }),
        (0..5usize, 0..4u128, any::<u64>()).prop_map(|(a, b, c)| {
            let first: u128 = [0x2001_0db8, 0x2a00_0000, 0xfe80_0000, 0, 0x3fff_0a00][a];
            IpAddr::V6(Ipv6Addr::from(first << 96 | b << 94 | u128::from(c) << 20))
        }),
    ];
    let entry = (address, any::<u8>(), 0..7usize).prop_map(|(address, length, record)| {
        // Down to one address; not so short that everything is one block, and no IPv6 block over the IPv4 part.
        let (low, high) = match address {
            IpAddr::V4(_) => (4, 32),
            IpAddr::V6(a) if u128::from(a) >> 96 == 0 => (97, 128),
            IpAddr::V6(_) => (16, 128),
        };
        let block = catchment::net::Block::new(address, low + length % (high - low + 1));
        (block.address(), block.length(), record)
    });
    proptest::collection::vec(entry, 0..24)
}

/// The shortest block around an address in which all edges of ranges agree, bit by bit.
fn naive_scope<K: Bits>(x: K, start: K, end: K) -> u8 {
    (0..=K::WIDTH).find(|length| x.first(*length) >= start && x.last(*length) <= end).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn tables_of_generated_files_agree_with_lookups(
        first in blocks(),
        second in blocks(),
        third in blocks(),
        alias in any::<bool>(),
        more in proptest::collection::vec(any::<u32>(), 4),
    ) {
        let records = records();
        let v4_only: Vec<Entry> = third.into_iter().filter(|entry| entry.0.is_ipv4()).collect();
        let files = [
            write(&records, &first, alias, false),
            write(&records, &second, false, false),
            write(&records, &v4_only, false, true),
        ];
        let mut addresses: Vec<IpAddr> = more.iter().map(|bits| IpAddr::V4(Ipv4Addr::from(*bits))).collect();
        for (address, length, _) in first.iter().chain(&second).chain(&v4_only) {
            let block = catchment::net::Block::new(*address, *length);
            addresses.push(*address);
            match block {
                catchment::net::Block::V4 { base, length } => addresses.push(Ipv4Addr::from(base.last(length)).into()),
                catchment::net::Block::V6 { base, length } => addresses.push(Ipv6Addr::from(base.last(length)).into()),
            }
        }
        let table = check(&files, &addresses);

        for address in addresses {
            match Folded::new(address, if address.is_ipv4() { 32 } else { 128 }).block.address() {
                IpAddr::V4(a) => {
                    let x = u32::from(a);
                    let found = table.v4().find(x);
                    prop_assert_eq!(found.scope(x), naive_scope(x, found.start, found.end));
                }
                IpAddr::V6(a) => {
                    let x = u128::from(a);
                    let found = table.v6().find(x);
                    prop_assert_eq!(found.scope(x), naive_scope(x, found.start, found.end));
                }
            }
        }
        for pair in table.v4().iter().collect::<Vec<_>>().windows(2) {
            prop_assert!(pair[0].value != pair[1].value && pair[0].end + 1 == pair[1].start);
        }
        for pair in table.v6().iter().collect::<Vec<_>>().windows(2) {
            prop_assert!(pair[0].value != pair[1].value && pair[0].end + 1 == pair[1].start);
        }

        // Through the cache nothing changes, in place or copied.
        let mut cache = Vec::new();
        table.write(7, &mut cache).unwrap();
        for lead in 0..2 {
            let again = SiteTable::from_cache(at_offset(&cache, lead), 7).unwrap();
            for address in edges(&table) {
                prop_assert_eq!(got(&again, address), got(&table, address));
            }
            prop_assert!(again.v4().iter().eq(table.v4().iter()) && again.v6().iter().eq(table.v6().iter()));
            prop_assert_eq!((again.len(), again.asns().is_some()), (table.len(), table.asns().is_some()));
        }
    }

    /// Whatever one byte of a database becomes, it is read or refused.
    #[test]
    fn a_flipped_byte_never_panics(flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut bytes = small().0;
        for (index, value) in flips {
            let index = index.index(bytes.len());
            bytes[index] ^= value;
        }
        let _ = everything(bytes);
    }
}

/// Bytes that begin `lead` bytes after an aligned address.
fn at_offset(bytes: &[u8], lead: usize) -> SharedBytes {
    struct Shifted(Vec<u128>, usize, usize);
    impl AsRef<[u8]> for Shifted {
        fn as_ref(&self) -> &[u8] {
            &bytemuck::cast_slice(&self.0)[self.1..self.1 + self.2]
        }
    }
    let mut words = vec![0u128; bytes.len() / 16 + 2];
    bytemuck::cast_slice_mut::<u128, u8>(&mut words)[lead..lead + bytes.len()].copy_from_slice(bytes);
    Arc::new(Shifted(words, lead, bytes.len()))
}

/// Looks at all of a table that was taken from bytes.
fn use_all(table: &SiteTable) {
    for address in edges(table) {
        let _ = got(table, address);
    }
}

#[test]
fn a_damaged_cache_is_refused() {
    let database = Database::new(small().0).unwrap();
    let table = SiteTable::build(&[&database]).unwrap();
    let key = CacheKey::of([database.as_bytes()]);
    let mut cache = Vec::new();
    table.write(key, &mut cache).unwrap();
    use_all(&SiteTable::from_cache(at_offset(&cache, 0), key).unwrap());

    let refused = |bytes: &[u8], key| SiteTable::from_cache(at_offset(bytes, 0), key).unwrap_err();
    assert_eq!(refused(&cache, key + 1), CacheError::OtherKey);
    assert_eq!(refused(b"", key), CacheError::Foreign);
    // Those of the version before have whole starts, and are built anew.
    let mut older = cache.clone();
    older[8..12].copy_from_slice(&2u32.to_ne_bytes());
    assert_eq!(refused(&older, key), CacheError::Foreign);
    for length in 0..cache.len() {
        refused(&cache[..length], key);
    }
    for index in 0..cache.len() {
        let mut bytes = cache.clone();
        bytes[index] ^= 0x40;
        refused(&bytes, key);
        // With a checksum that matches again, as a broken writer would leave it: taken or refused, never a panic.
        if index >= 40 {
            for value in [0, 1, 0x7f, 0xff] {
                bytes[index] = value;
                let sum = xxhash_rust::xxh3::xxh3_64(&bytes[40..]);
                bytes[32..40].copy_from_slice(&sum.to_ne_bytes());
                if let Ok(table) = SiteTable::from_cache(at_offset(&bytes, 0), key) {
                    for address in edges(&table) {
                        let id = match address {
                            IpAddr::V4(a) => table.v4().find(u32::from(a)).value,
                            IpAddr::V6(a) => table.v6().find(u128::from(a)).value,
                        };
                        let site = table.site(SiteId(id));
                        let texts = [site.city, site.subdivision, site.subdivision_name];
                        let _ = (texts.map(|id| id.map(|id| table.text(id))), table.describe(address));
                    }
                }
            }
        }
    }
}

#[test]
fn the_empty_table_knows_the_unusable_blocks_only() {
    let table = SiteTable::empty();
    let check = |address: &str, expected: &str| {
        assert_eq!(got(&table, address.parse().unwrap()), format!("{expected}, AS 0"), "{address}");
    };
    assert_eq!(table.len(), 2);
    check("0.0.0.0", "unusable");
    check("1.0.0.0", "nowhere");
    check("100.64.0.0", "unusable");
    check("100.128.0.0", "nowhere");
    check("172.31.255.255", "unusable");
    check("223.255.255.255", "nowhere");
    check("255.255.255.255", "unusable");
    check("192.0.2.1", "nowhere");
    check("::1", "unusable");
    check("::2", "nowhere");
    check("2001:db8::1", "nowhere");
    check("fdff::1", "unusable");
    check("fe00::", "nowhere");
    check("febf::", "unusable");
    check("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "unusable");
}
