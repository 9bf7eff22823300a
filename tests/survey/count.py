#!/usr/bin/env python3
"""Counts independently what `catchment diff` says of nearest PoPs over a MaxMind-format database of IPv4.

    catchment diff OLD NEW --geodb DIRECTORY --json > diff.json
    pip install maxminddb numpy
    python3 count.py diff.json DATABASE.mmdb OLD.tsv NEW.tsv

OLD.tsv and NEW.tsv have a line per PoP: name, latitude, longitude, in the order of the service. Reads every network of the
database, computes great-circle distances in double precision with the haversine formula, and compares: addresses that move,
from whom to whom, and per country. Fails where a figure differs by more than a millionth of all addresses (near-ties of
less than a microsecond of cost are decided by the order of PoPs, which doubles do not see).
"""

import json
import sys

import maxminddb
import numpy

RADIUS = 6371.0088


def networks(path):
    """First address, last address, latitude, longitude, country of every IPv4 network."""
    rows = []
    with maxminddb.open_database(path) as reader:
        for network, record in reader:
            if network.version != 4 or not record:
                continue
            location = record.get("location", record)
            country = record.get("country", {}).get("iso_code") if "country" in record else record.get("country_code")
            place = (location.get("latitude"), location.get("longitude"))
            first = int(network.network_address)
            rows.append((first, first + network.num_addresses, *place, country))
    return rows


def pops(path):
    rows = [line.rstrip("\n").split("\t") for line in open(path) if line.strip()]
    return [row[0].lower() for row in rows], numpy.radians([[float(row[1]), float(row[2])] for row in rows])


def nearest(places, pops):
    """The number of the nearest PoP for every place, and how far it is."""
    best = numpy.full(len(places), numpy.inf)
    who = numpy.zeros(len(places), dtype=int)
    for number, (latitude, longitude) in enumerate(pops):
        h = numpy.sin((places[:, 0] - latitude) / 2) ** 2
        h += numpy.cos(places[:, 0]) * numpy.cos(latitude) * numpy.sin((places[:, 1] - longitude) / 2) ** 2
        km = 2 * RADIUS * numpy.arcsin(numpy.sqrt(h))
        closer = km < best - 2e-5
        who[closer], best[closer] = number, km[closer]
    return who, best


def main():
    told = json.load(open(sys.argv[1]))["steered"][0]
    (old_names, old), (new_names, new) = pops(sys.argv[3]), pops(sys.argv[4])
    rows = [row for row in networks(sys.argv[2]) if row[2] is not None]
    size = numpy.array([row[1] - row[0] for row in rows])
    places = numpy.radians(numpy.array([[row[2], row[3]] for row in rows], dtype=float))
    countries = numpy.array([row[4] or "" for row in rows])
    (was, was_km), (now, now_km) = nearest(places, old), nearest(places, new)
    before, after = numpy.array(old_names)[was], numpy.array(new_names)[now]
    moved = before != after
    total = size.sum()
    worst = 0.0

    def compare(what, counted, said):
        nonlocal worst
        worst = max(worst, abs(counted - said) / total)
        if abs(counted - said) > total * 1e-6:
            print(f"{what}: counted {counted}, said {said}")

    compare("all", total, told["total"]["ipv4_addresses"])
    compare("moved", size[moved].sum(), told["moved"]["ipv4_addresses"])
    flows = {(flow["from"], flow["to"]): flow for flow in told["flows"]}
    pairs = sorted(set(zip(before[moved], after[moved])) | set(flows))
    for pair in pairs:
        which = moved & (before == pair[0]) & (after == pair[1])
        said = flows.get(pair, {}).get("ipv4_addresses", 0)
        compare(f"{pair[0]} to {pair[1]}", size[which].sum(), said)
        if size[which].sum() > 0 and said > 0:
            for km, key in ((was_km, "before"), (now_km, "after")):
                mean = (km[which] * size[which]).sum() / size[which].sum()
                if abs(mean - flows[pair]["km"][key]) > 0.1:
                    print(f"{pair[0]} to {pair[1]}: km {key} counted {mean}, said {flows[pair]['km'][key]}")
                    worst = 1.0
    said = {row["country"]: row["moved"]["ipv4_addresses"] for row in told["countries"]}
    for country in sorted(set(countries[moved]) | {c for c in said if c}):
        compare(country, size[moved & (countries == country)].sum(), said.get(country, 0))
    print(f"{len(rows)} networks, {len(pairs)} pairs, {len(said)} countries; largest difference {worst:.2e} of all addresses")
    sys.exit(1 if worst > 1e-6 else 0)


main()
