//! The countries of ISO 3166-1 (plus `XK`, Kosovo), each with its continent and one place that stands for all of it.
//!
//! The places are our own estimates of where the people of a country live on average, or its main metropolis where most
//! live there: good enough to choose a PoP for a client of whom only the country is known.

use super::location::{Country, Place};

/// A continent as MaxMind-format databases divide the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Continent {
    /// `AF`
    Africa,
    /// `AN`
    Antarctica,
    /// `AS`
    Asia,
    /// `EU`
    Europe,
    /// `NA`, with Central America and the Caribbean
    NorthAmerica,
    /// `OC`
    Oceania,
    /// `SA`
    SouthAmerica,
}

impl Continent {
    /// All of them, in the order of their codes.
    pub const ALL: [Self; 7] = [
        Self::Africa,
        Self::Antarctica,
        Self::Asia,
        Self::Europe,
        Self::NorthAmerica,
        Self::Oceania,
        Self::SouthAmerica,
    ];

    /// The two-letter code: `AF`, `AN`, `AS`, `EU`, `NA`, `OC` or `SA`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Africa => "AF",
            Self::Antarctica => "AN",
            Self::Asia => "AS",
            Self::Europe => "EU",
            Self::NorthAmerica => "NA",
            Self::Oceania => "OC",
            Self::SouthAmerica => "SA",
        }
    }

    /// Reads a code of any case.
    pub fn new(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|continent| continent.code().eq_ignore_ascii_case(code))
    }
}

impl Country {
    /// Whether ISO 3166-1 assigns the code (or it is `XK`).
    pub fn is_assigned(self) -> bool {
        self.row().is_some()
    }

    /// The code as a text that lives as long as the program. `None` for a code that is not assigned.
    pub fn code(self) -> Option<&'static str> {
        self.row().map(|row| row.0)
    }

    /// Every assigned code, in alphabetical order.
    pub fn all() -> impl Iterator<Item = Self> {
        COUNTRIES.iter().filter_map(|row| Self::new(row.0))
    }

    /// The continent. `None` for a code that is not assigned.
    pub fn continent(self) -> Option<Continent> {
        self.row().map(|row| row.1)
    }

    /// The place that stands for the country. `None` for a code that is not assigned.
    pub fn place(self) -> Option<Place> {
        self.row().and_then(|row| Place::from_degrees(row.2, row.3))
    }

    fn row(self) -> Option<&'static Row> {
        let index = COUNTRIES.binary_search_by(|row| row.0.as_bytes().cmp(&self.as_bytes()));
        index.ok().and_then(|index| COUNTRIES.get(index))
    }
}

/// Code, continent, latitude, longitude.
type Row = (&'static str, Continent, f64, f64);

const AF: Continent = Continent::Africa;
const AN: Continent = Continent::Antarctica;
const AS: Continent = Continent::Asia;
const EU: Continent = Continent::Europe;
const NA: Continent = Continent::NorthAmerica;
const OC: Continent = Continent::Oceania;
const SA: Continent = Continent::SouthAmerica;

/// Sorted by code.
const COUNTRIES: &[Row] = &[
    ("AD", EU, 42.51, 1.52),
    ("AE", AS, 24.9, 55.0),
    ("AF", AS, 34.5, 69.0),
    ("AG", NA, 17.12, -61.85),
    ("AI", NA, 18.22, -63.06),
    ("AL", EU, 41.3, 19.8),
    ("AM", AS, 40.2, 44.5),
    ("AO", AF, -9.5, 13.8),
    ("AQ", AN, -77.85, 166.67),
    ("AR", SA, -34.0, -60.0),
    ("AS", OC, -14.28, -170.7),
    ("AT", EU, 48.0, 15.5),
    ("AU", OC, -34.0, 148.0),
    ("AW", NA, 12.52, -70.0),
    ("AX", EU, 60.1, 19.94),
    ("AZ", AS, 40.4, 49.5),
    ("BA", EU, 44.1, 18.1),
    ("BB", NA, 13.11, -59.6),
    ("BD", AS, 23.8, 90.4),
    ("BE", EU, 50.85, 4.4),
    ("BF", AF, 12.4, -1.6),
    ("BG", EU, 42.6, 24.0),
    ("BH", AS, 26.2, 50.55),
    ("BI", AF, -3.36, 29.6),
    ("BJ", AF, 6.7, 2.4),
    ("BL", NA, 17.9, -62.85),
    ("BM", NA, 32.3, -64.78),
    ("BN", AS, 4.9, 114.9),
    ("BO", SA, -17.2, -65.5),
    ("BQ", NA, 12.18, -68.25),
    ("BR", SA, -21.5, -46.0),
    ("BS", NA, 25.05, -77.4),
    ("BT", AS, 27.4, 89.8),
    ("BV", AN, -54.42, 3.36),
    ("BW", AF, -24.0, 26.0),
    ("BY", EU, 53.8, 27.8),
    ("BZ", NA, 17.5, -88.4),
    ("CA", NA, 46.0, -79.0),
    ("CC", OC, -12.17, 96.83),
    ("CD", AF, -4.5, 18.5),
    ("CF", AF, 4.5, 18.5),
    ("CG", AF, -4.25, 14.5),
    ("CH", EU, 47.2, 8.2),
    ("CI", AF, 5.8, -4.3),
    ("CK", OC, -21.21, -159.78),
    ("CL", SA, -33.6, -71.0),
    ("CM", AF, 4.2, 10.8),
    ("CN", AS, 32.5, 114.5),
    ("CO", SA, 5.2, -74.6),
    ("CR", NA, 9.95, -84.1),
    ("CU", NA, 22.6, -81.5),
    ("CV", AF, 15.0, -23.6),
    ("CW", NA, 12.15, -68.93),
    ("CX", OC, -10.44, 105.68),
    ("CY", AS, 35.0, 33.2),
    ("CZ", EU, 49.9, 15.2),
    ("DE", EU, 50.8, 9.5),
    ("DJ", AF, 11.58, 43.1),
    ("DK", EU, 55.7, 11.3),
    ("DM", NA, 15.35, -61.37),
    ("DO", NA, 18.7, -70.2),
    ("DZ", AF, 36.4, 3.4),
    ("EC", SA, -1.5, -79.3),
    ("EE", EU, 59.2, 25.0),
    ("EG", AF, 30.0, 31.2),
    ("EH", AF, 27.1, -13.2),
    ("ER", AF, 15.3, 38.9),
    ("ES", EU, 40.2, -3.2),
    ("ET", AF, 9.1, 39.0),
    ("FI", EU, 61.2, 24.7),
    ("FJ", OC, -18.0, 178.2),
    ("FK", SA, -51.7, -57.85),
    ("FM", OC, 6.95, 158.2),
    ("FO", EU, 62.03, -6.8),
    ("FR", EU, 48.0, 2.4),
    ("GA", AF, 0.3, 9.8),
    ("GB", EU, 52.2, -1.1),
    ("GD", NA, 12.06, -61.73),
    ("GE", AS, 41.8, 44.4),
    ("GF", SA, 4.95, -52.5),
    ("GG", EU, 49.46, -2.56),
    ("GH", AF, 5.9, -0.6),
    ("GI", EU, 36.14, -5.35),
    ("GL", NA, 64.5, -51.2),
    ("GM", AF, 13.4, -16.6),
    ("GN", AF, 9.8, -13.2),
    ("GP", NA, 16.2, -61.55),
    ("GQ", AF, 3.2, 9.3),
    ("GR", EU, 38.4, 23.4),
    ("GS", AN, -54.28, -36.51),
    ("GT", NA, 14.7, -90.6),
    ("GU", OC, 13.47, 144.8),
    ("GW", AF, 11.9, -15.5),
    ("GY", SA, 6.7, -58.1),
    ("HK", AS, 22.32, 114.17),
    ("HM", AN, -53.1, 73.5),
    ("HN", NA, 14.6, -87.4),
    ("HR", EU, 45.5, 16.1),
    ("HT", NA, 18.6, -72.4),
    ("HU", EU, 47.4, 19.3),
    ("ID", AS, -6.7, 108.5),
    ("IE", EU, 53.2, -6.7),
    ("IL", AS, 32.0, 34.9),
    ("IM", EU, 54.17, -4.52),
    ("IN", AS, 21.0, 78.5),
    ("IO", AS, -7.31, 72.41),
    ("IQ", AS, 33.3, 44.3),
    ("IR", AS, 35.0, 51.4),
    ("IS", EU, 64.13, -21.8),
    ("IT", EU, 43.2, 11.8),
    ("JE", EU, 49.19, -2.11),
    ("JM", NA, 18.0, -77.0),
    ("JO", AS, 31.9, 35.9),
    ("JP", AS, 35.4, 138.0),
    ("KE", AF, -0.9, 36.8),
    ("KG", AS, 42.3, 74.0),
    ("KH", AS, 11.8, 104.9),
    ("KI", OC, 1.4, 173.0),
    ("KM", AF, -11.7, 43.3),
    ("KN", NA, 17.3, -62.73),
    ("KP", AS, 39.2, 126.0),
    ("KR", AS, 37.0, 127.4),
    ("KW", AS, 29.35, 47.95),
    ("KY", NA, 19.3, -81.35),
    ("KZ", AS, 45.5, 73.0),
    ("LA", AS, 18.0, 102.8),
    ("LB", AS, 33.9, 35.6),
    ("LC", NA, 13.95, -61.0),
    ("LI", EU, 47.15, 9.53),
    ("LK", AS, 7.0, 80.0),
    ("LR", AF, 6.4, -10.6),
    ("LS", AF, -29.4, 27.6),
    ("LT", EU, 55.0, 24.5),
    ("LU", EU, 49.6, 6.13),
    ("LV", EU, 56.9, 24.3),
    ("LY", AF, 32.6, 14.5),
    ("MA", AF, 33.6, -7.0),
    ("MC", EU, 43.74, 7.42),
    ("MD", EU, 47.1, 28.8),
    ("ME", EU, 42.5, 19.2),
    ("MF", NA, 18.07, -63.08),
    ("MG", AF, -18.9, 47.4),
    ("MH", OC, 7.1, 171.3),
    ("MK", EU, 41.9, 21.5),
    ("ML", AF, 12.7, -7.6),
    ("MM", AS, 18.5, 96.0),
    ("MN", AS, 47.9, 106.5),
    ("MO", AS, 22.19, 113.55),
    ("MP", OC, 15.19, 145.75),
    ("MQ", NA, 14.62, -61.03),
    ("MR", AF, 18.0, -15.5),
    ("MS", NA, 16.75, -62.2),
    ("MT", EU, 35.9, 14.45),
    ("MU", AF, -20.25, 57.5),
    ("MV", AS, 4.2, 73.5),
    ("MW", AF, -14.5, 34.5),
    ("MX", NA, 20.3, -100.2),
    ("MY", AS, 3.4, 102.3),
    ("MZ", AF, -22.0, 34.5),
    ("NA", AF, -21.5, 16.8),
    ("NC", OC, -22.2, 166.4),
    ("NE", AF, 13.5, 3.5),
    ("NF", OC, -29.03, 167.95),
    ("NG", AF, 7.5, 5.0),
    ("NI", NA, 12.2, -86.3),
    ("NL", EU, 52.1, 5.0),
    ("NO", EU, 60.2, 9.8),
    ("NP", AS, 27.6, 85.2),
    ("NR", OC, -0.53, 166.93),
    ("NU", OC, -19.05, -169.92),
    ("NZ", OC, -38.5, 175.2),
    ("OM", AS, 23.3, 58.0),
    ("PA", NA, 9.0, -79.7),
    ("PE", SA, -11.5, -76.5),
    ("PF", OC, -17.55, -149.55),
    ("PG", OC, -7.5, 146.0),
    ("PH", AS, 14.0, 121.3),
    ("PK", AS, 31.0, 72.5),
    ("PL", EU, 51.8, 19.2),
    ("PM", NA, 46.78, -56.18),
    ("PN", OC, -25.07, -130.1),
    ("PR", NA, 18.35, -66.2),
    ("PS", AS, 31.8, 35.0),
    ("PT", EU, 39.6, -8.7),
    ("PW", OC, 7.34, 134.48),
    ("PY", SA, -25.4, -57.2),
    ("QA", AS, 25.29, 51.5),
    ("RE", AF, -21.05, 55.45),
    ("RO", EU, 45.2, 25.7),
    ("RS", EU, 44.5, 20.6),
    ("RU", EU, 55.5, 44.0),
    ("RW", AF, -1.95, 30.1),
    ("SA", AS, 24.0, 44.5),
    ("SB", OC, -9.4, 159.9),
    ("SC", AF, -4.62, 55.45),
    ("SD", AF, 15.2, 32.4),
    ("SE", EU, 58.8, 16.0),
    ("SG", AS, 1.34, 103.84),
    ("SH", AF, -15.95, -5.7),
    ("SI", EU, 46.1, 14.7),
    ("SJ", EU, 78.22, 15.65),
    ("SK", EU, 48.5, 18.5),
    ("SL", AF, 8.4, -12.6),
    ("SM", EU, 43.94, 12.45),
    ("SN", AF, 14.6, -16.8),
    ("SO", AF, 2.6, 45.2),
    ("SR", SA, 5.82, -55.2),
    ("SS", AF, 5.5, 31.0),
    ("ST", AF, 0.3, 6.7),
    ("SV", NA, 13.7, -89.1),
    ("SX", NA, 18.04, -63.06),
    ("SY", AS, 34.3, 36.7),
    ("SZ", AF, -26.4, 31.3),
    ("TC", NA, 21.78, -72.2),
    ("TD", AF, 11.5, 16.0),
    ("TF", AN, -49.35, 70.22),
    ("TG", AF, 6.5, 1.2),
    ("TH", AS, 14.2, 100.7),
    ("TJ", AS, 38.5, 68.9),
    ("TK", OC, -9.2, -171.85),
    ("TL", AS, -8.6, 125.6),
    ("TM", AS, 38.1, 59.0),
    ("TN", AF, 36.3, 10.1),
    ("TO", OC, -21.15, -175.2),
    ("TR", AS, 39.5, 31.5),
    ("TT", NA, 10.55, -61.35),
    ("TV", OC, -8.52, 179.2),
    ("TW", AS, 24.6, 121.1),
    ("TZ", AF, -6.2, 37.0),
    ("UA", EU, 49.6, 31.3),
    ("UG", AF, 0.5, 32.4),
    ("UM", OC, 19.28, 166.65),
    ("US", NA, 38.5, -92.5),
    ("UY", SA, -34.7, -56.1),
    ("UZ", AS, 40.8, 68.5),
    ("VA", EU, 41.9, 12.45),
    ("VC", NA, 13.2, -61.2),
    ("VE", SA, 10.0, -67.2),
    ("VG", NA, 18.43, -64.62),
    ("VI", NA, 18.1, -64.85),
    ("VN", AS, 15.5, 106.7),
    ("VU", OC, -17.5, 168.2),
    ("WF", OC, -13.3, -176.2),
    ("WS", OC, -13.85, -171.9),
    ("XK", EU, 42.6, 21.0),
    ("YE", AS, 14.8, 44.3),
    ("YT", AF, -12.8, 45.2),
    ("ZA", AF, -27.3, 28.6),
    ("ZM", AF, -14.4, 28.3),
    ("ZW", AF, -18.3, 30.5),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_whole() {
        assert!(COUNTRIES.windows(2).all(|pair| pair[0].0 < pair[1].0));
        // 249 codes of ISO 3166-1 and XK.
        assert_eq!(COUNTRIES.len(), 250);
        assert_eq!(Country::all().count(), 250);
        assert!(Country::all().all(|country| country.place().is_some() && country.continent().is_some()));
    }

    #[track_caller]
    fn check(code: &str, continent: Option<&str>) {
        let country = Country::new(code).unwrap();
        assert_eq!(country.continent().map(Continent::code), continent, "{code}");
        assert_eq!(country.is_assigned(), continent.is_some(), "{code}");
    }

    #[test]
    fn continents() {
        check("NL", Some("EU"));
        check("no", Some("EU"));
        check("XK", Some("EU"));
        check("ZA", Some("AF"));
        check("ZW", Some("AF"));
        check("AD", Some("EU"));
        check("PA", Some("NA"));
        check("NZ", Some("OC"));
        check("UK", None);
        check("EU", None);
        check("ZZ", None);
        assert_eq!(Continent::new("na"), Some(Continent::NorthAmerica));
        assert_eq!(Continent::new("XX"), None);
    }
}
