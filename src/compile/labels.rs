//! The prefixes of all policies → labels of address ranges. A label is one distinct combination of what all policies together
//! say of an address by its prefix, so that the shared site table is cut once, and no finer than anyone can see.

use std::collections::HashMap;
use std::sync::Arc;

use crate::geo::Overlay;
use crate::net::{Bits, Block};
use crate::steering::rule::{Match, Rule};
use crate::steering::{Policy, PrefixMatch, Rank, Slot, plan};

/// What all policies say by prefix.
#[derive(Debug, Default)]
pub(super) struct Labels {
    /// For the site table.
    pub(super) overlay: Overlay,
    /// By policy, then by label; empty for policies without prefixes.
    pub(super) by_policy: Vec<Arc<[PrefixMatch]>>,
}

/// What the policies with prefixes say of one range: their indices and what they say, in rising order.
type Said = Vec<(u32, PrefixMatch)>;

/// Labels the prefixes of these policies.
pub(super) fn label(policies: &[Arc<Policy>]) -> Labels {
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    for (index, policy) in policies.iter().enumerate() {
        for (slot, block) in plan::prefixes(policy) {
            let policy = index as u32;
            match *block {
                Block::V4 { base, length } => v4.push(Item { base, last: base.last(length), length, policy, slot }),
                Block::V6 { base, length } => v6.push(Item { base, last: base.last(length), length, policy, slot }),
            }
        }
    }
    let mut labels = Interner::default();
    let overlay = Overlay { v4: sweep(v4, &mut labels), v6: sweep(v6, &mut labels), asns: asns(policies) };
    let by_policy = (0..policies.len() as u32).map(|policy| labels.of(policy)).collect();
    Labels { overlay, by_policy }
}

/// Every AS number that a policy names.
fn asns(policies: &[Arc<Policy>]) -> Vec<u32> {
    let latency = |policy: &'_ Arc<Policy>| match &policy.rank {
        Rank::Latency(map) => map.rows.clone(),
        Rank::Distance | Rank::Order | Rank::Weights => crate::steering::Rules::default(),
    };
    let named = |rule: &Rule| match &rule.class {
        Match::Asn(list) => list.clone(),
        Match::Prefix(_) | Match::City(_) | Match::Subdivision(_) | Match::Country(_) | Match::Continent(_) => {
            Vec::new()
        }
    };
    let mut all = Vec::new();
    for policy in policies {
        let rows = latency(policy);
        all.extend(policy.rules.list().iter().chain(&policy.fences).chain(rows.list()).flat_map(named));
    }
    all.sort_unstable();
    all.dedup();
    all
}

struct Item<K> {
    base: K,
    last: K,
    length: u8,
    policy: u32,
    slot: Slot,
}

/// Ranges from their first address on, label 0 where no prefix is. Prefixes nest or lie apart, so a stack of those around the
/// current address is all that is needed.
fn sweep<K: Bits>(mut items: Vec<Item<K>>, labels: &mut Interner) -> Vec<(K, u32)> {
    items.sort_unstable_by_key(|item| (item.base, item.length, item.policy, item.slot));
    let mut ranges: Vec<(K, u32)> = Vec::new();
    let mut emit = |start: K, label: u32| match ranges.last_mut() {
        Some(last) if last.0 == start => last.1 = label,
        Some(last) if last.1 == label => {}
        None if label == 0 => {}
        _ => ranges.push((start, label)),
    };
    let mut around: Vec<&Item<K>> = Vec::new();
    for (index, item) in items.iter().enumerate() {
        close(&mut around, Some(item.base), labels, &mut emit);
        around.push(item);
        // Of several that begin at one address the last is the narrowest.
        if items.get(index + 1).is_none_or(|next| next.base != item.base) {
            emit(item.base, labels.label(&around));
        }
    }
    close(&mut around, None, labels, &mut emit);
    ranges
}

/// Leaves the prefixes that end before `next`; after each of them what is around it holds again.
fn close<K: Bits>(around: &mut Vec<&Item<K>>, next: Option<K>, labels: &mut Interner, emit: &mut impl FnMut(K, u32)) {
    while let Some(ended) = around.last().map(|item| item.last)
        && next.is_none_or(|next| ended < next)
    {
        around.retain(|item| item.last != ended);
        if let Some(after) = ended.next() {
            emit(after, labels.label(around));
        }
    }
}

/// Distinct combinations, numbered from 1 in the order they come.
#[derive(Default)]
struct Interner {
    list: Vec<Said>,
    ids: HashMap<Said, u32>,
}

impl Interner {
    fn label<K>(&mut self, around: &[&Item<K>]) -> u32 {
        let mut said: Said = Vec::new();
        // From the widest to the narrowest: the last word counts.
        for item in around {
            let at = said.binary_search_by_key(&item.policy, |entry| entry.0).unwrap_or_else(|at| {
                said.insert(at, (item.policy, PrefixMatch::default()));
                at
            });
            let matched = &mut said[at].1;
            match item.slot {
                Slot::Rule(index) => matched.rule = Some(index),
                Slot::Latency(index) => matched.latency = Some(index),
                Slot::Fence(index) => {
                    if let Err(at) = matched.fences.binary_search(&index) {
                        matched.fences.insert(at, index);
                    }
                }
            }
        }
        if said.is_empty() {
            return 0;
        }
        if let Some(&id) = self.ids.get(&said) {
            return id;
        }
        self.list.push(said.clone());
        let id = self.list.len() as u32;
        self.ids.insert(said, id);
        id
    }

    /// What one policy says by label.
    fn of(&self, policy: u32) -> Arc<[PrefixMatch]> {
        let says = |said: &Said| said.iter().find(|entry| entry.0 == policy).map(|entry| entry.1.clone());
        if !self.list.iter().any(|said| says(said).is_some()) {
            return Arc::from([]);
        }
        let nothing = std::iter::once(PrefixMatch::default());
        nothing.chain(self.list.iter().map(|said| says(said).unwrap_or_default())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steering::rule::{Effect, Origin, Rules};
    use proptest::prelude::*;

    fn policy(blocks: &[(&str, bool)]) -> Arc<Policy> {
        let rule = |(index, (block, fence)): (usize, &(&str, bool))| {
            let (address, length) = block.split_once('/').unwrap();
            let names = vec![format!("pop{index}")];
            Rule {
                class: Match::Prefix(vec![Block::new(address.parse().unwrap(), length.parse().unwrap())]),
                effect: Arc::new(if *fence { Effect::Only(names) } else { Effect::Order(names) }),
                origin: Origin { file: "test".into(), line: index as u32 },
            }
        };
        let rules = Rules::new(blocks.iter().enumerate().map(rule).collect());
        Arc::new(Policy { rules, ..Policy::built_in("nearest").unwrap() })
    }

    /// What a policy says of an address, through the labels.
    fn says(labels: &Labels, policy: usize, address: u32) -> PrefixMatch {
        let label = labels.overlay.v4.iter().rev().find(|range| range.0 <= address).map_or(0, |range| range.1);
        labels.by_policy[policy].get(label as usize).cloned().unwrap_or_default()
    }

    #[test]
    fn s2_5_the_longest_prefix_wins_and_all_fences_apply() {
        let one = policy(&[("10.0.0.0/8", false), ("10.1.0.0/16", false), ("10.1.0.0/16", true), ("10.0.0.0/8", true)]);
        let other = policy(&[("10.1.2.0/24", false)]);
        let labels = label(&[one, other]);
        let ranges: Vec<_> =
            labels.overlay.v4.iter().map(|(a, l)| (std::net::Ipv4Addr::from(*a).to_string(), *l)).collect();
        let expected =
            [("10.0.0.0", 1), ("10.1.0.0", 2), ("10.1.2.0", 3), ("10.1.3.0", 2), ("10.2.0.0", 1), ("11.0.0.0", 0)];
        assert_eq!(ranges, expected.map(|(a, l)| (a.to_owned(), l)));
        let at = |address: &str| u32::from(address.parse::<std::net::Ipv4Addr>().unwrap());
        assert_eq!(
            says(&labels, 0, at("10.9.0.1")),
            PrefixMatch { rule: Some(0), fences: [3].as_slice().into(), latency: None }
        );
        assert_eq!(says(&labels, 0, at("10.1.2.1")).rule, Some(1));
        assert_eq!(says(&labels, 0, at("10.1.2.1")).fences.as_slice(), [2, 3]);
        assert_eq!(says(&labels, 1, at("10.1.2.1")).rule, Some(0));
        assert_eq!(says(&labels, 1, at("10.1.3.1")), PrefixMatch::default());
        assert_eq!(says(&labels, 0, at("11.0.0.0")), PrefixMatch::default());
    }

    #[test]
    fn the_whole_space_and_its_ends() {
        let labels = label(&[policy(&[("0.0.0.0/0", false), ("255.255.255.255/32", false)])]);
        assert_eq!(says(&labels, 0, 0).rule, Some(0));
        assert_eq!(says(&labels, 0, u32::MAX - 1).rule, Some(0));
        assert_eq!(says(&labels, 0, u32::MAX).rule, Some(1));
    }

    proptest! {
        /// Against asking every prefix of every policy.
        #[test]
        fn labels_say_what_every_policy_says(
            blocks in proptest::collection::vec((0usize..3, any::<u32>(), 0u8..=8, any::<bool>()), 0..40),
            probes in proptest::collection::vec(any::<u32>(), 20),
        ) {
            // Crowded: only the top byte varies.
            let mut texts: Vec<Vec<(String, bool)>> = vec![Vec::new(); 3];
            for (policy, address, length, fence) in blocks {
                let block = Block::new(std::net::Ipv4Addr::from(address).into(), length).to_string();
                if fence || !texts[policy].iter().any(|(seen, fence)| *seen == block && !fence) {
                    texts[policy].push((block, fence));
                }
            }
            let policies: Vec<_> = texts
                .iter()
                .map(|list| policy(&list.iter().map(|(b, f)| (b.as_str(), *f)).collect::<Vec<_>>()))
                .collect();
            let labels = label(&policies);
            for probe in probes {
                for (index, list) in texts.iter().enumerate() {
                    let mut expected = PrefixMatch::default();
                    let mut longest = -1;
                    for (at, (text, fence)) in list.iter().enumerate() {
                        let (base, length) = text.split_once('/').unwrap();
                        let length: u8 = length.parse().unwrap();
                        let base = u32::from(base.parse::<std::net::Ipv4Addr>().unwrap());
                        if probe.first(length) != base {
                            continue;
                        }
                        if *fence {
                            expected.fences.push(at as u32);
                        } else if i32::from(length) > longest {
                            (expected.rule, longest) = (Some(at as u32), i32::from(length));
                        }
                    }
                    prop_assert_eq!(says(&labels, index, probe), expected);
                }
            }
        }
    }
}
