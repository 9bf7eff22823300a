//! What a record says of a place and a network, found by candidate paths instead of product names.
//!
//! Covers `GeoLite2` and `GeoIP2` (City, Country, ASN, ISP), DB-IP's own files, the flat files of the npm packages and
//! those of `IPinfo`; another schema is one more path in a list.

use super::location::{Country, Place};
use super::value::Value;

type Paths = &'static [&'static [&'static str]];

const COUNTRY: Paths = &[
    &["country", "iso_code"],
    &["country_code"],
    &["country_iso_code"],
    // IPinfo: the code itself; longer texts (a country's name) are not two letters and fall through.
    &["country"],
    &["registered_country", "iso_code"],
];
const SUBDIVISION: Paths = &[&["subdivisions", "0", "iso_code"], &["region_code"], &["subdivision_code"]];
const SUBDIVISION_NAME: Paths = &[
    &["subdivisions", "0", "names", "en"],
    &["state1"],
    &["region"],
    &["region_name"],
    &["subdivision"],
    &["stateprov"],
];
const CITY: Paths = &[&["city", "names", "en"], &["city"], &["city_name"]];
const CITY_ID: Paths = &[&["city", "geoname_id"], &["city_geoname_id"], &["geoname_id"]];
const LATITUDE: Paths = &[&["location", "latitude"], &["latitude"], &["lat"]];
const LONGITUDE: Paths = &[&["location", "longitude"], &["longitude"], &["lng"], &["lon"]];
/// `latitude,longitude` in one text.
const POINT: Paths = &[&["loc"]];
const ASN: Paths = &[&["autonomous_system_number"], &["traits", "autonomous_system_number"], &["asn"], &["as_number"]];

/// The fields of a record that steering can use. Texts are borrowed from the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Record<'a> {
    /// Coordinates. A latitude and longitude of exactly 0 is how some files write "unknown", so it is not a place.
    pub place: Option<Place>,
    /// Country, or else where the network is registered; assigned codes only.
    pub country: Option<Country>,
    /// ISO 3166-2 code of the largest subdivision, without its country: `CA` of `US-CA`.
    pub subdivision: Option<&'a str>,
    /// Name of the largest subdivision, English where there are several.
    pub subdivision_name: Option<&'a str>,
    /// City name, English where there are several.
    pub city: Option<&'a str>,
    /// `GeoNames` id of the city, 0 when the record has none.
    pub city_id: u32,
    /// Autonomous system number, 0 when the record has none.
    pub asn: u32,
}

impl<'a> Record<'a> {
    /// Reads what is known from a record of any schema.
    pub fn new(value: &Value<'a>) -> Self {
        let country = first(value, COUNTRY, |v| v.text().and_then(Country::new).filter(|c| c.is_assigned()));
        Self {
            place: place(value),
            country,
            subdivision: first(value, SUBDIVISION, |v| subdivision(v.text()?, country)),
            subdivision_name: first(value, SUBDIVISION_NAME, Value::text),
            city_id: first(value, CITY_ID, city_id).unwrap_or(0),
            city: first(value, CITY, Value::text),
            asn: first(value, ASN, asn).unwrap_or(0),
        }
    }

    /// What several databases say together, in order of precedence: the location (place, country, subdivision, city) of the
    /// first that has anything of one, the AS number of the first that has one. [`super::SiteTable::build`] follows the same rule.
    pub fn combine(records: impl Clone + IntoIterator<Item = Self>) -> Self {
        let location = records.clone().into_iter().find(Self::has_location).unwrap_or_default();
        let asn = records.into_iter().map(|record| record.asn).find(|asn| *asn != 0).unwrap_or(0);
        Self { asn, ..location }
    }

    /// Whether it says anything of a location.
    pub fn has_location(&self) -> bool {
        Self { asn: 0, ..*self } != Self::default()
    }
}

fn first<'a, T>(value: &Value<'a>, paths: Paths, read: impl Fn(&Value<'a>) -> Option<T>) -> Option<T> {
    paths.iter().find_map(|path| value.at(path).and_then(&read))
}

fn place(value: &Value<'_>) -> Option<Place> {
    let pair = match (first(value, LATITUDE, Value::number), first(value, LONGITUDE, Value::number)) {
        (Some(latitude), Some(longitude)) => Some((latitude, longitude)),
        _ => first(value, POINT, |point| {
            let (latitude, longitude) = point.text()?.split_once(',')?;
            Some((latitude.trim().parse().ok()?, longitude.trim().parse().ok()?))
        }),
    };
    let (latitude, longitude) = pair?;
    Place::from_degrees(latitude, longitude).filter(|place| place.microdegrees() != (0, 0))
}

/// A code of at most three letters and digits (ISO 3166-2), taken without the country that some files put before it.
fn subdivision(text: &str, country: Option<Country>) -> Option<&str> {
    let code = match text.split_once('-') {
        Some((before, after)) if Country::new(before).is_some_and(|c| country.is_none_or(|country| c == country)) => {
            after
        }
        _ => text,
    };
    ((1..=3).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_alphanumeric())).then_some(code)
}

fn city_id(value: &Value<'_>) -> Option<u32> {
    match value {
        Value::Whole(number) => u32::try_from(*number).ok(),
        Value::Text(text) => text.trim().parse().ok(),
        _ => None,
    }
    .filter(|id| *id != 0)
}

/// A number, or text like `AS15169` or `15169`.
fn asn(value: &Value<'_>) -> Option<u32> {
    match value {
        Value::Whole(number) => u32::try_from(*number).ok(),
        Value::Text(text) => {
            let text = text.trim();
            let digits = match text.get(..2) {
                Some(prefix) if prefix.eq_ignore_ascii_case("as") => &text[2..],
                _ => text,
            };
            digits.parse().ok()
        }
        _ => None,
    }
    .filter(|number| *number != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records as people write them: JSON in, the fields found as text out.
    #[track_caller]
    fn check(json: &str, expected: &str) {
        let json: serde_json::Value = serde_json::from_str(json).unwrap();
        let value = convert(&json);
        let r = Record::new(&value);
        let place = r.place.map_or_else(|| "-".to_owned(), |p| p.to_string());
        let country = r.country.map_or_else(|| "-".to_owned(), |c| c.to_string());
        let subdivision = [r.subdivision, r.subdivision_name].map(|text| text.unwrap_or("-")).join(" ");
        let city = format!("{} {}", r.city.unwrap_or("-"), r.city_id);
        let text = format!("{place} | {country} | {subdivision} | {city} | {}", r.asn);
        assert_eq!(text, expected);
    }

    fn convert(json: &serde_json::Value) -> Value<'_> {
        match json {
            serde_json::Value::String(text) => Value::Text(text),
            serde_json::Value::Number(n) => match n.as_i64() {
                Some(n) => Value::Whole(i128::from(n)),
                None => Value::Double(n.as_f64().unwrap()),
            },
            serde_json::Value::Array(items) => Value::List(items.iter().map(convert).collect()),
            serde_json::Value::Object(map) => Value::Map(map.iter().map(|(k, v)| (k.as_str(), convert(v))).collect()),
            serde_json::Value::Bool(flag) => Value::Flag(*flag),
            serde_json::Value::Null => Value::Deep,
        }
    }

    #[test]
    fn schemas() {
        check(
            r#"{"city":{"geoname_id":2886242,"names":{"de":"Köln","en":"Cologne"}},"country":{"iso_code":"DE"},
                "location":{"latitude":50.94,"longitude":6.96},"subdivisions":[{"iso_code":"NW","names":{"en":"x"}}]}"#,
            "50.94, 6.96 | DE | NW x | Cologne 2886242 | 0",
        );
        check(r#"{"registered_country":{"iso_code":"SE"}}"#, "- | SE | - - | - 0 | 0");
        check(
            r#"{"country":{"iso_code":"GB"},"registered_country":{"iso_code":"SE"},"traits":{"autonomous_system_number":7}}"#,
            "- | GB | - - | - 0 | 7",
        );
        check(
            r#"{"city":"Rotterdam","country_code":"NL","latitude":51.9,"longitude":4.5,"state1":"South Holland","state2":""}"#,
            "51.90, 4.50 | NL | - South Holland | Rotterdam 0 | 0",
        );
        check(
            r#"{"country":"US","city":"X","lat":"37.4","lng":"-122.1","asn":"AS15169","geoname_id":"5375480"}"#,
            "37.40, -122.10 | US | - - | X 5375480 | 15169",
        );
        check(r#"{"country":"United States","country_code":"US","asn":"15169"}"#, "- | US | - - | - 0 | 15169");
        check(
            r#"{"loc":"37.4, -122.1","region":"California","region_code":"CA"}"#,
            "37.40, -122.10 | - | CA California | - 0 | 0",
        );
        check(r#"{"country":"US","region_code":"us-ca"}"#, "- | US | ca - | - 0 | 0");
        check(r#"{"autonomous_system_number":3320}"#, "- | - | - - | - 0 | 3320");
        check(r#"{"subdivisions":[{"names":{"en":"Bavaria"}}]}"#, "- | - | - Bavaria | - 0 | 0");
    }

    #[test]
    fn what_says_nothing_or_nonsense_is_not_taken() {
        let nothing = "- | - | - - | - 0 | 0";
        check(r#"{"country_code":"ZZ","latitude":0,"longitude":0,"city":" ","asn":0,"geoname_id":0}"#, nothing);
        check(r#"{"latitude":"north","longitude":4,"asn":"AS","country":["NL"],"region_code":"Bavaria"}"#, nothing);
        check(r#"{"latitude":91.0,"longitude":4,"asn":-5,"country_code":"NLD","region_code":"ä"}"#, nothing);
        check(r#"{"country":"US","region_code":"GB-ENG","geoname_id":-1}"#, "- | US | - - | - 0 | 0");
        check(r#"{"latitude":52}"#, nothing);
        check(r#"{"asn":"ä1","loc":"1"}"#, nothing);
        check("[1]", nothing);
        check("7", nothing);
    }
}
