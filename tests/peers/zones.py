"""Zones full of corners and questions about them, the same for the same seed.

A zone is {owner: {type: (ttl, [presentation text])}}; owners are relative, `@` is the apex. It is written as our YAML
(of which JSON is a part) and as a master file for the peers.

Left out, because a peer refuses the zone or the RFC leaves the behavior open: names below a DNAME (RFC 6672 §2.4 forbids
them), wildcards that own NS or DNAME (RFC 4592 §4.2, §4.4).
"""

import json
import random

from wire import TYPES, Question, labels

# Labels that names are made of: few, so that what is asked is often there, or nearly.
WORDS = ["a", "b", "c", "d", "www", "mail", "ns", "x1", "_tcp", "long-label-of-some-length", "\\255odd", "do\\.t"]
ASKED_TYPES = ["A", "AAAA", "MX", "TXT", "NS", "SOA", "CNAME", "DNAME", "DS", "SRV", "CAA", "HTTPS", "TLSA", "NAPTR",
               "PTR", "SSHFP", "DNSKEY", "NSEC", "ANY", "TYPE65400", "TYPE999"]


class Zone:
    def __init__(self, origin, seed):
        self.origin, self.chance, self.owners = origin, random.Random(f"{origin} {seed}"), {}
        self.soa = {"mname": "ns1", "rname": "hostmaster", "serial": 2024010101, "refresh": 7200, "retry": 900,
                    "expire": 1209600, "minimum": self.chance.choice([60, 300, 7200]),
                    "ttl": self.chance.choice([120, 3600])}
        self.add("@", "NS", 3600, ["ns1", "ns2.elsewhere.invalid."])
        self.add("ns1", "A", 300, ["192.0.2.53"])

    def add(self, owner, rtype, ttl, values):
        self.owners.setdefault(owner, {})[rtype] = (ttl, list(dict.fromkeys(values)))

    def absolute(self, owner):
        return self.origin if owner == "@" else f"{owner}.{self.origin}"

    def yaml(self):
        apex = {t: rrset for t, rrset in self.owners["@"].items() if t != "NS"}
        records = {owner: self.owner(rrsets) for owner, rrsets in self.owners.items() if owner != "@"}
        if apex:
            records["@"] = self.owner(apex)
        ttl, names = self.owners["@"]["NS"]
        return json.dumps({"zone": self.origin, "soa": self.soa, "ns": {"ttl": ttl, "names": names},
                           "records": records}, indent=1)

    @staticmethod
    def owner(rrsets):
        return {rtype: {"ttl": ttl, "values": values} for rtype, (ttl, values) in rrsets.items()}

    def master_file(self):
        s = self.soa
        numbers = " ".join(str(s[key]) for key in ("serial", "refresh", "retry", "expire", "minimum"))
        lines = [f"$ORIGIN {self.origin}", f"@ {s['ttl']} IN SOA {s['mname']} {s['rname']} {numbers}"]
        for owner, rrsets in self.owners.items():
            for rtype, (ttl, values) in rrsets.items():
                lines += [f"{owner} {ttl} IN {rtype} {value}" for value in values]
        return "\n".join(lines) + "\n"

    def ttl(self):
        return self.chance.choice([0, 30, 60, 300, 86400])

    def data(self, owner):
        """RRsets of a few types at an owner."""
        c = self.chance
        one = lambda: f"192.0.2.{c.randrange(1, 250)}"
        make = {
            "A": lambda: [one() for _ in range(c.choice([1, 1, 2, 40]))],
            "AAAA": lambda: [f"2001:db8::{c.randrange(1, 9999):x}" for _ in range(c.choice([1, 1, 2, 20]))],
            "MX": lambda: ["10 mail", "20 mx.elsewhere.invalid.", "30 ns1"],
            "TXT": lambda: ['"' + "t" * c.choice([3, 200, 255]) + f'{i}"'[-1:] for i in range(c.choice([1, 1, 1, 1]))]
            + [f'"{i:04}{"long" * 55}"' for i in range(c.choice([0, 0, 1, 2, 4, 5, 6]))],
            "SRV": lambda: ["0 5 5060 www", "1 5 5060 ns1"],
            "CAA": lambda: ['0 issue "ca.example"'],
            "NAPTR": lambda: ['10 20 "s" "SIP+D2U" "" _sip._udp'],
            "TLSA": lambda: ["3 1 1 " + "ab" * 32],
            "SSHFP": lambda: ["4 2 " + "cd" * 32],
            "HTTPS": lambda: ["1 . alpn=h2"],
            "PTR": lambda: ["www"],
            "TYPE65400": lambda: ["\\# 2 beef"],
        }
        for rtype in c.sample(list(make), c.choice([1, 1, 2, 3])):
            self.add(owner, rtype, self.ttl(), make[rtype]())

    def hosts(self, count, depth=3):
        """Names with data, some deep, so that empty non-terminals stand above them."""
        c = self.chance
        for _ in range(count):
            owner = ".".join(c.choice(WORDS) for _ in range(c.randrange(1, depth + 1)))
            if owner not in self.owners:
                self.data(owner)


def corners(seed):
    """Everything at once; `child.corners.test` is hosted as well."""
    zone = Zone("corners.test.", seed)
    c = zone.chance
    zone.hosts(40)
    zone.data("@")
    zone.data("mail")
    # Wildcards: at the apex's children, below empty non-terminals, an alias, an empty one, one with a name below.
    for owner in ["*.w", "*.e.n.t", "*.a.w2", "*.*.stars"]:
        zone.data(owner)
    zone.data("b.w")
    zone.data("deep.er.w")
    zone.add("*.alias", "CNAME", 60, ["target.host"])
    zone.add("*.out", "CNAME", 60, ["www.elsewhere.invalid."])
    zone.add("*.self", "CNAME", 60, ["x.self"])
    zone.data("below.*.below")
    zone.data("_tcp.*.srv")
    zone.add("target.host", "A", 60, ["192.0.2.7"])
    # Chains and loops.
    zone.add("chain0", "A", 60, ["192.0.2.8"])
    for i in range(1, 22):
        zone.add(f"chain{i}", "CNAME", 60 + i, [f"chain{i - 1}"])
    for owner, target in [("loop1", "loop2"), ("loop2", "loop3"), ("loop3", "loop1"), ("selfloop", "selfloop"),
                          ("to-nothing", "nothing.at.all"), ("to-ent", "n.t"), ("to-cut", "host.cut1"),
                          ("to-glue", "ns1.cut1"), ("to-wild", "any.w"), ("to-dname", "x.dn1"), ("to-other", "www.other.test."),
                          ("to-other-gone", "gone.other.test."), ("to-child", "www.child"), ("to-child-cut", "x.cut.child"),
                          ("to-outside", "www.elsewhere.invalid."), ("to-apex", "@")]:
        zone.add(owner, "CNAME", zone.ttl(), [target])
    # DNAME: into the zone, onto a wildcard, in a row, a loop, out, into another zone, too long.
    for owner, target in [("dn1", "host"), ("dn2", "w"), ("dn3", "dn1"), ("dn4.deep", "alias"), ("dnloop1", "dnloop2"),
                          ("dnloop2", "dnloop1"), ("dnself", "sub.dnself2"), ("dnself2", "dnself"), ("dnout", "elsewhere.invalid."),
                          ("dnother", "other.test."), ("dnchild", "child"), ("dncut", "cut1"), ("dngone", "nowhere.at.all"),
                          ("dnroot", "."), ("dnlong", ".".join(["l" * 60] * 3) + "." + zone.origin)]:
        zone.add(owner, "DNAME", zone.ttl(), [target])
    zone.add("dn1", "TXT", 60, ['"beside"'])
    zone.add("dn1", "A", 60, ["192.0.2.9"])
    # Cuts: in-domain glue, sibling glue, out of zone, with DS, deep ones, occluded names, too large for 512 octets.
    zone.add("cut1", "NS", 300, ["ns1.cut1", "ns2.cut1"])
    zone.add("ns1.cut1", "A", 300, ["192.0.2.61"])
    zone.add("ns1.cut1", "AAAA", 300, ["2001:db8::61"])
    zone.add("ns2.cut1", "A", 300, ["192.0.2.62", "192.0.2.63"])
    zone.add("cut1", "DS", 300, ["12345 13 2 " + "ef" * 32])
    zone.data("occluded.cut1")
    zone.add("*.cut1", "A", 300, ["192.0.2.64"])
    zone.add("alias.cut1", "CNAME", 300, ["target.host"])
    zone.add("cut2", "NS", 300, ["ns1.cut1", "ns.cut3", "ns.elsewhere.invalid."])
    zone.add("cut3", "NS", 300, ["ns.cut3"])
    zone.add("ns.cut3", "A", 300, ["192.0.2.65"])
    zone.add("cut4.deep.er", "NS", 300, ["ns1", "target.host"])
    zone.add("cut4.deep.er", "DS", 300, ["1 8 2 " + "01" * 32, "2 8 2 " + "02" * 32])
    zone.add("self.cut", "NS", 300, ["self.cut"])
    zone.add("self.cut", "A", 300, ["192.0.2.66"])
    big = [f"ns{i}.big" for i in range(13)]
    zone.add("big", "NS", 300, big)
    for i, owner in enumerate(big):
        zone.add(owner, "A", 300, [f"192.0.2.{100 + i}"])
        zone.add(owner, "AAAA", 300, [f"2001:db8::{100 + i}"])
    zone.add("sib", "NS", 300, big[:9])
    # A cut below a cut is no cut of this zone.
    zone.add("inner.cut3", "NS", 300, ["ns.inner.cut3"])
    zone.add("ns.inner.cut3", "A", 300, ["192.0.2.67"])
    # The child is hosted too; `grand.cut1` is hosted, its parent is not.
    zone.add("child", "NS", 300, ["ns1.child", "ns1"])
    zone.add("child", "DS", 300, ["7 13 2 " + "77" * 32])
    zone.add("ns1.child", "A", 300, ["192.0.2.68"])
    # A signed child without DS, to be asked for it.
    zone.add("insecure", "NS", 300, ["ns.elsewhere.invalid."])
    c.random()
    return zone


def child(seed):
    zone = Zone("child.corners.test.", seed)
    zone.hosts(20)
    zone.data("www")
    zone.data("*.wild")
    zone.add("cut", "NS", 300, ["ns.cut"])
    zone.add("ns.cut", "A", 300, ["192.0.2.70"])
    zone.add("up", "CNAME", 60, ["target.host.corners.test."])
    zone.add("round", "CNAME", 60, ["to-child.corners.test."])
    zone.add("dnup", "DNAME", 60, ["corners.test."])
    return zone


def grandchild(seed):
    zone = Zone("grand.cut1.corners.test.", seed)
    zone.hosts(10)
    zone.add("up", "CNAME", 60, ["occluded.cut1.corners.test."])
    return zone


def other(seed):
    """A plain zone with a DNAME at its neighbour's apex leading here."""
    zone = Zone("other.test.", seed)
    zone.hosts(150)
    zone.data("www")
    zone.data("*")
    zone.add("back", "CNAME", 60, ["chain3.corners.test."])
    zone.add("ping", "CNAME", 60, ["ping.moved.test."])
    for i in range(12):
        cut = f"d{i}"
        zone.add(cut, "NS", 300, [f"ns.{cut}", f"ns.d{(i + 5) % 12}"])
        zone.add(f"ns.{cut}", "A", 300, [f"192.0.2.{200 + i}"])
    return zone


def moved(seed):
    zone = Zone("moved.test.", seed)
    del zone.owners["ns1"]
    zone.soa["mname"] = "ns1.other.test."
    zone.add("@", "NS", 3600, ["ns1.other.test."])
    zone.add("@", "DNAME", 600, ["other.test."])
    zone.add("@", "A", 600, ["192.0.2.80"])
    return zone


def all_zones(seed):
    return [make(seed) for make in (corners, child, grandchild, other, moved)]


def questions(zones, count, seed):
    """Questions for names that are there, and above, below and beside them."""
    c = random.Random(f"questions {seed}")
    names = sorted({zone.absolute(owner) for zone in zones for owner in zone.owners} | {zone.origin for zone in zones})
    targets = {"child.corners.test.", "x.grand.cut1.corners.test.", "test.", "."}
    names += sorted(targets)
    typed = {zone.absolute(owner): list(rrsets) for zone in zones for owner, rrsets in zone.owners.items()}

    def below(name):
        return ".".join(c.choice(WORDS + ["*", "nothing", "host", "l" * 63]) for _ in range(c.choice([1, 1, 1, 2, 5]))) + "." + name.lstrip(".")

    def join(parts):
        return "".join("".join(chr(o) if chr(o).isalnum() and o < 128 or o in b"-_*" else f"\\{o:03}" for o in part) + "." for part in parts) or "."

    for i in range(count):
        name = c.choice(names)
        kind = c.random()
        if kind < 0.25:
            asked = below(name)
        elif kind < 0.35:
            asked = join(labels(name)[1:])
        elif kind < 0.45:
            asked = below(join(labels(name)[1:]))
        elif kind < 0.5:
            asked = name.replace("*", c.choice(WORDS))
        else:
            asked = name
        while sum(len(part) + 1 for part in labels(asked)) > 254:
            asked = join(labels(asked)[1:])
        there = typed.get(name, [])
        rtype = c.choice(there) if there and c.random() < 0.4 else c.choice(ASKED_TYPES)
        edns = c.choice([None, None, 0, 512, 700, 1232, 1232, 4096, 65535])
        version = 1 if edns is not None and c.random() < 0.01 else 0
        dnssec = edns is not None and c.random() < 0.2
        yield Question(asked, TYPES[rtype], edns, c.random() < 0.08, version, dnssec, seed=f"{seed} {i}")
