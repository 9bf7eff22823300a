#!/usr/bin/env python3
"""Writes zones/subscribers.csv: 100,000 subscriber prefixes of an invented operator, as its address management would export them.

    python3 examples/telecom/subscribers.py > examples/telecom/zones/subscribers.csv

Every access area takes blocks from three pools, and is served by the caches that its fiber reaches first. The same areas
in the same order every time: nothing here is random.
"""
import math

# Cache sites: name, latitude, longitude.
CACHES = {
    "ber": (52.52, 13.40), "ham": (53.55, 9.99), "bre": (53.08, 8.81), "haj": (52.37, 9.74),
    "dtm": (51.51, 7.47), "dus": (51.23, 6.78), "cgn": (50.94, 6.96), "fra": (50.11, 8.68),
    "mhg": (49.49, 8.47), "str": (48.78, 9.18), "muc": (48.14, 11.58), "nue": (49.45, 11.08),
    "lej": (51.34, 12.37), "drs": (51.05, 13.74), "erf": (50.98, 11.03), "fmo": (51.96, 7.63),
}
# Access areas: latitude, longitude, and how many of the 400 shares of subscribers live there.
AREAS = [
    (52.50, 13.30, 44), (53.60, 10.05, 30), (48.20, 11.50, 28), (50.95, 7.00, 20), (50.10, 8.60, 22), (51.20, 6.70, 18),
    (48.80, 9.20, 20), (51.50, 7.30, 22), (51.40, 7.00, 16), (52.30, 9.80, 14), (49.40, 11.00, 14), (51.30, 12.30, 14),
    (51.00, 13.70, 12), (53.10, 8.70, 12), (49.50, 8.50, 14), (51.90, 7.60, 10), (50.90, 11.00, 10), (54.30, 10.10, 8),
    (47.90, 7.85, 8), (52.10, 11.60, 8), (50.80, 12.90, 8), (49.00, 12.10, 8), (51.00, 9.50, 8), (50.35, 7.55, 8),
    (54.10, 12.10, 8), (48.40, 10.00, 8), (49.80, 9.95, 8),
]


def caches(latitude, longitude):
    """The three caches that fiber reaches first: it follows the ground, at some 1.4 times the straight line, east-west more
    so than north-south, as the trunk lines of this operator run along the valleys."""
    def along_the_line(name):
        north = (CACHES[name][0] - latitude) * 111.2
        east = (CACHES[name][1] - longitude) * 111.2 * math.cos(math.radians(latitude))
        return (1.3 * abs(north) + 1.5 * abs(east), name)
    return sorted(CACHES, key=along_the_line)[:3]


def pool(count, prefix):
    """Deals `count` blocks to the areas by share, in runs of at most 64, as address plans grow."""
    given = [0.0] * len(AREAS)
    total = sum(share for *_, share in AREAS)
    at = 0
    while at < count:
        # Whoever is furthest behind its share is next.
        area = min(range(len(AREAS)), key=lambda i: (given[i] / AREAS[i][2], i))
        run = min(64, count - at)
        given[area] += run * total / 400
        for number in range(at, at + run):
            yield prefix(number), " ".join(caches(*AREAS[area][:2]))
        at += run


print("prefix,asn,order,note")
# Business customers with numbers of their own, known from the ASN database wherever they announce their prefixes.
print(",64496,fra ber muc,the stock exchange: only over the ring of the three")
print(",64497 64498,ham bre haj,a shipping company and its harbor")
for rows in (
    pool(60000, lambda n: f"10.{n >> 8}.{n & 255}.0/24"),
    pool(16384, lambda n: f"100.{64 + (n >> 8)}.{n & 255}.0/24"),
    pool(23616, lambda n: f"2001:db8:{n:x}::/48"),
):
    for prefix, order in rows:
        print(f"{prefix},,{order},")
