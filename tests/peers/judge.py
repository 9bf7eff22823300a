#!/usr/bin/env python3
"""Judges what the speed harness measured (`.ci/full.d/80-peers-speed`): Catchment beside its peers, and the limits.

    judge.py ab FILE            the harness's table of paired ratios, with Catchment as the first server
    judge.py latency FILE       its lines of JSON, of runs at a fixed rate
    judge.py tcp FILE           its lines of JSON, of TCP

BIND has no client subnets: it is asked by source alone. Prints tables; a limit is met when the median is at most MARGIN above it. With JUDGE=yes in the environment an unmet one fails."""

import json
import os
import sys
from statistics import median

MARGIN = 0.02
SOURCE, SUBNET = ("src-hot", "src-cold"), ("ecs-hot", "ecs-cold")
# Processor time per query, Catchment divided by the peer: peer, loads, limit.
CPU = [
    ("floor-mmsg", ("static", *SOURCE, *SUBNET), 1.12),
    ("gdnsd", SUBNET, 0.90),
    ("gdnsd", SOURCE, 0.95),
    ("gdnsd", ("static", "zone", "nx"), 1.05),
    ("knot-geodb", SUBNET, 0.62),
    ("knot-geodb", SOURCE, 0.70),
    ("knot-geodb", ("zone",), 0.75),
    ("nsd", ("zone",), 0.62),
    ("pdns-geoip", (*SOURCE, *SUBNET), 0.30),
    ("pdns-lua", (*SOURCE, *SUBNET), 0.01),
    ("bind", SOURCE, 0.20),
]
US, FLOOR, GDNSD = "catchment", "floor-mmsg", "gdnsd"


def met(value, limit, margin=0.0):
    return "met" if value <= limit + margin else "NOT MET"


def limit_of(peer, load):
    return next((limit for name, loads, limit in CPU if name == peer and load in loads), None)


def ab(lines):
    """Rows of the table: load, server, CPU, ratio to Catchment (median, quartiles), user time, queries a second, loss."""
    print("| load | beside | Catchment ÷ it (quartiles) | at most | |\n|---|---|---|---|---|")
    verdicts = []
    for line in lines:
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == 7 and cells[3].startswith("ratio to") and cells[3] != f"ratio to {US} (median, quartiles)":
            sys.exit(f"{US} is to be the first of the servers: {cells[3]}")
        if len(cells) != 7 or cells[1] in (US, "server") or cells[0].startswith("---"):
            continue
        load, peer, ratio = cells[0], cells[1], cells[3]
        middle, low, high = (float(part) for part in ratio.replace("(", "").replace(")", "").replace("-", " ").split())
        # The harness prints the median loss. Who fell silent in fewer rounds than half shows in the lowest quartile alone.
        if not low or float(cells[6]) > 1:
            print(f"| {load} | {peer} | it did not answer throughout | {limit_of(peer, load) or ''} | NOT MET |")
            verdicts.append("NOT MET")
            continue
        # Of the inverse the quartiles change places.
        told, limit = f"{1 / middle:.3f} ({1 / high:.3f} to {1 / low:.3f})", limit_of(peer, load)
        verdict = met(1 / middle, limit, MARGIN) if limit else ""
        verdicts.append(verdict)
        print(f"| {load} | {peer} | {told} | {limit or ''} | {verdict} |")
    return verdicts


def rows(lines):
    """By (server, load): what was measured in each round."""
    found = {}
    for line in lines:
        row = json.loads(line)
        if "error" in row:
            print(f"{row['server']} {row['load']}: {row['error']}")
            continue
        found.setdefault((row["server"], row["load"]), []).append(row)
    return found


def latency(lines):
    """Percentiles in microseconds, medians over the rounds; held against the floor's and gdnsd's."""
    found = rows(lines)
    print("| load | server | p50 µs | p99 | p99.9 | lost % |\n|---|---|---|---|---|---|")
    of = lambda server, load, key: median(row[key] for row in found.get((server, load)) or sys.exit(f"{server} was not measured: {load}"))
    verdicts = []
    for load in sorted({load for _, load in found}):
        for server in sorted({server for server, other in found if other == load}):
            told = [of(server, load, key) for key in ("p50_us", "p99_us", "p999_us", "loss_pct")]
            print(f"| {load} | {server} | " + " | ".join(f"{value:.1f}" for value in told) + " |")
        for key, times, whom in (("p50_us", 1.03, [FLOOR]), ("p99_us", 1.25, [FLOOR, GDNSD]), ("p999_us", 1.5, [FLOOR, GDNSD])):
            ours, theirs = of(US, load, key), max(of(server, load, key) for server in whom)
            verdicts.append(met(ours, times * theirs))
            print(f"{load}: {key} {ours / theirs:.3f} of {' and '.join(whom)} (at most {times}): {verdicts[-1]}")
    return verdicts


def tcp(lines):
    """CPU per query, paired round by round with gdnsd's."""
    found = rows(lines)
    verdicts = []
    for load in sorted({load for _, load in found}):
        ours, theirs = found.get((US, load)), found.get((GDNSD, load))
        if not ours or not theirs:
            sys.exit(f"{US} or {GDNSD} was not measured: {load}")
        # Round by round: one that failed has no partner.
        beside = {row["round"]: row for row in theirs}
        ratio = median(row["srv_us"] / beside[row["round"]]["srv_us"] for row in ours if row["round"] in beside)
        told = f"{load}: {median(row['srv_us'] for row in ours):.2f} µs, {ratio:.3f} of gdnsd (at most 1.05): "
        verdicts.append(met(ratio, 1.05, MARGIN))
        told += verdicts[-1]
        if load == "tcp-pipe":
            slow = [median(row["p99_us"] for row in side) / 1000 for side in (ours, theirs)]
            verdicts.append(met(slow[0], 5))
            told += f"; p99 {slow[0]:.1f} ms, gdnsd {slow[1]:.1f} (at most 5): {verdicts[-1]}"
        print(told)
    return verdicts


def main():
    mode, path = sys.argv[1:]
    with open(path, encoding="utf-8") as file:
        verdicts = {"ab": ab, "latency": latency, "tcp": tcp}[mode](list(file))
    if not any(verdicts):
        sys.exit("nothing was measured that has a limit")
    unmet = verdicts.count("NOT MET")
    print(f"{len([verdict for verdict in verdicts if verdict])} limits, {unmet} not met")
    return int(unmet > 0 and os.environ.get("JUDGE") == "yes")


sys.exit(main())
