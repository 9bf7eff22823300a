#!/usr/bin/env python3
"""Who is nearest, worked out a second time: the judge of `tests/steering_data.rs`. Shares no code with Catchment.

    oracle.py DATABASES LISTS OUT

Reads every `.mmdb` file of the folder DATABASES (search trees with numpy, records with the `maxminddb` package) and every
`pops-*.tsv` of LISTS (name, latitude, longitude, country), and writes into OUT, little-endian:

    v4.starts   u32: first address of each range, rising from 0
    v6.starts   the same as u64 pairs, lower half first
    v4.places   i32: for each range the number of its place; -1: nothing is known; -2: an address of no use (SEMANTICS 1.9)
    v6.places
    NAME.order  u16, row by row: for each place the PoPs of list NAME, nearest first, as deep as a row is
    NAME.depth  text: PoPs in a row
    NAME.close  u8: 1 for places where floating point cannot say in which order two PoPs come

Places are distinct coordinates in millionths of a degree. The cost of a PoP is round(km * 0.0174 * 1000) microseconds, km on the
great circle (haversine) of a sphere of 6371.0088 km; equal costs are ordered as the file has the PoPs. Where a cost lies within
1e-6 of a rounding border and another PoP's is at most 1 away, the place is `close`.
"""

import glob
import multiprocessing
import os
import sys
import time

import maxminddb
import numpy as np

RADIUS_KM = 6371.0088
US_PER_KM = 0.0174 * 1000
DOUBT = 1e-6
# RFC 6890 and what else says nothing of a place: first address and prefix length (SEMANTICS 1.9).
USELESS_V4 = [(0, 8), (10 << 24, 8), (0x64400000, 10), (127 << 24, 8), (0xA9FE0000, 16), (0xAC100000, 12), (0xC0A80000, 16),
              (0xE0000000, 3)]
USELESS_V6 = [(0, 127), (0xFC00 << 112, 7), (0xFE80 << 112, 10), (0xFF00 << 112, 8)]


def main(databases, lists, out):
    places = {}
    halves = {4: [], 6: []}
    for path in sorted(glob.glob(os.path.join(databases, "*.mmdb"))):
        family, starts, found = read(path, places)
        halves[family].append((starts, found))
    for family, useless in ((4, USELESS_V4), (6, USELESS_V6)):
        if len(halves[family]) != 1:
            sys.exit(f"{len(halves[family])} databases of IPv{family}, and exactly one is needed")
        (starts, found), = halves[family]
        starts, found = with_useless(family, starts, found, useless)
        save(out, f"v{family}.starts", starts.view("<u8") if family == 6 else starts.astype("<u4"))
        save(out, f"v{family}.places", found.astype("<i4"))
        print(f"IPv{family}: {len(starts)} ranges", flush=True)
    degrees = np.array(list(places.keys()), dtype=np.float64) / 1e6
    print(f"{len(degrees)} places", flush=True)
    paths = sorted(glob.glob(os.path.join(lists, "pops-*.tsv")), key=os.path.getsize, reverse=True)
    with multiprocessing.Pool(os.cpu_count()) as pool:
        for line in pool.imap_unordered(write_order, [(path, degrees, out) for path in paths]):
            print(line, flush=True)


def write_order(task):
    path, degrees, out = task
    name = os.path.basename(path)[5:-4]
    begun = time.process_time()
    order, close = rank(path, degrees)
    save(out, f"{name}.order", order.astype("<u2"))
    save(out, f"{name}.close", close.astype("u1"))
    with open(os.path.join(out, f"{name}.depth"), "w") as file:
        file.write(f"{order.shape[1]}\n")
    spent = time.process_time() - begun
    return f"{name}: order of {order.shape[1]} PoPs, {int(close.sum())} places in doubt, {spent:.1f} s of processor time"


def save(out, name, array):
    np.ascontiguousarray(array).tofile(os.path.join(out, name))


# --- databases --------------------------------------------------------------------------------------------------------


def read(path, places):
    """Ranges of one database: (family, starts, numbers of places). Starts of IPv6 are u64 pairs, lower half first."""
    reader = maxminddb.open_database(path, maxminddb.MODE_AUTO)
    about = reader.metadata()
    if about.record_size != 28:
        sys.exit(f"{path}: records of {about.record_size} bits are not read here")
    raw = np.fromfile(path, dtype=np.uint8, count=about.node_count * 7).reshape(-1, 7).astype(np.uint32)
    left = (raw[:, 3] >> 4) << 24 | raw[:, 0] << 16 | raw[:, 1] << 8 | raw[:, 2]
    right = (raw[:, 3] & 15) << 24 | raw[:, 4] << 16 | raw[:, 5] << 8 | raw[:, 6]
    high, low, pointers = leaves(left, right, about.node_count, 32 if about.ip_version == 4 else 128)
    order = np.lexsort((low, high))
    high, low, pointers = high[order], low[order], pointers[order]
    # One look per distinct record, by an address that has it.
    distinct, first, which = np.unique(pointers, return_index=True, return_inverse=True)
    numbers = np.full(len(distinct), -1, dtype=np.int64)
    for index, pointer in enumerate(distinct):
        if pointer == about.node_count:
            continue
        at = first[index]
        address = int(high[at]) << 64 | int(low[at])
        record = reader.get(text(address, about.ip_version))
        latitude, longitude = record.get("latitude"), record.get("longitude")
        if latitude is None or longitude is None:
            sys.exit(f"{path}: {text(address, about.ip_version)} has no coordinates, which is not provided for here")
        numbers[index] = places.setdefault((micro(latitude), micro(longitude)), len(places))
    found = numbers[which]
    if about.ip_version == 4:
        starts = low.astype(np.uint32)
    else:
        # IPv4 inside would be looked up as IPv4.
        inside = (high == 0) & (low < 1 << 32) & (found >= 0)
        if inside.any():
            sys.exit(f"{path}: holds IPv4, which is not provided for here")
        starts = np.stack([low, high], axis=1)
    # Neighbors of one place are one range.
    keep = np.ones(len(found), dtype=bool)
    keep[1:] = found[1:] != found[:-1]
    print(f"{os.path.basename(path)}: {len(found)} leaves, {len(distinct)} records", flush=True)
    return about.ip_version, starts[keep], found[keep]


def leaves(left, right, count, width):
    """All leaves by going down the tree level by level: upper and lower halves of first addresses, and pointers."""
    nodes = np.zeros(1, dtype=np.uint32)
    high, low = np.zeros(1, dtype=np.uint64), np.zeros(1, dtype=np.uint64)
    out = []
    for depth in range(width):
        if len(nodes) == 0:
            break
        bit = width - 1 - depth
        one_high = np.uint64(1 << (bit - 64) if bit >= 64 else 0)
        one_low = np.uint64(1 << bit if bit < 64 else 0)
        children = np.concatenate([left[nodes], right[nodes]])
        high = np.concatenate([high, high | one_high])
        low = np.concatenate([low, low | one_low])
        leaf = children >= count
        out.append((high[leaf], low[leaf], children[leaf]))
        nodes, high, low = children[~leaf], high[~leaf], low[~leaf]
    if len(nodes):
        sys.exit("the tree is deeper than an address is long")
    return (np.concatenate([part[column] for part in out]) for column in range(3))


def text(address, version):
    import ipaddress

    return str(ipaddress.ip_address(address.to_bytes(4 if version == 4 else 16, "big")))


def micro(degrees):
    """Millionths of a degree, halves away from zero."""
    whole = int(abs(degrees) * 1e6 + 0.5)
    return whole if degrees >= 0 else -whole


def with_useless(family, starts, found, useless):
    """Cuts in the blocks of no use, where nothing is known."""
    width = 32 if family == 4 else 128
    as_number = (lambda s: int(s)) if family == 4 else (lambda s: int(s[1]) << 64 | int(s[0]))
    edges = {}
    for base, length in useless:
        edges.setdefault(base + (1 << (width - length)), False)
        edges[base] = True
    # Only what touches an edge is done number by number; the blocks hold few ranges.
    cuts = sorted(edge for edge in edges if edge < 1 << width)
    if family == 4:
        keys = starts.astype(np.uint64)
        position = lambda x: int(np.searchsorted(keys, np.uint64(x), side="right")) - 1
    else:
        def position(x):
            high, low = x >> 64, x & (1 << 64) - 1
            left = int(np.searchsorted(starts[:, 1], np.uint64(high), side="left"))
            right = int(np.searchsorted(starts[:, 1], np.uint64(high), side="right"))
            return left + int(np.searchsorted(starts[left:right, 0], np.uint64(low), side="right")) - 1

    new_starts, new_found, at = [], [], 0
    for cut in cuts:
        index = position(cut)
        exact = as_number(starts[index]) == cut
        upto = index if exact else index + 1
        new_starts.append(starts[at:upto])
        new_found.append(found[at:upto])
        row = [cut] if family == 4 else [[cut & (1 << 64) - 1, cut >> 64]]
        new_starts.append(np.array(row, dtype=starts.dtype))
        new_found.append(found[index:index + 1])
        at = index + 1 if exact else upto
    new_starts.append(starts[at:])
    new_found.append(found[at:])
    starts, found = np.concatenate(new_starts), np.concatenate(new_found)
    keys = starts.astype(np.uint64) if family == 4 else starts
    for base, length in useless:
        end = base + (1 << (width - length))
        if family == 4:
            inside = (keys >= np.uint64(base)) & (keys.astype(np.float64) < float(end))
        else:
            # Blocks up to /64 are told by the upper half alone; ::/127 by both.
            high, first, last = keys[:, 1], np.uint64(base >> 64), np.uint64((end - 1) >> 64)
            inside = (high >= first) & (high <= last)
            if length > 64:
                inside &= keys[:, 0] <= np.uint64((end - 1) & (1 << 64) - 1)
        found[inside & (found == -1)] = -2
    keep = np.ones(len(found), dtype=bool)
    keep[1:] = found[1:] != found[:-1]
    return starts[keep], found[keep]


# --- distance ---------------------------------------------------------------------------------------------------------


def rank(path, degrees):
    """The order of a list's PoPs at every place, as deep as the failure of a whole country's PoPs needs; and the doubts."""
    with open(path, encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t") for line in file if line.strip()]
    pops = np.array([[micro(float(row[1])) / 1e6, micro(float(row[2])) / 1e6] for row in rows])
    countries = [row[3] for row in rows]
    depth = min(len(rows), max(countries.count(country) for country in countries) + 2)
    order, close = [], []
    # So many at once that the arrays stay in the processor's cache.
    step = max(1, 50_000 // len(rows))
    for begin in range(0, len(degrees), step):
        exact = haversine(degrees[begin:begin + step], pops) * US_PER_KM
        cost = np.floor(exact + 0.5).astype(np.int64)
        # Cost first, then the order of the file.
        keys = cost * 1024 + np.arange(len(rows))
        if depth + 1 < len(rows):
            keys = np.partition(keys, depth, axis=1)[:, :depth + 1]
        keys = np.sort(keys, axis=1)
        best = (keys & 1023).astype(np.uint16)
        doubt = np.abs(exact + 0.5 - np.round(exact + 0.5)) < DOUBT
        near = np.diff(keys >> 10, axis=1) <= 1
        doubt = np.take_along_axis(doubt, best.astype(np.int64), axis=1)
        close.append((near & (doubt[:, 1:] | doubt[:, :-1])).any(axis=1))
        order.append(best[:, :depth])
    return np.concatenate(order), np.concatenate(close)


def haversine(a, b):
    a, b = np.radians(a), np.radians(b)
    latitude, longitude = a[:, None, 0] - b[None, :, 0], a[:, None, 1] - b[None, :, 1]
    h = np.sin(latitude / 2) ** 2 + np.cos(a[:, None, 0]) * np.cos(b[None, :, 0]) * np.sin(longitude / 2) ** 2
    return 2 * RADIUS_KM * np.arcsin(np.minimum(1, np.sqrt(h)))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
