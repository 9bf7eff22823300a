//! The naive walker of RFC 1034 §4.3.2 over a plain list of records, as oracle of the compiled zone; and the builder's
//! messages.

use proptest::prelude::*;

use super::*;
use crate::dns::{FoldedName, Name, Type, rdata};

/// A line of a zone: owner, type (`steer` for a steered name), data; everything relative to `z.`.
type Line = (String, &'static str, String);

fn name(text: &str) -> Name {
    Name::parse(text, Some(&Name::parse("z.", None).unwrap())).unwrap()
}

fn build(lines: &[Line]) -> Result<Built, Vec<Problem>> {
    let apex = name("@");
    let mut builder = ZoneBuilder::new(&apex, u32::MAX);
    for (tag, (owner, rtype, data)) in lines.iter().enumerate() {
        let tag = tag as u32;
        if *rtype == "steer" {
            builder.steer(&name(owner), SteerId(data.parse().unwrap()), tag);
        } else if *rtype == "reflect" {
            builder.reflect(&name(owner), ReflectId(data.parse().unwrap()), tag);
        } else if *rtype == "ALIAS" {
            builder.alias(&name(owner), &name(data), 300, tag);
        } else {
            let rtype = Type::parse(rtype).unwrap();
            let data = rdata::parse(rtype, data, &apex).unwrap();
            builder.add(&name(owner), rtype, 300, &data.wire, tag);
        }
    }
    builder.build()
}

fn with_apex(lines: &[(&str, &'static str, &str)]) -> Vec<Line> {
    let apex = [("@", "SOA", "ns hm 7 2 3 4 60"), ("@", "NS", "ns.elsewhere.")];
    apex.iter().chain(lines).map(|(o, t, d)| ((*o).to_owned(), *t, (*d).to_owned())).collect()
}

/// What a lookup says, for people.
fn told(zone: &Zone, lookup: Lookup<'_>) -> String {
    let set = |set: RrSet<'_>| format!("{} x{}", set.rtype, set.count);
    let owner = |labels: usize| labels - zone.apex_labels();
    match lookup {
        Lookup::Answer(s) => format!("answer {}", set(s)),
        Lookup::Steered { steer, written } => format!("steered {} {:?}", steer.0, written.map(set)),
        Lookup::Alias { .. } => "alias".to_owned(),
        Lookup::Cname(s) => format!("cname {}", set(s)),
        Lookup::Dname { labels, rrset } => format!("dname at {} {}", owner(labels), set(rrset)),
        Lookup::Referral(cut) => {
            let glue: Vec<String> = cut
                .glue()
                .map(|g| format!("{}{}", Name::from_wire(g.name).unwrap(), if g.required { "" } else { "?" }))
                .collect();
            format!("referral at {} {} glue {glue:?}", owner(cut.labels), set(cut.ns))
        }
        Lookup::Reflect(id) => format!("reflect {}", id.0),
        Lookup::NoData => "nodata".to_owned(),
        Lookup::NxDomain => "nxdomain".to_owned(),
    }
}

/// RFC 1034 §4.3.2 step 3, label by label, as it is written there, with RFC 4592 and RFC 6672.
fn naive(lines: &[Line], asked: &Name, rtype: Type) -> String {
    let owned = |n: &Name| lines.iter().filter(|l| name(&l.0) == *n).collect::<Vec<_>>();
    let exists = |n: &Name| lines.iter().any(|l| name(&l.0).is_at_or_under(n));
    let count = |n: &Name, t: Type| owned(n).iter().filter(|l| Type::parse(l.1) == Some(t)).count();
    let data = |n: &Name| {
        let written = (count(n, rtype) > 0).then(|| format!("{rtype} x{}", count(n, rtype)));
        if let Some(steer) = owned(n).iter().find(|l| l.1 == "steer") {
            return format!("steered {} {written:?}", steer.2);
        }
        match written {
            Some(set) => format!("answer {set}"),
            None if count(n, Type::CNAME) > 0 => "cname CNAME x1".to_owned(),
            None => "nodata".to_owned(),
        }
    };
    let apex = name("@");
    let mut path = vec![asked.clone()];
    while *path.last().unwrap() != apex {
        path.push(path.last().unwrap().parent().unwrap());
    }
    path.reverse();
    for (depth, here) in path.iter().enumerate() {
        if !exists(here) {
            let wildcard = path[depth - 1].child(b"*").unwrap();
            return if exists(&wildcard) { data(&wildcard) } else { "nxdomain".to_owned() };
        }
        if depth > 0 && count(here, Type::NS) > 0 {
            if here == asked && rtype == Type::DS {
                let ds = count(here, Type::DS);
                return if ds > 0 { format!("answer DS x{ds}") } else { "nodata".to_owned() };
            }
            return format!("referral at {depth} NS x{} glue {}", count(here, Type::NS), naive_glue(lines, here));
        }
        if here != asked && count(here, Type::DNAME) > 0 {
            return format!("dname at {depth} DNAME x1");
        }
    }
    data(asked)
}

fn naive_glue(lines: &[Line], cut: &Name) -> String {
    let topmost_cut = |target: &Name| {
        let mut cuts: Vec<Name> = lines
            .iter()
            .filter(|l| l.1 == "NS" && l.0 != "@" && target.is_at_or_under(&name(&l.0)))
            .map(|l| name(&l.0))
            .collect();
        cuts.sort_by_key(Name::label_count);
        cuts.first().cloned()
    };
    let (mut required, mut sibling): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    for line in lines.iter().filter(|l| l.1 == "NS" && name(&l.0) == *cut) {
        let target = name(&line.2);
        if !lines.iter().any(|l| name(&l.0) == target && matches!(l.1, "A" | "AAAA")) {
            continue;
        }
        match topmost_cut(&target) {
            Some(c) if c == *cut => required.push(target.to_string()),
            Some(_) => sibling.push(format!("{target}?")),
            None => {}
        }
    }
    required.append(&mut sibling);
    format!("{required:?}")
}

fn label() -> impl Strategy<Value = &'static str> {
    prop_oneof![3 => Just("a"), 3 => Just("b"), 1 => Just("c"), 2 => Just("*")]
}

fn owner() -> impl Strategy<Value = String> {
    proptest::collection::vec(label(), 0..5)
        .prop_map(|labels| if labels.is_empty() { "@".to_owned() } else { labels.join(".") })
}

fn line() -> impl Strategy<Value = Line> {
    let data = prop_oneof![
        4 => (0..4u8).prop_map(|n| ("A", format!("192.0.2.{n}"))),
        1 => Just(("AAAA", "2001:db8::1".to_owned())),
        2 => Just(("TXT", "text".to_owned())),
        2 => owner().prop_map(|target| ("NS", target)),
        2 => owner().prop_map(|target| ("CNAME", target)),
        1 => owner().prop_map(|target| ("DNAME", target)),
        1 => Just(("DS", "1 13 250 beef".to_owned())),
        2 => (0..9u8).prop_map(|n| ("steer", n.to_string())),
    ];
    (owner(), data).prop_map(|(owner, (rtype, data))| (owner, rtype, data))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn the_compiled_zone_agrees_with_the_naive_walker(
        lines in proptest::collection::vec(line(), 1..14),
        asked in proptest::collection::vec(owner(), 6),
    ) {
        let mut lines: Vec<Line> = with_apex(&[]).into_iter().chain(lines).collect();
        // Duplicates are dropped with a warning, which the walker does not know; sort out what the builder refuses by
        // the tags it gives.
        let mut seen = Vec::new();
        lines.retain(|l| { let new = !seen.contains(l); seen.push(l.clone()); new });
        let built = loop {
            match build(&lines) {
                Ok(built) => break built,
                Err(problems) => {
                    let before = lines.len();
                    let mut index = 0;
                    lines.retain(|_| { index += 1; !problems.iter().any(|p| p.tag == index - 1) });
                    prop_assert!(lines.len() < before, "a problem without a line: {:?}", problems);
                }
            }
        };
        for text in &asked {
            for rtype in [Type::A, Type::CNAME, Type::NS, Type::DS, Type::DNAME, Type::MX] {
                let asked = name(text);
                let got = told(&built.zone, built.zone.lookup(&FoldedName::of(&asked), rtype));
                prop_assert_eq!(got, naive(&lines, &asked, rtype), "{} {} in {:#?}", text, rtype, &lines);
                if rtype != Type::DS {
                    check_ready(&built.zone, &FoldedName::of(&asked), rtype);
                }
            }
        }
    }
}

/// What is ready for a name is what a lookup says, written out and read back by another codec.
#[track_caller]
fn check_ready(zone: &Zone, name: &FoldedName, rtype: Type) {
    let lookup = zone.lookup(name, rtype);
    let told_so = told(zone, lookup);
    match (zone.ready(zone.reach(name, name.hash(zone.apex_labels()), name.hash(name.labels())), rtype), lookup) {
        (Ready::Records(a), Lookup::Answer(b)) => assert_eq!(a, b),
        (Ready::Steered(a), Lookup::Steered { steer: b, .. }) => assert_eq!(a, b),
        (Ready::NoData, Lookup::NoData) | (Ready::NxDomain, Lookup::NxDomain) => {
            let soa = zone.ready_soa().unwrap();
            let apex = zone.apex().to_string();
            for behind in [0, 20] {
                assert_eq!(
                    written(&soa, name, behind).concat(),
                    [format!("{apex} SOA ns.{apex} hm.{apex} 7 2 3 4 60")]
                );
            }
        }
        (Ready::Dname { labels, rrset }, Lookup::Dname { labels: l, rrset: r }) => assert_eq!((labels, rrset), (l, r)),
        (Ready::Referral(sections), Lookup::Referral(cut)) => {
            let servers = cut.ns.rdata().map(|ns| Name::from_wire(ns).unwrap());
            let owner = Name::from_wire(name.suffix(cut.labels)).unwrap();
            let ns: Vec<_> = servers.map(|server| format!("{owner} NS {server}")).collect();
            let glue = |g: Glue<'_>| {
                let records = [g.a, g.aaaa].into_iter().flatten().map(|set| usize::from(set.count)).sum();
                std::iter::repeat_n(Name::from_wire(g.name).unwrap().to_string(), records)
            };
            let [answers, authorities, additionals] = written(&sections, name, 0);
            let owners: Vec<_> = additionals.iter().map(|r| r.split(' ').next().unwrap().to_owned()).collect();
            assert_eq!((answers, authorities, owners), (vec![], ns, cut.glue().flat_map(glue).collect()));
        }
        (Ready::Chain(chain), Lookup::Cname(_)) => {
            let (mut at, mut expected) = (FoldedName::of(&name.to_name()), Vec::new());
            while at.labels() >= zone.apex_labels()
                && at.suffix(zone.apex_labels()) == zone.apex_folded()
                && let Lookup::Cname(rrset) = zone.lookup(&at, rtype)
            {
                let target = Name::from_wire(rrset.first()).unwrap();
                expected.push(format!("{} CNAME {target}", at.to_name()).to_lowercase());
                at.read(target.as_wire()).unwrap();
            }
            let got = written(&chain.links, name, 0).concat();
            assert_eq!(got.iter().map(|r| r.to_lowercase()).collect::<Vec<_>>(), expected);
            match chain.end {
                ChainEnd::Outside(end) => assert_eq!(end.to_ascii_lowercase(), at.as_wire()),
                ChainEnd::Inside(place) => match (place.ready(rtype), zone.lookup(&at, rtype)) {
                    (Ready::Records(a), Lookup::Answer(b)) => assert_eq!(a, b),
                    (Ready::Steered(a), Lookup::Steered { steer: b, .. }) => assert_eq!(a, b),
                    (Ready::NoData, Lookup::NoData) | (Ready::Other, _) => {}
                    (ready, lookup) => panic!("{ready:?} at the end, but {}", told(zone, lookup)),
                },
            }
        }
        (Ready::Other, _) => {}
        (ready, _) => panic!("{ready:?}, but {told_so}"),
    }
}

/// Sections behind the question of a name (and so many octets of another record), read back: `OWNER TYPE DATA` of each.
fn written(sections: &Sections<'_>, name: &FoldedName, behind: usize) -> [Vec<String>; 3] {
    let mut message = [&[0; 12], name.as_wire(), &[0, 1, 0, 1]].concat();
    let counts = [1, u16::from(behind > 0) + sections.counts[0], sections.counts[1], sections.counts[2]];
    for (room, count) in message[4..].chunks_exact_mut(2).zip(counts) {
        room.copy_from_slice(&count.to_be_bytes());
    }
    if behind > 0 {
        // A TXT record of that length at the root.
        message.extend([0, 0, 16, 0, 1, 0, 0, 0, 0, 0, behind as u8 - 11, behind as u8 - 12]);
        message.extend(vec![b'x'; behind - 12]);
    }
    let at = message.len();
    message.resize(at + 1_500, 0xee);
    let end = sections.write(&mut message, at, name.as_wire().len()).unwrap().end;
    let message = hickory_proto::op::Message::from_vec(&message[..end]).unwrap();
    let shown = |records: &[hickory_proto::rr::Record]| {
        records.iter().map(|r| format!("{} {} {}", r.name, r.record_type(), r.data)).collect::<Vec<_>>()
    };
    let skip = usize::from(behind > 0);
    [shown(&message.answers[skip..]), shown(&message.authorities), shown(&message.additionals)]
}

/// The name that is asked has another label where the wildcard has its asterisk: nothing may point there.
#[test]
fn a_wildcard_may_lead_below_itself() {
    for (target, more) in
        [("b.*", ("b.*", "A", "192.0.2.1")), ("b", ("b", "CNAME", "c.*")), ("*", ("d", "TXT", "text"))]
    {
        let lines = with_apex(&[("*", "CNAME", target), more, ("c.*", "A", "192.0.2.2")]);
        let Ok(built) = build(&lines) else { continue };
        for asked in ["a", "*", "a.a"] {
            check_ready(&built.zone, &FoldedName::of(&name(asked)), Type::A);
        }
    }
}

#[test]
fn chains_are_ready_up_to_sixteen_links() {
    for links in [1, 2, 16, 17] {
        let mut lines = with_apex(&[("end", "A", "192.0.2.1"), ("*.w", "CNAME", "c1")]);
        for link in 1..=links {
            let target = if link == links { "end".to_owned() } else { format!("c{}", link + 1) };
            lines.push((format!("c{link}"), "CNAME", target));
        }
        let zone = build(&lines).unwrap().zone;
        for (asked, longest) in [("c1", 16), ("a.b.w", 15)] {
            let name = FoldedName::of(&name(asked));
            check_ready(&zone, &name, Type::A);
            let ready = zone.ready(zone.reach(&name, name.hash(zone.apex_labels()), name.hash(name.labels())), Type::A);
            assert_eq!(matches!(ready, Ready::Chain(_)), links <= longest, "{asked}, {links} links: {ready:?}");
        }
    }
}

#[track_caller]
fn check(lines: &[(&str, &'static str, &str)], expected: &str) {
    let told = |p: &Problem| p.help.as_ref().map_or(p.message.clone(), |help| format!("{}: {help}", p.message));
    let got = match build(&with_apex(lines)) {
        Ok(built) => built.warnings.iter().map(|w| format!("warning {}: {}", w.tag, told(w))).collect::<Vec<_>>(),
        Err(problems) => problems.iter().map(|p| format!("{}: {}", p.tag, told(p))).collect(),
    };
    assert_eq!(got.join("\n"), expected);
}

#[test]
fn what_is_refused() {
    const ALIAS: &str = "an alias has no other data (RFC 1034 §3.6.2)";
    check(&[("w", "CNAME", "a"), ("w", "A", "192.0.2.1")], &format!("2: `w.z` has a CNAME beside A: {ALIAS}"));
    check(&[("w", "CNAME", "a"), ("W", "steer", "1")], &format!("3: `w.z` has a CNAME beside `steer`: {ALIAS}"));
    check(&[("@", "CNAME", "a")], &format!("2: `z` has a CNAME beside NS: {ALIAS}"));
    check(
        &[("w", "CNAME", "a"), ("w", "CNAME", "b")],
        "3: `w.z` has 2 CNAME records: a name is an alias of one other name (RFC 2181 §10.1)",
    );
    check(
        &[("w", "DNAME", "a"), ("w", "steer", "1")],
        "3: `w.z` has a DNAME beside `steer`: a moved subtree cannot be steered",
    );
    check(
        &[("w", "DNAME", "a"), ("x.w", "A", "192.0.2.1")],
        "3: `x.w.z` has A below the DNAME of `w.z`: nothing exists below a DNAME (RFC 6672 §2.4)",
    );
    check(
        &[("w", "NS", "ns.other."), ("x.w", "steer", "1")],
        "3: `x.w.z` is steered, but `w.z` is delegated to other servers: \
         remove its NS records, or steer the name in its own zone",
    );
    check(
        &[("w.other.", "A", "192.0.2.1")],
        "2: `w.other` lies outside the zone `z`: names are relative to the zone unless they end in a dot",
    );
    check(&[("w", "SOA", "a b 1 2 3 4 5")], "2: `w.z` has an SOA record, but is not the zone's own name");
    check(&[("*", "NS", "a.b.")], "2: `*.z` is a wildcard with NS: its meaning is undefined (RFC 4592 §4.2, §4.4)");
    check(&[("w", "steer", "1"), ("w", "steer", "2")], "3: `w.z` is steered twice");
}

#[test]
fn what_is_refused_beside_an_alias() {
    const ALL: &str = "an ALIAS gives the name all of its addresses";
    check(&[("w", "ALIAS", "a"), ("w", "AAAA", "::1")], &format!("2: `w.z` has an ALIAS beside AAAA: {ALL}"));
    check(&[("w", "ALIAS", "a"), ("w", "steer", "1")], &format!("2: `w.z` has an ALIAS beside `steer`: {ALL}"));
    check(&[("w", "ALIAS", "a"), ("w", "ALIAS", "b")], "3: `w.z` has two ALIAS");
    check(
        &[("w", "ALIAS", "a"), ("w", "NS", "ns.other.")],
        "2: `w.z` is an ALIAS, but `w.z` is delegated to other servers: write the ALIAS where the name is served",
    );
    check(
        &[("w", "DNAME", "a"), ("x.w", "ALIAS", "a")],
        "3: `x.w.z` is an ALIAS, but `w.z` is moved by a DNAME: write the ALIAS where the name is served",
    );
    // What may stand: at the apex, at a DNAME, beside other types; as the name of a name server.
    check(&[("@", "ALIAS", "a"), ("w", "ALIAS", "a"), ("w", "DNAME", "a"), ("w", "MX", "1 a")], "");
    check(&[("@", "NS", "w"), ("w", "ALIAS", "a")], "");
}

#[test]
fn what_is_refused_beside_reflect() {
    const OWN: &str = "`reflect` is the TXT of its name; give it a name of its own";
    check(&[("w", "reflect", "0"), ("w", "TXT", "x")], &format!("2: `w.z` has `reflect` beside TXT: {OWN}"));
    check(&[("w", "CNAME", "a"), ("w", "reflect", "0")], &format!("3: `w.z` has `reflect` beside CNAME: {OWN}"));
    check(&[("w", "reflect", "0"), ("w", "reflect", "1")], "3: `w.z` reflects twice");
    check(
        &[("w", "NS", "ns.other."), ("x.w", "reflect", "0")],
        "3: `x.w.z` has `reflect`, but `w.z` is delegated to other servers: write it where the name is served",
    );
}

#[test]
fn what_is_odd() {
    check(
        &[("w", "A", "192.0.2.1"), ("W", "A", "192.0.2.1")],
        "warning 3: this A record of `w.z` stands twice; one serves",
    );
    check(
        &[("w", "NS", "ns.w"), ("@", "NS", "ns")],
        "warning 1: the name server `ns.z` of `z` has no address in the zone: write its A or AAAA record\n\
         warning 2: the name server `ns.w.z` of `w.z` has no address in the zone: write its A or AAAA record",
    );
    check(
        &[("w", "NS", "ns.other."), ("x.w", "TXT", "x"), ("w", "DS", "1 13 250 beef")],
        "warning 3: TXT of `x.w.z` is never answered: `w.z` is delegated: \
         only NS, DS and the addresses of name servers belong there",
    );
    check(&[("ns", "steer", "1"), ("@", "NS", "ns")], "");
    check(&[("@", "DNAME", "other."), ("@", "A", "192.0.2.1")], "");
}

#[test]
fn a_zone_needs_soa_and_ns() {
    let problems = ZoneBuilder::new(&name("@"), 9).build().unwrap_err();
    let told: Vec<_> = problems.iter().map(|p| format!("{}: {}", p.tag, p.message)).collect();
    assert_eq!(told, ["9: the zone `z` has no SOA record", "9: the zone `z` has no NS record"]);
}

#[test]
fn the_smallest_ttl_of_an_rrset_serves() {
    let apex = name("@");
    let mut builder = ZoneBuilder::new(&apex, 0);
    for (tag, line) in with_apex(&[("w", "A", "192.0.2.1"), ("w", "A", "192.0.2.2")]).iter().enumerate() {
        let rtype = Type::parse(line.1).unwrap();
        let data = rdata::parse(rtype, &line.2, &apex).unwrap();
        builder.add(&name(&line.0), rtype, 300 - 10 * tag as u32, &data.wire, tag as u32);
    }
    let built = builder.build().unwrap();
    assert_eq!(
        built.warnings.iter().map(|w| w.message.as_str()).collect::<Vec<_>>(),
        ["the A records of `w.z` have different TTLs; 270 s serves"]
    );
    let Lookup::Answer(set) = built.zone.lookup(&FoldedName::of(&name("w")), Type::A) else { panic!() };
    assert_eq!((set.ttl, set.count), (270, 2));
    assert_eq!((built.zone.serial(), built.zone.negative_soa().ttl), (7, 60));
}

#[test]
fn another_serial_changes_that_and_nothing_else() {
    let zone = build(&with_apex(&[("w", "A", "192.0.2.1"), ("c", "CNAME", "w"), ("s", "NS", "ns.s")])).unwrap().zone;
    let other = zone.with_serial(0xdead_beef);
    assert_eq!((zone.serial(), other.serial()), (7, 0xdead_beef));
    let serial = |octets: &[u8]| octets[octets.len() - 20..][..4].to_vec();
    for (zone, wanted) in [(&zone, [0, 0, 0, 7]), (&other, [0xde, 0xad, 0xbe, 0xef])] {
        let Lookup::Answer(soa) = zone.lookup(&FoldedName::of(&name("@")), Type::SOA) else { panic!("an SOA") };
        let mut page = [0; 512];
        let written = zone.ready_soa().unwrap().write(&mut page, 12, name("@").as_wire().len()).unwrap();
        for place in [soa.bytes, zone.negative_soa().bytes, &page[..written.end]] {
            assert_eq!(serial(place), wanted);
        }
    }
    // All other octets are the same.
    let differ = |a: &[u8], b: &[u8]| a.iter().zip(b).filter(|(a, b)| a != b).count();
    assert_eq!((zone.records.len(), differ(&zone.records, &other.records)), (other.records.len(), 4));
    assert_eq!(differ(&zone.negative_soa, &other.negative_soa), 4);
    let told =
        |zone| ["w", "c", "x.s", "none"].map(|asked| told(zone, zone.lookup(&FoldedName::of(&name(asked)), Type::A)));
    assert_eq!(told(&zone), told(&other));
}

#[test]
fn deep_names_and_closest_enclosers() {
    let deep = vec!["a"; 100].join(".");
    let lines = with_apex(&[(&deep, "A", "192.0.2.1"), (&format!("*.{}", vec!["a"; 60].join(".")), "TXT", "x")]);
    let zone = build(&lines).unwrap().zone;
    for depth in 1..126 {
        for prefix in ["", "b."] {
            let asked = name(&format!("{prefix}{}", vec!["a"; depth].join(".")));
            let got = told(&zone, zone.lookup(&FoldedName::of(&asked), Type::TXT));
            assert_eq!(got, naive(&lines, &asked, Type::TXT), "{prefix} {depth}");
        }
    }
}
