//! Packed tables against plain ones.

use super::*;
use crate::geo::SharedBytes;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The same borders as a plain table and as a packed one, which are to be alike whatever is asked, and however one goes
/// from one range to a later one.
#[track_caller]
fn check<K: Packable>(borders: impl IntoIterator<Item = (K, u32)>, asked: impl IntoIterator<Item = K>) {
    let borders: BTreeMap<K, u32> = [(K::ZERO, 0)].into_iter().chain(borders).collect();
    let mut plain = Ranges::new(0);
    for (start, value) in borders {
        plain.push(start, value);
    }
    let packed = Packed::of(&plain);
    let (plain, view) = (plain.view(), packed.view());
    assert!(view.is_sound());
    assert_eq!(view.len(), plain.len());
    assert!(view.iter().eq(plain.iter()));
    assert_eq!(view.highest(), plain.iter().map(|found| found.value).max().unwrap());
    let edges = plain.iter().flat_map(|found| [found.start, found.end]);
    let mut asked: Vec<K> = asked.into_iter().chain(edges).collect();
    asked.sort_unstable();
    let mut ranges = view.iter();
    for (number, x) in asked.iter().enumerate() {
        let found = plain.find(*x);
        assert_eq!(view.find(*x), found, "{x:?}");
        assert_eq!(view.from(*x).nth(1), plain.from(*x).nth(1), "{x:?}");
        // Every way there: from far behind, from the range before, and over some that were not looked at.
        for far in [0, number / 2, number.saturating_sub(1)] {
            let mut from = view.from(asked[far]);
            from.seek(*x);
            assert!(from.take(3).eq(plain.from(*x).take(3)), "{x:?} from {:?}", asked[far]);
        }
        if number % 3 > 0 {
            ranges.seek(*x);
            assert_eq!(ranges.peek(), Some(found));
        }
        if number % 5 == 0 {
            ranges = view.from(*x);
            ranges.next();
            if ranges.peek().is_none() {
                break;
            }
            ranges = view.from(*x);
        }
    }
    let mut changes = Vec::new();
    view.for_each_change(|value| (value % 3) as u16, |start, value| changes.push((start, value)));
    let mut expected: Vec<(K, u16)> = plain.iter().map(|found| (found.start, (found.value % 3) as u16)).collect();
    expected.dedup_by_key(|change| change.1);
    assert_eq!(changes, expected);
}

proptest! {
    #[test]
    fn a_packed_table_is_the_plain_one(
        starts in proptest::collection::vec((any::<u32>(), 0u32..400), 0..700),
        crowd in proptest::collection::vec((0u32..1 << 18, 0u32..1 << 25), 0..100),
        asked in proptest::collection::vec(any::<u32>(), 50),
    ) {
        check(starts.iter().chain(&crowd).copied(), asked.iter().copied());
        // Most borders at /64s and shorter, some crowds inside one or two neighbors, and at the ends of the space.
        let wide = |x: u32| u128::from(x) << 92;
        let inside = |x: u32| 0x2001_0db8 << 96 | u128::from(x % 3) << 64 | u128::from(x >> 2 & 3) << 62 | u128::from(x >> 16);
        let end = |x: u32| u128::MAX << 66 | u128::from(x % 4) << 64 | u128::from(x / 4 % 3);
        let crowded = crowd.iter().flat_map(|(x, value)| [(inside(*x), *value), (end(*x), *value), (!end(*x), *value)]);
        let asked = asked.iter().flat_map(|x| [wide(*x), inside(*x), end(*x), !end(*x)]);
        check(starts.iter().map(|(x, value)| (wide(*x), *value)).chain(crowded), asked);
    }

    /// Every way in which a few borders can lie to each other and to groups.
    #[test]
    fn a_small_packed_table_is_the_plain_one(
        starts in proptest::collection::vec((0u8..64, 0u32..5), 0..30),
        scale in prop_oneof![Just(1u32), Just(300), Just(70_000), Just(20_000_000)],
    ) {
        let part = |x: u8| [0, 1, 2, u32::MAX][usize::from(x & 3)];
        let address = |x: u8| u128::unite(part(x >> 4), part(x >> 2), [0, 1, 2, u64::MAX][usize::from(x & 3)]);
        check(starts.iter().map(|(x, value)| (address(*x), *value * scale)), (0..64).map(address));
    }
}

type Damage = fn(&mut Vec<u8>);

/// Columns as they lie in a file.
struct Bytes(Vec<Vec<u8>>);

impl ColumnSource<()> for Bytes {
    fn column<T: AnyBitPattern + NoUninit>(&self, number: usize) -> Result<Column<T>, ()> {
        let shared: SharedBytes = Arc::new(self.0[number].clone());
        Column::at(&shared, 0..self.0[number].len()).ok_or(())
    }
}

#[test]
fn columns_that_make_no_table_are_refused() {
    let mut ranges = Ranges::new(0);
    let at = |low: u128, rest: u128| 0x2001_0db8 << 96 | low << 64 | rest;
    for (start, value) in [(at(0, 7), 1), (at(1, 0), 2), (at(1, 4), 300), (at(1, 5), 4), (at(1, 0) << 1, 5)] {
        ranges.push(start, value);
    }
    let packed = Packed::of(&ranges);
    let columns = || packed.bytes().map(<[u8]>::to_vec).to_vec();
    let read = |columns: Vec<Vec<u8>>| Packed::<u128>::of_columns(&Bytes(columns), 0);
    let again = read(columns()).unwrap().unwrap();
    assert!(again.view().iter().eq(ranges.view().iter()));
    let number = |n: u32| n.to_ne_bytes().to_vec();
    // What is done to which column.
    let damages: [(usize, Damage); 11] = [
        (0, |uppers| uppers[0] = 1),
        (0, |uppers| uppers[4..8].fill(0xff)),
        (0, |uppers| uppers.truncate(4)),
        (1, |firsts| firsts[0] = 1),
        (1, |firsts| firsts[4] = 200),
        (2, |lows| lows[4] = 3),
        (2, |lows| lows.truncate(4)),
        (3, |values| _ = values.pop()),
        (4, |cuts| cuts[0] = 0),
        (4, |cuts| cuts[8] = 99),
        (5, |rests| rests[8] = 9),
    ];
    for (damaged, (column, damage)) in damages.into_iter().enumerate() {
        let mut columns = columns();
        damage(&mut columns[column]);
        assert!(read(columns).is_ok_and(|table| table.is_none()), "damage {damaged}");
    }
    // A rest of nothing, a part of a number, and nothing at all.
    let mut zero = columns();
    zero[5][..8].fill(0);
    assert!(read(zero).is_ok_and(|table| table.is_none()));
    let mut part = columns();
    part[1].pop();
    assert!(read(part).is_err());
    assert!(read(vec![Vec::new(); COLUMNS]).is_ok_and(|table| table.is_none()));
    let mut cut = vec![number(0), number(0), number(0), vec![0; 4], number(0), 1u64.to_ne_bytes().to_vec()];
    assert!(read(cut.clone()).is_ok_and(|table| table.is_none()));
    cut[4].clear();
    cut[5].clear();
    assert!(read(cut).is_ok_and(|table| table.is_some()));
}
