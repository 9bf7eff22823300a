//! The keys by which rules, fences and latency rows tell clients apart: one text each, from YAML or from a table.

use super::super::reader::{quoted, suggest};
use crate::geo::{Continent, Country};
use crate::net::Block;
use crate::steering::{City, Match, Subdivision};

/// Why a text is not what it should be.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) message: String,
    pub(super) help: String,
}

impl Refused {
    pub(super) fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: help.into() }
    }
}

/// What a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Prefix,
    Asn,
    City,
    Subdivision,
    Country,
    Continent,
}

impl Kind {
    /// The words of `match`, from the most specific to the least (SEMANTICS §2.5).
    pub(super) const WORDS: [&'static str; 6] = ["prefix", "asn", "city", "subdivision", "country", "continent"];

    pub(super) fn new(word: &str) -> Option<Self> {
        Some(match word {
            "prefix" => Self::Prefix,
            "asn" => Self::Asn,
            "city" => Self::City,
            "subdivision" => Self::Subdivision,
            "country" => Self::Country,
            "continent" => Self::Continent,
            _ => return None,
        })
    }

    /// Whether a key of this kind may have spaces in it.
    fn has_spaces(self) -> bool {
        matches!(self, Self::City | Self::Subdivision)
    }

    /// Reads a cell of a table: keys between `;`, or between spaces where a key has none.
    pub(super) fn cell(self, written: &str) -> Result<Match, Refused> {
        let parts = written
            .split(|c: char| c == ';' || (c.is_ascii_whitespace() && !self.has_spaces()))
            .map(str::trim)
            .filter(|part| !part.is_empty());
        match self {
            Self::Prefix => Ok(Match::Prefix(parts.map(prefix).collect::<Result<_, _>>()?)),
            Self::Asn => Ok(Match::Asn(parts.map(asn).collect::<Result<_, _>>()?)),
            Self::Country => Ok(Match::Country(parts.map(country).collect::<Result<_, _>>()?)),
            Self::Continent => Ok(Match::Continent(parts.map(continent).collect::<Result<_, _>>()?)),
            Self::Subdivision => {
                let one = |part: &str| match part.split_once('/') {
                    Some((country, name)) => subdivision(&[country.trim(), name.trim()]),
                    None => subdivision(&[part]),
                };
                Ok(Match::Subdivision(parts.map(one).collect::<Result<_, _>>()?))
            }
            Self::City => {
                let one = |part: &str| city(&part.split('/').map(str::trim).collect::<Vec<_>>());
                Ok(Match::City(parts.map(one).collect::<Result<_, _>>()?))
            }
        }
    }
}

pub(super) fn prefix(written: &str) -> Result<Block, Refused> {
    Block::parse(written).map_err(|message| Refused::new(message, "for example `192.0.2.0/24` or `2001:db8::/32`"))
}

/// `3320` or `AS3320`.
pub(super) fn asn(written: &str) -> Result<u32, Refused> {
    let number = written.strip_prefix("AS").or_else(|| written.strip_prefix("as")).unwrap_or(written);
    let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    let number = number.parse().ok().filter(|n| digits && *n > 0);
    number.ok_or_else(|| {
        Refused::new(
            format!("`{written}` is not an AS number"),
            "a whole number from 1 to 4294967295, for example `3320`",
        )
    })
}

/// A code of ISO 3166-1, or `XK`.
pub(super) fn country(written: &str) -> Result<Country, Refused> {
    let help = match &*written.to_ascii_uppercase() {
        "UK" => "did you mean `GB`? the code of the United Kingdom in ISO 3166",
        "EU" => "the European Union is no country, and no continent: list its countries",
        _ => match Country::new(written) {
            Some(country) if country.is_assigned() => return Ok(country),
            Some(_) => "ISO 3166 assigns no country to it",
            None => "two letters as in ISO 3166, for example `NL`",
        },
    };
    Err(Refused::new(format!("`{written}` is not a country code"), help))
}

pub(super) fn continent(written: &str) -> Result<Continent, Refused> {
    const NAMES: [(&str, &str); 8] = [
        ("Africa", "AF"),
        ("Antarctica", "AN"),
        ("Asia", "AS"),
        ("Europe", "EU"),
        ("North America", "NA"),
        ("Oceania", "OC"),
        ("Australia", "OC"),
        ("South America", "SA"),
    ];
    if let Some(continent) = Continent::new(written) {
        return Ok(continent);
    }
    let accepted = format!("accepted here: {}", quoted(Continent::ALL.map(Continent::code)));
    let near = suggest(written, NAMES.map(|name| name.0));
    let code = near.and_then(|near| NAMES.iter().find(|name| name.0 == near)).map(|name| name.1);
    let help = code.map_or_else(|| accepted.clone(), |code| format!("did you mean `{code}`? {accepted}"));
    Err(Refused::new(format!("`{written}` is not the code of a continent"), help))
}

/// `US-CA`, or a country and a code or name.
pub(super) fn subdivision(parts: &[&str]) -> Result<Subdivision, Refused> {
    const HELP: &str = "as in ISO 3166-2, `US-CA`, or country and name: `[US, California]`, in a table `US/California`";
    let (code, name) = match parts {
        [one] => one.split_once('-').unwrap_or((one, "")),
        [code, name] => (*code, *name),
        _ => ("", ""),
    };
    if name.is_empty() {
        return Err(Refused::new(format!("`{}` is not a subdivision", parts.join(", ")), HELP));
    }
    Ok(Subdivision { country: country(code)?, name: name.to_owned() })
}

/// A GeoNames id, or country, perhaps subdivision, and name.
pub(super) fn city(parts: &[&str]) -> Result<City, Refused> {
    const HELP: &str = "its GeoNames id, or country and name: `[DE, Munich]`, `[DE, Bavaria, Munich]`, in a table \
                        `DE/Munich`";
    let refused = || Refused::new(format!("`{}` is not a city", parts.join(", ")), HELP);
    if parts.iter().any(|part| part.is_empty()) {
        return Err(refused());
    }
    match parts {
        [id] => id.parse().ok().filter(|id| *id > 0).map(City::Id).ok_or_else(refused),
        [code, name] => Ok(City::Named { country: country(code)?, subdivision: None, name: (*name).to_owned() }),
        [code, sub, name] => {
            Ok(City::Named { country: country(code)?, subdivision: Some((*sub).to_owned()), name: (*name).to_owned() })
        }
        _ => Err(refused()),
    }
}
