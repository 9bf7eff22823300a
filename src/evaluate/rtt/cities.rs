//! Cities and the round-trip times between them.

use crate::evaluate::oracle::Point;

/// A city.
#[derive(Clone, Debug)]
pub struct City {
    /// Its name.
    pub name: String,
    /// The English name of its country.
    pub country: String,
    /// Degrees north and east.
    pub at: (f64, f64),
    /// Milliseconds to every city, in their order; `None` where nothing was measured.
    pub rtt_ms: Vec<Option<f64>>,
}

impl City {
    /// Great-circle kilometers.
    pub fn km(&self, other: &Self) -> f64 {
        Point::of(self.at.0, self.at.1).km(&Point::of(other.at.0, other.at.1))
    }
}

/// What is wrong with a table of cities.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct CitiesError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

/// Reads comma-separated lines: headings `city,country,lat,lon` and the cities in order, then a line for each city. Lines that
/// begin with `#` are passed over; an empty field was not measured.
///
/// # Errors
/// The first line that is wrong.
pub fn read(text: &str) -> Result<Vec<City>, CitiesError> {
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.starts_with('#') && !line.trim().is_empty());
    let wrong = |line: usize, what: &str| CitiesError { line: line + 1, what: what.to_owned() };
    let (number, head) = lines.next().ok_or(wrong(0, "nothing is in it"))?;
    let names: Vec<&str> = match head.split(',').collect::<Vec<_>>().as_slice() {
        ["city", "country", "lat", "lon", names @ ..] => names.to_vec(),
        _ => return Err(wrong(number, "the headings do not begin with `city,country,lat,lon`")),
    };
    let mut cities = Vec::with_capacity(names.len());
    for (number, line) in lines {
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        let (Some([name, country, latitude, longitude]), Some(times)) = (fields.first_chunk(), fields.get(4..)) else {
            return Err(wrong(number, "it is too short"));
        };
        if names.get(cities.len()) != Some(name) || times.len() != names.len() {
            return Err(wrong(number, "rows and columns are not the same cities in the same order"));
        }
        let number_of = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
        let at = number_of(latitude).zip(number_of(longitude)).ok_or(wrong(number, "coordinates are no numbers"))?;
        let rtt_ms = times.iter().map(|time| number_of(time)).collect();
        cities.push(City { name: (*name).to_owned(), country: (*country).to_owned(), at, rtt_ms });
    }
    if cities.len() == names.len() { Ok(cities) } else { Err(wrong(number, "there are fewer rows than columns")) }
}
