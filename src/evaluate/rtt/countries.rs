//! Mean round-trip times between countries.

use std::collections::HashMap;

use crate::geo::Country;

/// Milliseconds between two countries, the lower code first; within one country too.
#[derive(Clone, Debug, Default)]
pub struct Countries(HashMap<(Country, Country), f64>);

impl Countries {
    /// Between two countries, if it was measured.
    pub fn ms(&self, a: Country, b: Country) -> Option<f64> {
        self.0.get(&(a.min(b), a.max(b))).copied()
    }
}

/// What is wrong with a table of countries.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no lines of two country codes, a number of measurements and their mean, between commas")]
pub struct CountriesError;

/// Reads comma-separated lines: two country codes, how often it was measured, mean milliseconds. Other lines are passed over.
///
/// # Errors
/// Not one line is such a line.
pub fn read(text: &str) -> Result<Countries, CountriesError> {
    let mut pairs = HashMap::new();
    for line in text.lines() {
        let mut fields = line.split(',');
        let mut country = || Country::new(fields.next()?);
        let (Some(a), Some(b)) = (country(), country()) else { continue };
        if let Some(ms) = fields.nth(1).and_then(|text| text.parse().ok()) {
            pairs.insert((a.min(b), a.max(b)), ms);
        }
    }
    if pairs.is_empty() { Err(CountriesError) } else { Ok(Countries(pairs)) }
}

/// The code of a country by the English name that tables of cities have.
pub fn code(name: &str) -> Option<Country> {
    let at = NAMES.binary_search_by(|row| row.0.cmp(name)).ok()?;
    Country::new(NAMES.get(at)?.1)
}

/// Sorted by name. Those of the tables that were evaluated; others have no code, and no times between countries.
#[rustfmt::skip]
const NAMES: &[(&str, &str)] = &[
    ("Albania", "AL"), ("Algeria", "DZ"), ("Argentina", "AR"), ("Australia", "AU"), ("Austria", "AT"), ("Bangladesh", "BD"),
    ("Belgium", "BE"), ("Brazil", "BR"), ("Bulgaria", "BG"), ("Cambodia", "KH"), ("Canada", "CA"), ("Chile", "CL"),
    ("China", "CN"), ("Colombia", "CO"), ("Costa Rica", "CR"), ("Cyprus", "CY"), ("Czech Republic", "CZ"), ("Denmark", "DK"),
    ("Ecuador", "EC"), ("Egypt", "EG"), ("Estonia", "EE"), ("Finland", "FI"), ("France", "FR"), ("Georgia", "GE"),
    ("Germany", "DE"), ("Greece", "GR"), ("Honduras", "HN"), ("Hong Kong", "HK"), ("Hungary", "HU"), ("Iceland", "IS"),
    ("India", "IN"), ("Indonesia", "ID"), ("Ireland", "IE"), ("Israel", "IL"), ("Italy", "IT"), ("Japan", "JP"),
    ("Kazakhstan", "KZ"), ("Kenya", "KE"), ("Latvia", "LV"), ("Lithuania", "LT"), ("Luxembourg", "LU"), ("Malaysia", "MY"),
    ("Malta", "MT"), ("Mexico", "MX"), ("Moldova", "MD"), ("Morocco", "MA"), ("Netherlands", "NL"), ("New Zealand", "NZ"),
    ("Nigeria", "NG"), ("Norway", "NO"), ("Pakistan", "PK"), ("Panama", "PA"), ("Peru", "PE"), ("Philippines", "PH"),
    ("Poland", "PL"), ("Portugal", "PT"), ("Puerto Rico", "PR"), ("Romania", "RO"), ("Russia", "RU"), ("Saudi Arabia", "SA"),
    ("Serbia", "RS"), ("Singapore", "SG"), ("Slovakia", "SK"), ("Slovenia", "SI"), ("South Africa", "ZA"),
    ("South Korea", "KR"), ("Spain", "ES"), ("Suriname", "SR"), ("Sweden", "SE"), ("Switzerland", "CH"), ("Taiwan", "TW"),
    ("Tanzania", "TZ"), ("Thailand", "TH"), ("Tunisia", "TN"), ("Turkey", "TR"), ("Uganda", "UG"), ("Ukraine", "UA"),
    ("United Arab Emirates", "AE"), ("United Kingdom", "GB"), ("United States", "US"), ("Uruguay", "UY"), ("Venezuela", "VE"),
    ("Vietnam", "VN"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_codes_are_codes() {
        assert!(NAMES.is_sorted_by(|a, b| a.0 < b.0));
        assert!(NAMES.iter().all(|row| code(row.0).is_some()));
        assert_eq!(code("Atlantis"), None);
    }

    #[test]
    fn pairs_have_no_order() {
        let read = read("cty1,cty2,rtt_cnt,rtt_avg\nAD,AT,3,37.5,0.1\nAT,AT,9,4\n").unwrap();
        let country = |code| Country::new(code).unwrap();
        assert_eq!(read.ms(country("AT"), country("AD")), Some(37.5));
        assert_eq!(read.ms(country("AT"), country("AT")), Some(4.0));
        assert_eq!(read.ms(country("AD"), country("AD")), None);
        assert!(super::read("nothing\n").is_err());
    }
}
