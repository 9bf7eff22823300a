"""Catchment, gdnsd, PowerDNS and Knot set up to steer `www.example.com` to the same PoPs by the same database, on loopback."""

import os
import selectors
import socket
import subprocess
import time
from dataclasses import dataclass
from multiprocessing import Pipe, Process
from pathlib import Path

import subnets

NAME = "www.example.com."
# Seconds until a server must answer.
READY_WITHIN = 120
# Probes of PoPs, for those who probe: seconds between them (gdnsd allows no less).
INTERVAL = 2
BINARY = Path(os.environ.get("PEERS_BINARY", Path(__file__).resolve().parents[2] / "target/release/catchment"))
HEAD = """$ORIGIN example.com.
$TTL 60
@ 3600 IN SOA ns1 hostmaster 1 7200 1800 1209600 300
@ 3600 IN NS ns1
ns1 3600 IN A 127.0.0.1
"""


@dataclass
class Pop:
    name: str
    latitude: float
    longitude: float
    country: str
    # Loopback, so that it can be probed; the database has it at the PoP's place.
    address: str


@dataclass
class Setup:
    """What all of them are told."""
    pops: list
    database: Path
    directory: Path
    port: int
    # Where PoPs listen for probes.
    probed: int
    # Country → number of a PoP, and (country, region) → number: the best maps there are.
    by_country: dict
    by_region: dict

    def file(self, name, text):
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path


def catchment(setup):
    fleet = "pops:\n" + "".join(f"  {pop.name}: {{at: [{pop.latitude}, {pop.longitude}]}}\n" for pop in setup.pops)
    fleet += f"checks:\n  up: {{tcp: {{port: {setup.probed}}}, interval: {INTERVAL}s, timeout: 1s, fall: 2, rise: 2}}\n"
    fleet += "services:\n  web:\n    checks: [up]\n    pops:\n"
    fleet += "".join(f"      {pop.name}: [{pop.address}]\n" for pop in setup.pops)
    setup.file("zones/fleet.yaml", fleet)
    setup.file("zones/example.com.yaml", "zone: example.com\nns: [ns1]\nrecords:\n  ns1: {A: 127.0.0.1}\n  www: {steer: web}\n")
    return [BINARY, "--listen", f"127.0.0.1:{setup.port}", "--log", "warn", "--geodb", setup.database]


def gdnsd_unlimited(setup):
    return gdnsd(setup, ", auto_dc_limit => 0")


def gdnsd(setup, more=""):
    def by_name(value):
        return ", ".join(f"{pop.name} => {value(pop)}" for pop in setup.pops)

    setup.file("zones/example.com", HEAD + "www 60 DYNA geoip!www\n")
    for name in ("run", "state"):
        (setup.directory / name).mkdir()
    setup.file("config", f"""options => {{
  listen => 127.0.0.1:{setup.port}, run_dir => {setup.directory}/run, state_dir => {setup.directory}/state
}}
service_types => {{ pop => {{
  plugin => tcp_connect, port => {setup.probed}, interval => {INTERVAL}, timeout => 1, up_thresh => 2, ok_thresh => 2, down_thresh => 2
}} }}
plugins => {{ geoip => {{
  maps => {{ m => {{
    geoip2_db => {setup.database}, datacenters => [{", ".join(pop.name for pop in setup.pops)}],
    auto_dc_coords => {{ {by_name(lambda pop: f"[{pop.latitude}, {pop.longitude}]")} }}{more}
  }} }}
  resources => {{ www => {{ map => m, service_types => pop, dcmap => {{ {by_name(lambda pop: pop.address)} }} }} }}
}} }}
""")
    return ["/usr/sbin/gdnsd", "-c", setup.directory, "start"]


def powerdns(setup):
    addresses = ", ".join(f"'{pop.address}'" for pop in setup.pops)
    setup.file("example.com", HEAD + f"""www 60 IN LUA A "ifportup({setup.probed}, {{{addresses}}}, {{selector='pickclosest'}})"\n""")
    setup.file("named.conf", f'zone "example.com" {{ type master; file "{setup.directory}/example.com"; }};\n')
    setup.file("geo.yml", "domains: []\n")
    setup.file("pdns.conf", f"""local-address=127.0.0.1
local-port={setup.port}
socket-dir={setup.directory}
launch=bind,geoip
bind-config={setup.directory}/named.conf
geoip-zones-file={setup.directory}/geo.yml
geoip-database-files=mmdb:{setup.database}
edns-subnet-processing=yes
enable-lua-records=yes
lua-health-checks-interval={INTERVAL}
security-poll-suffix=
loglevel=3
""")
    return ["/usr/sbin/pdns_server", f"--config-dir={setup.directory}", "--guardian=no", "--daemon=no"]


def knot_country(setup):
    return knot(setup, "country/iso_code", {country: pop for country, pop in setup.by_country.items()})


def knot_region(setup):
    geo = dict(setup.by_country)
    geo.update({f"{country};{region}": pop for (country, region), pop in setup.by_region.items() if region})
    return knot(setup, "country/iso_code, subdivisions/0/names/en", geo)


def knot(setup, keys, geo):
    def entry(key, pop):
        quoted = key.replace("\\", "\\\\").replace('"', '\\"')
        return f'  - geo: "{quoted}"\n    A: {setup.pops[pop].address}\n'

    entries = "".join(entry(key, pop) for key, pop in sorted(geo.items()))
    setup.file("geo.conf", f"{NAME}:\n{entries}" + entry("*", 0))
    setup.file("zone", HEAD + f"www 60 IN A {setup.pops[0].address}\n")
    path = setup.file("knot.conf", f"""server:
    rundir: "{setup.directory}"
    listen: "127.0.0.1@{setup.port}"
    edns-client-subnet: on
log:
  - target: stderr
    any: warning
database:
    storage: "{setup.directory}"
mod-geoip:
  - id: geo
    config-file: "{setup.directory}/geo.conf"
    ttl: 60
    mode: geodb
    geodb-file: "{setup.database}"
    geodb-key: [{keys}]
template:
  - id: default
    storage: "{setup.directory}"
    zonefile-sync: -1
    journal-content: none
zone:
  - domain: example.com
    file: zone
    module: mod-geoip/geo
""")
    return ["/usr/sbin/knotd", "-c", path]


# Title, how it is set up, whether it probes PoPs, and which part of the questions it is asked: PowerDNS takes about a millisecond of
# both cores for each.
SERVERS = [
    ("catchment", catchment, True, 1),
    ("gdnsd", gdnsd, True, 1),
    ("gdnsd-unlimited", gdnsd_unlimited, True, 1),
    ("powerdns", powerdns, True, 0.2),
    ("knot-country", knot_country, False, 1),
    ("knot-region", knot_region, False, 1),
]


class Running:
    """A server that answers; ended by its process id at the end of a `with` block."""

    def __init__(self, title, make, setup):
        self.title, self.setup = title, setup
        setup.directory.mkdir()
        begun = time.monotonic()
        self.log = setup.directory / "log"
        with self.log.open("w") as out:
            self.process = subprocess.Popen(make(setup), cwd=setup.directory, stdout=out, stderr=out)
        try:
            self.wait(lambda address: address >= 0, READY_WITHIN, "does not answer")
        except SystemExit:
            self.end()
            raise
        self.started = time.monotonic() - begun

    def wait(self, good, seconds, what, block=0x0C000000):
        deadline = time.monotonic() + seconds
        while True:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{self.title} {what}:\n{self.log.read_text()[-2000:]}")
            try:
                if good(subnets.ask(self.setup.port, NAME, [block])[0][0]):
                    return
            except subnets.Unanswered:
                pass
            time.sleep(0.1)

    def end(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


class Listeners:
    """The PoPs, as far as probes see them: sockets in a process of their own, so that they are quick while we ask."""

    def __init__(self, pops, port):
        self.pipe, theirs = Pipe()
        self.process = Process(target=listen, args=([pop.address for pop in pops], port, theirs), daemon=True)
        self.process.start()
        self.set_down([])

    def set_down(self, down):
        """Lets exactly these refuse connections."""
        self.pipe.send(list(down))
        if not self.pipe.poll(10):
            raise SystemExit("the PoPs do not follow")
        self.pipe.recv()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.join(10)


def listen(addresses, port, orders):
    sockets, selector = {}, selectors.DefaultSelector()
    selector.register(orders, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is not orders:
                key.fileobj.accept()[0].close()
                continue
            down = set(orders.recv())
            for index, address in enumerate(addresses):
                if index in down and index in sockets:
                    selector.unregister(sockets[index])
                    sockets.pop(index).close()
                elif index not in down and index not in sockets:
                    sockets[index] = socket.create_server((address, port), backlog=256)
                    selector.register(sockets[index], selectors.EVENT_READ)
            orders.send(True)


def free_port(hosts=("127.0.0.1",)):
    """A port that is free for UDP and TCP on all of these addresses, at this moment."""
    for _ in range(1000):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        try:
            for host in hosts:
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                    with socket.socket(socket.AF_INET, kind) as probe:
                        probe.bind((host, port))
            return port
        except OSError:
            continue
    raise SystemExit("no free port")
