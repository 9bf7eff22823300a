"""Starts the server and its peers on loopback with the same zones, and ends what it started, by process id."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from compare import compare
from wire import TYPES, Question, Server
from zones import all_zones, questions

SEED = int(os.environ.get("PEERS_SEED", "1"))
QUESTIONS = int(os.environ.get("PEERS_QUESTIONS", "20000"))
BINARY = Path(__file__).resolve().parents[2] / "target/release/catchment"
# Seconds until every zone must be served.
READY_WITHIN = 20


def free_port():
    """A port free for UDP and TCP on 127.0.0.1, at this moment."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp, \
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            try:
                udp.bind(tcp.getsockname())
            except OSError:
                continue
            return tcp.getsockname()[1]


def catchment(directory, port, zones):
    (directory / "zones").mkdir()
    (directory / "geodb").mkdir()
    for zone in zones:
        (directory / "zones" / f"{zone.origin}yaml").write_text(zone.yaml())
    return [BINARY, "--listen", f"127.0.0.1:{port}", "--log", "warn"]


def nsd(directory, port, zones):
    text = f"""server:
  ip-address: 127.0.0.1
  port: {port}
  server-count: 1
  username: ""
  chroot: ""
  zonesdir: "{directory}"
  pidfile: "{directory}/nsd.pid"
  database: ""
  xfrdfile: "{directory}/xfrd.state"
  xfrdir: "{directory}"
  zonelistfile: "{directory}/zone.list"
  ipv4-edns-size: 1232
  minimal-responses: yes
  rrl-ratelimit: 0
  rrl-whitelist-ratelimit: 0
  verbosity: 0
remote-control:
  control-enable: no
"""
    for zone in zones:
        (directory / f"{zone.origin}zone").write_text(zone.master_file())
        text += f'zone:\n  name: "{zone.origin}"\n  zonefile: "{zone.origin}zone"\n'
    (directory / "nsd.conf").write_text(text)
    return ["/usr/sbin/nsd", "-d", "-c", directory / "nsd.conf"]


def knot(directory, port, zones):
    text = f"""server:
    rundir: "{directory}"
    listen: "127.0.0.1@{port}"
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
    udp-max-payload: 1232
    tcp-reuseport: off
log:
  - target: stderr
    any: warning
database:
    storage: "{directory}"
template:
  - id: default
    storage: "{directory}"
    zonefile-sync: -1
    zonefile-load: whole
    journal-content: none
    semantic-checks: off
zone:
"""
    for zone in zones:
        (directory / f"{zone.origin}zone").write_text(zone.master_file())
        text += f'  - domain: "{zone.origin}"\n    file: "{zone.origin}zone"\n'
    (directory / "knot.conf").write_text(text)
    return ["/usr/sbin/knotd", "-c", directory / "knot.conf"]


def wait(server, process, log, zones):
    deadline = time.monotonic() + READY_WITHIN
    for zone in zones:
        while True:
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"{server.title} does not serve {zone.origin}:\n{log.read_text()}")
            try:
                reply = server.ask(Question(zone.origin, TYPES["SOA"]))
                if reply.rcode == 0 and reply.answer:
                    break
            except OSError:
                pass
            time.sleep(0.05)


def main():
    zones = all_zones(SEED)
    print(f"seed {SEED}: {len(zones)} zones, {sum(len(zone.owners) for zone in zones)} owner names, {QUESTIONS} questions")
    running, servers = [], []
    with tempfile.TemporaryDirectory() as root:
        try:
            for title, make in (("catchment", catchment), ("nsd", nsd), ("knot", knot)):
                directory = Path(root) / title
                directory.mkdir()
                port = free_port()
                log = directory / "log"
                with log.open("w") as out:
                    process = subprocess.Popen(make(directory, port, zones), cwd=directory, stdout=out, stderr=out)
                running.append(process)
                servers.append(Server(title, port))
                wait(servers[-1], process, log, zones)
            return compare(zones, servers[0], servers[1:], questions(zones, QUESTIONS, SEED))
        finally:
            for process in running:
                process.terminate()
            for process in running:
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()


if __name__ == "__main__":
    sys.exit(main())
