//! What is assumed to be otherwise than it is.

use super::names;
use crate::snapshot::Snapshot;

/// What is assumed, of a PoP (`fra`) or of a service at one (`web@fra`), by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assume {
    /// No address of theirs is usable.
    pub down: Vec<String>,
    /// The operator prefers anyone else.
    pub drain: Vec<String>,
    /// All addresses of theirs are usable, and they are not drained.
    pub up: Vec<String>,
}

impl Assume {
    /// Reads `down=fra,lhr,drain=ams` in its words: one without `=` goes on with the list before. The error is for people.
    pub fn parse(words: &[String]) -> Result<Self, String> {
        let mut assume = Self::default();
        let mut what = None;
        for word in words {
            let pop = match word.split_once('=') {
                Some((key, pop)) => {
                    what = Some(key);
                    pop
                }
                None => word,
            };
            let list = match what {
                Some("down") => &mut assume.down,
                Some("drain") => &mut assume.drain,
                Some("up") => &mut assume.up,
                _ => {
                    return Err(format!(
                        "`{word}` is not understood; accepted are `down=POP`, `drain=POP` and `up=POP`"
                    ));
                }
            };
            list.push(pop.to_owned());
        }
        Ok(assume)
    }

    /// What is assumed of something that does not exist, in words: it would change nothing, and look as if it did not matter.
    pub fn unknown(&self, snapshot: &Snapshot) -> Option<String> {
        for name in self.pops() {
            if !snapshot.pops.iter().any(|pop| pop.name == *name) {
                let names: Vec<_> = snapshot.pops.iter().map(|pop| pop.name.as_str()).collect();
                return Some(format!("there is no PoP `{name}`; there are {}", names.join(", ")));
            }
        }
        for (service, _) in self.down.iter().chain(&self.drain).chain(&self.up).filter_map(|word| word.split_once('@'))
        {
            if !snapshot.maps.iter().any(|map| map.service.name == service) {
                let mut names: Vec<_> = snapshot.maps.iter().map(|map| map.service.name.as_str()).collect();
                names.sort_unstable();
                names.dedup();
                return Some(format!("there is no steered service `{service}`; there are {}", names.join(", ")));
            }
        }
        None
    }

    /// Whether nothing is assumed.
    pub fn is_empty(&self) -> bool {
        self.down.is_empty() && self.drain.is_empty() && self.up.is_empty()
    }

    /// Whether something is assumed of a service at a PoP.
    pub(super) fn is_about(&self, service: &str, pop: &str) -> bool {
        [&self.down, &self.drain, &self.up].into_iter().any(|list| names(list, service, pop))
    }

    /// Every PoP that is named.
    pub fn pops(&self) -> impl Iterator<Item = &str> {
        self.down.iter().chain(&self.drain).chain(&self.up).map(|word| word.rsplit('@').next().unwrap_or(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(words: &[&str], expected: Result<[&[&str]; 3], &str>) {
        let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        match (Assume::parse(&words), expected) {
            (Ok(assume), Ok(expected)) => assert_eq!([assume.down, assume.drain, assume.up], expected.map(list)),
            (Err(error), Err(expected)) => assert_eq!(error, expected),
            (got, expected) => panic!("{got:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn assumptions_are_lists() {
        check(&["down=fra", "lhr", "drain=ams"], Ok([&["fra", "lhr"], &["ams"], &[]]));
        check(&["up=web@fra", "down=iad"], Ok([&["iad"], &[], &["web@fra"]]));
        check(&[], Ok([&[], &[], &[]]));
        check(&["fra"], Err("`fra` is not understood; accepted are `down=POP`, `drain=POP` and `up=POP`"));
        check(&["price=fra"], Err("`price=fra` is not understood; accepted are `down=POP`, `drain=POP` and `up=POP`"));
    }
}
