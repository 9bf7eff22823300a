"""The DB-IP City files as one database in the layout of GeoLite2-City, which gdnsd, Knot and PowerDNS read.

The search trees are taken over record for record; only the data section is written anew (`continent.code`, `country.iso_code`,
`subdivisions[0].names.en`, `city.names.en`, and of `location` `latitude` and `longitude` as doubles and `accuracy_radius`). IPv4 lies under
::/96. Addresses of PoPs are put in besides, each with the place of its PoP: PowerDNS looks PoPs up by their addresses.
"""

import ipaddress
import struct

import maxminddb
import numpy as np
from maxminddb.decoder import Decoder

# What a leaf's value is until the number of nodes is known: nothing, or this plus an offset into the data section.
NOTHING = 1 << 40
DATA = 1 << 41

CONTINENTS = {country: continent for continent, countries in {
    "AF": "AO BF BI BJ BW CD CF CG CI CM CV DJ DZ EG EH ER ET GA GH GM GN GQ GW KE KM LR LS LY MA MG ML MR MU MW MZ NA NE NG RE "
          "RW SC SD SH SL SN SO SS ST SZ TD TG TN TZ UG YT ZA ZM ZW",
    "AN": "AQ BV GS HM TF",
    "AS": "AE AF AM AZ BD BH BN BT CC CN CX CY GE HK ID IL IN IO IQ IR JO JP KG KH KP KR KW KZ LA LB LK MM MN MO MV MY NP OM PH "
          "PK PS QA SA SG SY TH TJ TL TM TR TW UZ VN YE",
    "EU": "AD AL AT AX BA BE BG BY CH CZ DE DK EE ES FI FO FR GB GG GI GR HR HU IE IM IS IT JE LI LT LU LV MC MD ME MK MT NL NO "
          "PL PT RO RS RU SE SI SJ SK SM UA VA XK",
    "NA": "AG AI AW BB BL BM BQ BS BZ CA CR CU CW DM DO GD GL GP GT HN HT JM KN KY LC MF MQ MS MX NI PA PM PR SV SX TC TT US VC "
          "VG VI",
    "OC": "AS AU CK FJ FM GU KI MH MP NC NF NR NU NZ PF PG PN PW SB TK TO TV UM VU WF WS",
    "SA": "AR BO BR CL CO EC FK GF GY PE PY SR UY VE",
}.items() for country in countries.split()}


class Source:
    """A flat database of one family: its tree, and its records by their pointers."""

    def __init__(self, path):
        about = maxminddb.open_database(str(path), maxminddb.MODE_AUTO).metadata()
        if about.record_size != 28:
            raise SystemExit(f"{path}: records of {about.record_size} bits are not read here")
        self.count, self.built, self.width = about.node_count, about.build_epoch, 32 if about.ip_version == 4 else 128
        octets = path.read_bytes()
        raw = np.frombuffer(octets, dtype=np.uint8, count=self.count * 7).reshape(-1, 7).astype(np.uint32)
        self.left = (raw[:, 3] >> 4) << 24 | raw[:, 0] << 16 | raw[:, 1] << 8 | raw[:, 2]
        self.right = (raw[:, 3] & 15) << 24 | raw[:, 4] << 16 | raw[:, 5] << 8 | raw[:, 6]
        both = (self.left, self.right)
        self.pointers = np.unique(np.concatenate([side[side > self.count] for side in both]))
        decoder = Decoder(octets[self.count * 7 + 16:], 0)
        self.records = [decoder.decode(int(pointer) - self.count - 16)[0] for pointer in self.pointers]


class Data:
    """A data section in which nothing stands twice."""

    def __init__(self):
        self.octets, self.seen = bytearray(), {}

    def offset(self, key, make):
        """Where the value of this key stands; it is made and put down the first time."""
        if key not in self.seen:
            value = make()
            self.seen[key] = len(self.octets)
            self.octets += value
        return self.seen[key]

    def shared(self, key, make):
        """A pointer to it."""
        at = self.offset(key, make)
        if at < 2048:
            return bytes([0x20 | at >> 8, at & 255])
        if at < 526_336:
            at -= 2048
            return bytes([0x28 | at >> 16]) + struct.pack(">H", at & 0xFFFF)
        at -= 526_336
        return bytes([0x30 | at >> 24]) + (at & 0xFFFFFF).to_bytes(3, "big")

    def text(self, value):
        return self.shared(value, lambda: text(value))

    def map(self, entries):
        return control(7, len(entries)) + b"".join(self.text(key) + value for key, value in entries)

    def record(self, country, region, city, latitude, longitude):
        """The offset of a record."""
        def named(name):
            return self.map([("names", self.map([("en", self.text(name))]))])

        def make():
            entries = []
            if city:
                entries.append(("city", self.shared(("city", city), lambda: named(city))))
            if country in CONTINENTS:
                code = CONTINENTS[country]
                entries.append(("continent", self.shared(("continent", code), lambda: self.map([("code", self.text(code))]))))
            if country:
                entries.append(("country", self.shared(("country", country), lambda: self.map([("iso_code", self.text(country))]))))
            if latitude is not None:
                place = [(key, b"\x68" + struct.pack(">d", value)) for key, value in (("latitude", latitude), ("longitude", longitude))]
                # PowerDNS takes no place without a radius, and looks at nothing of it.
                entries.append(("location", self.map([("accuracy_radius", b"\xa1\x64"), *place])))
            if region:
                entries.append(("subdivisions", self.shared(("region", region), lambda: control(11, 1) + named(region))))
            return self.map(entries)

        return self.offset(("record", country, region, city, latitude, longitude), make)


def fields(record):
    """Country, region, city, latitude and longitude of a flat record."""
    return tuple(record.get(key) or None for key in ("country_code", "state1", "city")) + (
        record.get("latitude"), record.get("longitude"))


def control(kind, size):
    head = kind << 5 if kind <= 7 else 0
    if size < 29:
        out = bytes([head | size])
    elif size < 285:
        out = bytes([head | 29])
    else:
        out = bytes([head | 30])
    out += bytes([kind - 7]) if kind > 7 else b""
    return out + (b"" if size < 29 else bytes([size - 29]) if size < 285 else struct.pack(">H", size - 285))


def text(value):
    octets = value.encode()
    return control(2, len(octets)) + octets


def write(v4, v6, pops, path):
    """Writes one database of both sources, with `pops` (address, country, latitude, longitude) put in."""
    data = Data()
    sides = []
    for source, base in ((v6, 0), (v4, v6.count)):
        offsets = np.array([data.record(*fields(record)) for record in source.records], dtype=np.int64)

        def converted(side, source=source, base=base, offsets=offsets):
            out = side.astype(np.int64) + base
            out[side == source.count] = NOTHING
            leaf = side > source.count
            out[leaf] = DATA + offsets[np.searchsorted(source.pointers, side[leaf])]
            return out

        sides.append([converted(source.left), converted(source.right)])
    tree = [np.concatenate([sides[0][side], sides[1][side]]) for side in (0, 1)]
    more = [[], []]
    own = len(tree[0])

    def slot(node, bit):
        return (tree[bit], node) if node < own else (more[bit], node - own)

    def put(prefix, length, value):
        """Sets what a prefix of 128 bits leads to; leaves on the way are divided."""
        node = 0
        for depth in range(length):
            array, index = slot(node, prefix >> (127 - depth) & 1)
            if depth == length - 1:
                array[index] = value
                return
            if array[index] >= NOTHING:
                for side in more:
                    side.append(int(array[index]))
                array[index] = own + len(more[0]) - 1
            node = int(array[index])

    put(0, 96, v6.count)
    for address, country, latitude, longitude in pops:
        put(int(ipaddress.IPv4Address(address)), 128, DATA + data.record(country, None, None, latitude, longitude))
    tree = [np.concatenate([side, np.array(extra, dtype=np.int64)]) for side, extra in zip(tree, more)]
    count = len(tree[0])
    left, right = (np.where(side >= DATA, side - DATA + count + 16, np.where(side == NOTHING, count, side)) for side in tree)
    if max(left.max(), right.max()) >= 1 << 28:
        raise SystemExit("too much for records of 28 bits")
    nodes = np.empty((count, 7), dtype=np.uint8)
    for column, value in enumerate((left >> 16, left >> 8, left, left >> 24 << 4 | right >> 24, right >> 16, right >> 8, right)):
        nodes[:, column] = value & 255
    metadata = [
        ("binary_format_major_version", b"\xa2\0\2"), ("binary_format_minor_version", b"\xa2\0\0"),
        ("build_epoch", b"\x08\x02" + struct.pack(">Q", int(v4.built))),
        # gdnsd looks for `City`, libmaxminddb's users for `GeoLite2`.
        ("database_type", text("DBIP-City-Lite GeoLite2-City")),
        ("description", control(7, 1) + text("en") + text("DB-IP City Lite, CC BY 4.0, https://db-ip.com, in another layout")),
        ("ip_version", b"\xa2\0\6"), ("languages", control(11, 1) + text("en")),
        ("node_count", b"\xc4" + struct.pack(">I", count)), ("record_size", b"\xa2\0\x1c"),
    ]
    with open(path, "wb") as out:
        out.write(nodes.tobytes() + bytes(16) + bytes(data.octets) + b"\xab\xcd\xefMaxMind.com")
        out.write(control(7, len(metadata)) + b"".join(text(key) + value for key, value in metadata))


def verify(v4, v6, starts, pops, path):
    """Holds the new file against the old ones: every record by an address of its own (`starts` of each source, as integers), and
    the PoPs."""
    reader = maxminddb.open_database(str(path), maxminddb.MODE_AUTO)
    checked = 0
    for source, firsts in zip((v4, v6), starts):
        kind = ipaddress.IPv4Address if source.width == 32 else ipaddress.IPv6Address
        for record, first in zip(source.records, firsts):
            country, region, city, latitude, longitude = fields(record)
            found = reader.get(str(kind(int(first)))) or {}
            place = found.get("location", {})
            names = [found.get("city"), next(iter(found.get("subdivisions", [])), None)]
            same = (found.get("country", {}).get("iso_code"), place.get("latitude"), place.get("longitude")) == (
                country, latitude, longitude) and [name and name["names"]["en"] for name in names] == [city, region]
            if not same:
                raise SystemExit(f"{kind(int(first))}: {record} became {found}")
            checked += 1
    for address, country, latitude, longitude in pops:
        if reader.get(address)["location"] != {"accuracy_radius": 100, "latitude": latitude, "longitude": longitude}:
            raise SystemExit(f"{address} is not at its PoP")
    return checked
