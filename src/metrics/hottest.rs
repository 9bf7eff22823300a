//! The names that are asked for most lately: one message in 512 is looked at, and a table of fixed size keeps the most frequent
//! (space-saving, Metwally et al. 2005). One table per writer; what is old counts half after half a minute.

use std::collections::HashMap;

/// Names that a table keeps: some 17 KB for each thread that answers. A name with more than this part of the samples is
/// never missed.
const NAMES: usize = 64;
/// Longest name in wire form (RFC 1035 §2.3.4).
const LONGEST: usize = 255;
/// Seconds after which what was counted counts half.
const HALF_LIFE: u32 = 30;
/// A header (RFC 1035 §4.1.1).
const HEADER: usize = 12;

/// A question in the table.
#[derive(Clone, Copy)]
struct Entry {
    /// At most so many of them were for names that stood here before.
    error: u32,
    rtype: u16,
    length: u8,
    name: [u8; LONGEST],
}

/// The table.
#[derive(Clone)]
pub(super) struct Sketch {
    /// Of each entry, so that a search touches little memory.
    hashes: [u64; NAMES],
    counts: [u32; NAMES],
    entries: Box<[Entry]>,
    samples: u32,
    halved: u32,
}

impl std::fmt::Debug for Sketch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sketch").field("samples", &self.samples).finish_non_exhaustive()
    }
}

/// What is asked for most, of all writers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hottest {
    /// Messages that were looked at, older ones counted less.
    pub samples: u64,
    /// Name in wire form, lower-cased, type, and how many samples at least it had; the most first.
    pub names: Vec<(Vec<u8>, u16, u64)>,
}

impl Sketch {
    pub(super) fn new() -> Self {
        let entry = Entry { error: 0, rtype: 0, length: 0, name: [0; LONGEST] };
        Self {
            hashes: [0; NAMES],
            counts: [0; NAMES],
            entries: vec![entry; NAMES].into_boxed_slice(),
            samples: 0,
            halved: 0,
        }
    }

    /// Counts a request's question; what has none is passed over.
    pub(super) fn sample(&mut self, request: &[u8], now: u32) {
        self.age(now);
        let Some((name, rtype)) = question(request) else { return };
        self.samples = self.samples.saturating_add(1);
        let mut lower = [0; LONGEST];
        for (to, from) in lower.iter_mut().zip(name) {
            *to = from.to_ascii_lowercase();
        }
        let name = lower.get(..name.len()).unwrap_or_default();
        // Never 0, which is an empty place.
        let hash = xxhash_rust::xxh3::xxh3_64_with_seed(name, rtype.into()) | 1;
        if let Some(at) = self.hashes.iter().position(|known| *known == hash) {
            self.counts[at] = self.counts[at].saturating_add(1);
            return;
        }
        let least = self.counts.iter().copied().min().unwrap_or_default();
        let Some(at) = self.counts.iter().position(|count| *count == least) else { return };
        if let Some(entry) = self.entries.get_mut(at) {
            *entry = Entry { error: least, rtype, length: name.len() as u8, name: lower };
        }
        (self.hashes[at], self.counts[at]) = (hash, least.saturating_add(1));
    }

    /// What was counted counts half for every half-life that has gone.
    fn age(&mut self, now: u32) {
        let lives = now.saturating_sub(self.halved) / HALF_LIFE;
        if lives == 0 {
            return;
        }
        let shift = |count: u32| count.checked_shr(lives).unwrap_or(0);
        for ((hash, count), entry) in self.hashes.iter_mut().zip(&mut self.counts).zip(self.entries.iter_mut()) {
            (*count, entry.error) = (shift(*count), shift(entry.error));
            if *count == 0 {
                *hash = 0;
            }
        }
        self.samples = shift(self.samples);
        self.halved = now;
    }

    /// Adds up to `most` names of several tables.
    pub(super) fn sum(sketches: impl Iterator<Item = Self>, now: u32, most: usize) -> Hottest {
        let (mut samples, mut sums) = (0, HashMap::<(Vec<u8>, u16), u64>::new());
        for mut sketch in sketches {
            sketch.age(now);
            samples += u64::from(sketch.samples);
            for (entry, count) in sketch.entries.iter().zip(sketch.counts).filter(|(entry, count)| *count > entry.error)
            {
                let name = entry.name.get(..entry.length.into()).unwrap_or_default().to_vec();
                *sums.entry((name, entry.rtype)).or_default() += u64::from(count - entry.error);
            }
        }
        let mut names: Vec<_> = sums.into_iter().map(|((name, rtype), count)| (name, rtype, count)).collect();
        names.sort_by(|a, b| b.2.cmp(&a.2).then_with(|| (&a.0, a.1).cmp(&(&b.0, b.1))));
        names.truncate(most);
        Hottest { samples, names }
    }
}

/// The name and type of a request's question.
fn question(request: &[u8]) -> Option<(&[u8], u16)> {
    let body = request.get(HEADER..).filter(|_| request.get(4..6) == Some(&[0, 1]))?;
    let mut at = 0;
    loop {
        match *body.get(at)? {
            0 => break,
            length @ 1..=63 => at += usize::from(length) + 1,
            _ => return None,
        }
    }
    let name = body.get(..=at).filter(|name| name.len() <= LONGEST)?;
    let rtype = body.get(at + 1..at + 3)?;
    Some((name, u16::from_be_bytes([rtype[0], rtype[1]])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(name: &str, rtype: u8) -> Vec<u8> {
        let mut out = vec![0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            out.push(label.len() as u8);
            out.extend(label.bytes());
        }
        out.extend([0, 0, rtype, 0, 1]);
        out
    }

    fn counted(sketch: &Sketch, now: u32) -> Vec<(String, u64)> {
        let hottest = Sketch::sum([sketch.clone()].into_iter(), now, 3);
        let text = |name: &[u8]| String::from_utf8_lossy(&name[1..name.len() - 1]).into_owned();
        hottest.names.iter().map(|(name, rtype, count)| (format!("{} {rtype}", text(name)), *count)).collect()
    }

    #[test]
    fn what_is_frequent_stays_among_names_that_are_not() {
        let mut sketch = Sketch::new();
        for number in 0..3000 {
            sketch.sample(&request(&format!("x{number}"), 1), 5);
            if number % 3 == 0 {
                sketch.sample(&request(if number % 2 == 0 { "www" } else { "WWW" }, 28), 5);
            }
        }
        let names = counted(&sketch, 5);
        assert_eq!(names[0].0, "www 28");
        assert!((900..=1000).contains(&names[0].1), "{names:?}");
        assert_eq!(sketch.samples, 4000);
    }

    #[test]
    fn what_is_old_goes() {
        let mut sketch = Sketch::new();
        (0..8).for_each(|_| sketch.sample(&request("a", 1), 100));
        assert_eq!(counted(&sketch, 101), [("a 1".to_owned(), 8)]);
        (0..3).for_each(|_| sketch.sample(&request("b", 1), 131));
        assert_eq!(counted(&sketch, 131), [("a 1".to_owned(), 4), ("b 1".to_owned(), 3)]);
        assert_eq!(counted(&sketch, 4_000_000_000), []);
    }

    #[test]
    fn what_is_no_question_is_passed_over() {
        let mut sketch = Sketch::new();
        let whole = request("www", 1);
        for length in 0..whole.len() - 2 {
            sketch.sample(&whole[..length], 1);
        }
        for octet in 0..=255 {
            let mut bad = whole.clone();
            bad[HEADER] = octet;
            sketch.sample(&bad, 1);
        }
        sketch.sample(&[0xff; 600], 1);
        assert!(sketch.samples <= 4, "{sketch:?}");
    }
}
