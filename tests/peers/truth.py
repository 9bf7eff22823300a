"""Which PoP is nearest to which /24, by the databases themselves. Shares no code with any of the servers."""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "steering_data"))
from oracle import USELESS_V4, haversine, leaves  # noqa: E402

from citydb import fields  # noqa: E402


# Costs are whole microseconds, a little less than 58 m.
TIE_KM = 0.058


class Truth:
    """Ranges of IPv4 → place, country and region; and PoPs by distance."""

    def __init__(self, source):
        _, low, pointers = leaves(source.left, source.right, source.count, 32)
        order = np.argsort(low)
        self.starts, pointers = low[order].astype(np.int64), pointers[order]
        self.ends = np.append(self.starts[1:], 1 << 32) - 1
        self.record = np.where(pointers == source.count, -1, np.searchsorted(source.pointers, pointers))
        texts = [fields(record) for record in source.records]
        self.countries = sorted({row[0] for row in texts if row[0]})
        self.regions = sorted({(row[0], row[1]) for row in texts if row[0]}, key=str)
        numbers = {country: index for index, country in enumerate(self.countries)}
        self.country = np.array([numbers.get(row[0], -1) for row in texts])
        numbers = {region: index for index, region in enumerate(self.regions)}
        self.region = np.array([numbers.get((row[0], row[1]), -1) for row in texts])
        self.degrees = np.array([(np.nan, np.nan) if row[3] is None else (row[3], row[4]) for row in texts])

    def first_addresses(self):
        """An address of each record."""
        out = np.zeros(len(self.country), dtype=np.int64)
        known = self.record >= 0
        out[self.record[known]] = self.starts[known]
        return out

    def sample_space(self, count, random):
        """Different /24s at random of those that have a place in the databases, by first address."""
        found = np.zeros(0, dtype=np.int64)
        while len(found) < count:
            blocks = random.integers(0, 1 << 24, 2 * count) << 8
            found = np.unique(np.concatenate([found, blocks[self.known(blocks)]]))
        return random.permutation(found)[:count]

    def sample_records(self, count, random):
        """/24s at random of those that leaves of the database begin in, so that a lone /24 counts as much as a /12."""
        blocks = np.unique(self.starts & ~255)
        return random.permutation(blocks[self.known(blocks)])[:count]

    def known(self, blocks):
        leaf = np.searchsorted(self.starts, blocks, side="right") - 1
        record = self.record[leaf]
        known = (record >= 0) & ~np.isnan(self.degrees[record, 0])
        for base, length in USELESS_V4:
            known &= (blocks >> (32 - length)) != base >> (32 - length)
        return known

    def judge(self, blocks, pops):
        return Judged(self, blocks, np.array([(pop.latitude, pop.longitude) for pop in pops]))


class Judged:
    """Some /24s, cut at the leaves of the database, with the distance of each piece to each PoP."""

    def __init__(self, truth, blocks, pops):
        first = np.searchsorted(truth.starts, blocks, side="right") - 1
        last = np.searchsorted(truth.starts, blocks + 255, side="right") - 1
        pieces = last - first + 1
        self.block = np.repeat(np.arange(len(blocks)), pieces)
        leaf = np.arange(len(self.block)) - np.repeat(np.cumsum(pieces) - pieces, pieces) + np.repeat(first, pieces)
        begin, end = np.maximum(truth.starts[leaf], blocks[self.block]), np.minimum(truth.ends[leaf], blocks[self.block] + 255)
        record = truth.record[leaf]
        # Pieces without a place of their own weigh nothing.
        known = (record >= 0) & ~np.isnan(truth.degrees[record, 0])
        self.share = np.where(known, end - begin + 1, 0)
        degrees = np.where(known[:, None], truth.degrees[record], 0)
        places, which = np.unique(degrees, axis=0, return_inverse=True)
        which = which.reshape(-1)
        self.distances = np.concatenate([haversine(part, pops) for part in np.array_split(places, len(places) // 5000 + 1)])
        self.which, self.count, self.pops = which, len(blocks), len(pops)
        whole = np.bincount(self.block, self.share, len(blocks))
        self.share = self.share / whole[self.block]
        self.country = truth.country[record[np.searchsorted(self.block, np.arange(len(blocks)))]]
        self.region = truth.region[record[np.searchsorted(self.block, np.arange(len(blocks)))]]

    def votes(self, alive):
        """For each /24 the share of its addresses to which each PoP is the nearest of those alive, or as near as makes no difference."""
        distances = np.where(alive[None, :], self.distances, np.inf)
        nearest = distances <= distances.min(axis=1)[:, None] + TIE_KM
        votes = np.zeros((self.count, self.pops))
        np.add.at(votes, self.block, self.share[:, None] * nearest[self.which])
        return votes

    def mean_km(self, chosen):
        """For each /24 the mean distance of its addresses to the PoP chosen for it."""
        distance = self.distances[self.which, chosen[self.block]]
        return np.bincount(self.block, distance * self.share, self.count)

    def score(self, chosen, alive=None):
        """Of each /24 whether the PoP chosen is the one nearest to most of it, and the mean kilometers that it is farther. No answer
        (-1) is not nearest, and has no distance."""
        alive = np.ones(self.pops, dtype=bool) if alive is None else alive
        votes = self.votes(alive)
        best = votes.argmax(axis=1)
        answered = chosen >= 0
        safe = np.where(answered, chosen, best)
        right = answered & alive[safe] & (votes[np.arange(self.count), safe] >= votes.max(axis=1) - 1e-9)
        excess = np.maximum(0.0, self.mean_km(safe) - self.mean_km(best))
        # As near on a rounded database: two PoPs at the same distance to a micrometer.
        return right, np.where(right, 0.0, excess)
