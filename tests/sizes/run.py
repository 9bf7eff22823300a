#!/usr/bin/env python3
"""Size and time of large zones: start, memory, peak, reload under load; held against the limits below.

    tests/sizes/run.py PROGRAM --geodb FOLDER [--names 100000 1000000] [--forms master yaml] [--report]

PROGRAM is the release build, FOLDER holds the two DB-IP City files. Zones of one record a line are generated, as YAML and as
a master file, beside a fleet of 12 PoPs. Each server is started twice: without `state/`, and from what the first start left
there. What is read: time from the start of the process to the first right answer over UDP; RssAnon, a second after that; VmHWM,
the peak of all memory (mapped pages of the site table too). The reload is of the 100,000 names: one record changes while a thread
asks 20,000 questions a second; from the end of the write to the first new answer, less the 150 ms of quiet that every edit
waits for. Questions without an answer are held against what the kernel dropped at the server's and at our own sockets.

Of a start's two times, wall and processor, the lesser is judged: on a busy machine the first says nothing.

`--report` prints the table and fails nothing. Python's standard library only.
"""

import argparse
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

PORT = 5396
QUIET = 0.150
ROOT = pathlib.Path(__file__).resolve().parents[2]

# (names, figure) -> at most. Times in seconds, memory in MiB.
LIMITS = {
    (100_000, "cached"): 1.5,
    (100_000, "fresh"): 5.0,
    (100_000, "anon"): 50,
    (1_000_000, "anon"): 150,
    (1_000_000, "peak"): 500,
}
# What a million names may take longer than 100,000 do, and how soon an edit of 100,000 is live.
LONGER = {"master": 3.0, "yaml": 8.0}
LIVE = {"master": 0.4, "yaml": 1.0}


def question(name, ident=0x4321):
    """A query of type A without EDNS."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return ident.to_bytes(2, "big") + b"\0\0\0\1\0\0\0\0\0\0" + labels + b"\0\0\1\0\1"


def address(number):
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def write_fleet(zones):
    """The shipped fleet with its 12 PoPs, and nothing of it probed."""
    text = (ROOT / "zones/fleet.yaml").read_text()
    text = text.replace("checks: [web]\n", "checks: []\n")
    text = re.sub(r"^checks:.*?(?=^# |^services:)", "", text, flags=re.S | re.M)
    text = re.sub(r', probe: "[^"]*"', "", text)
    (zones / "fleet.yaml").write_text(text)
    (zones / "www.yaml").write_text("zone: www.example\nns: [ns.example.net.]\nrecords:\n  \"@\": {steer: web}\n")


def write_zone(zones, names, form, edit=0):
    """`names` names with an address each; returns where a later edit is to be seen. Replaces the file whole."""
    lines = []
    if form == "yaml":
        lines.append("zone: big.example\nttl: 5m\nns: [ns.example.net.]\nrecords:\n")
        lines += [f"  host{n}: {{A: {address(n)}}}\n" for n in range(names - 1)]
        lines.append(f"  last: {{A: {address(edit)}}}\n")
        target = zones / "big.yaml"
    else:
        (zones / "big.yaml").write_text("zone: big.example\nzonefile: db.big\n")
        lines.append("$TTL 300\n@ IN SOA ns.example.net. hostmaster 1 7200 1800 1209600 300\n@ IN NS ns.example.net.\n")
        lines += [f"host{n} IN A {address(n)}\n" for n in range(names - 1)]
        lines.append(f"last IN A {address(edit)}\n")
        target = zones / "db.big"
    fresh = target.with_name("." + target.name + ".new")
    fresh.write_text("".join(lines))
    os.replace(fresh, target)


def expected(answer, octets):
    """Whether the answer's last record is this address."""
    return len(answer) > 16 and answer[3] & 15 == 0 and answer.endswith(octets)


def octets_of(number):
    return socket.inet_aton(address(number))


class Server:
    def __init__(self, program, work, geodb):
        self.log = open(work / "log", "wb")
        self.begun = time.monotonic()
        self.process = subprocess.Popen(
            [program, "serve", "--listen", f"127.0.0.1:{PORT}", "--zones", work / "zones", "--geodb", geodb, "--state",
             work / "state"],
            stdout=self.log, stderr=self.log, cwd=work,
        )
        self.work = work

    def first_answer(self, ask, octets, limit):
        """Seconds from the start of the process to the first right answer."""
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        client.connect(("127.0.0.1", PORT))
        client.settimeout(0.05)
        while time.monotonic() - self.begun < limit:
            if self.process.poll() is not None:
                raise SystemExit(f"the server ended:\n{(self.work / 'log').read_text()}")
            try:
                client.send(ask)
                if expected(client.recv(4096), octets):
                    return time.monotonic() - self.begun
            except (ConnectionRefusedError, TimeoutError):
                time.sleep(0.005)
        raise SystemExit(f"no answer within {limit} s:\n{(self.work / 'log').read_text()[-4000:]}")

    def memory(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return {key: int(re.search(rf"^{key}:\s+(\d+)", status, re.M)[1]) / 1024 for key in ("RssAnon", "VmHWM", "VmRSS")}

    def processor(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise SystemExit("the server did not end within 20 s of SIGTERM")


def drops(port):
    """Datagrams the kernel dropped at the UDP sockets of this port."""
    rows = pathlib.Path("/proc/net/udp").read_text().splitlines()[1:]
    return sum(int(row.split()[12]) for row in rows if int(row.split()[1].split(":")[1], 16) == port)


class Load(threading.Thread):
    """Questions for one name at a fixed rate; counts what comes back."""

    def __init__(self, ask, rate):
        super().__init__()
        self.ask, self.rate, self.sent, self.received, self.done = ask, rate, 0, 0, False
        self.client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.client.connect(("127.0.0.1", PORT))
        self.client.setblocking(False)

    def drain(self):
        while True:
            try:
                self.client.recv(512)
                self.received += 1
            except BlockingIOError:
                return

    def run(self):
        begun = time.monotonic()
        while not self.done:
            # What is due, in bursts that a socket's buffer holds.
            due = int((time.monotonic() - begun) * self.rate) - self.sent
            for _ in range(min(due, 100)):
                try:
                    self.client.send(self.ask)
                    self.sent += 1
                except BlockingIOError:
                    break
            self.drain()
            time.sleep(0.001)
        until = time.monotonic() + 1
        while self.received < self.sent and time.monotonic() < until:
            select.select([self.client], [], [], 0.05)
            self.drain()


def reload(server, zones, names, form, number):
    """Seconds from the end of the write to the new answer, less the quiet; and questions lost beyond the kernel's drops."""
    load = Load(question("host1.big.example"), 20_000)
    before = drops(PORT)
    load.start()
    time.sleep(0.5)
    write_zone(zones, names, form, number)
    written = time.monotonic()
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.connect(("127.0.0.1", PORT))
    client.settimeout(0.2)
    live = None
    while time.monotonic() - written < 30:
        client.send(question("last.big.example"))
        try:
            if expected(client.recv(4096), octets_of(number)):
                live = time.monotonic() - written
                break
        except TimeoutError:
            pass
        time.sleep(0.002)
    time.sleep(0.3)
    load.done = True
    load.join()
    dropped = drops(PORT) - before + drops(load.client.getsockname()[1])
    if live is None:
        raise SystemExit("the edit is not live after 30 s")
    rate = load.sent
    return live - QUIET, max(0, load.sent - load.received - dropped), dropped, rate


def measure(options, names, form, row):
    with tempfile.TemporaryDirectory(prefix="catchment-sizes-") as folder:
        work = pathlib.Path(folder)
        zones = work / "zones"
        zones.mkdir()
        write_fleet(zones)
        write_zone(zones, names, form, names)
        ask, octets = question("last.big.example"), octets_of(names)
        for start in ("fresh", "cached"):
            server = Server(options.program, work, options.geodb)
            row[start] = server.first_answer(ask, octets, 90)
            row[f"{start} cpu"] = server.processor()
            time.sleep(1)
            memory = server.memory()
            row[f"{start} anon"], row[f"{start} peak"] = memory["RssAnon"], memory["VmHWM"]
            if start == "fresh":
                server.stop()
        row["anon"] = max(row["fresh anon"], row["cached anon"])
        row["peak"] = max(row["fresh peak"], row["cached peak"])
        if names <= 100_000 and not options.no_reload:
            lives = []
            for number in range(1, 6):
                live, lost, dropped, sent = reload(server, zones, names, form, number)
                lives.append(live)
                row["lost"] = row.get("lost", 0) + lost
                row["dropped"] = row.get("dropped", 0) + dropped
                row["sent"] = row.get("sent", 0) + sent
            row["live"] = sorted(lives)[len(lives) // 2]
            row["live worst"] = max(lives)
        if names <= 100_000:
            time.sleep(1)
            row["anon after"] = server.memory()["RssAnon"]
        server.stop()


def judged(row, figure):
    """The figure that is held against a limit."""
    return min(row[figure], row.get(f"{figure} cpu", row[figure]))


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("program", type=pathlib.Path)
    arguments.add_argument("--geodb", type=pathlib.Path, required=True)
    arguments.add_argument("--names", type=int, nargs="+", default=[100_000, 1_000_000])
    arguments.add_argument("--forms", nargs="+", choices=["master", "yaml"], default=["master", "yaml"])
    arguments.add_argument("--no-reload", action="store_true")
    arguments.add_argument("--report", action="store_true", help="print, and fail nothing")
    options = arguments.parse_args()
    options.program, options.geodb = options.program.resolve(), options.geodb.resolve()

    rows, over = {}, []
    print(f"load of the machine: {os.getloadavg()[0]:.1f}; times in s (processor time in brackets), memory in MiB")
    print(f"{'names':>9} {'form':<6} {'first start':>15} {'from cache':>15} {'RssAnon':>8} {'VmHWM':>7} "
          f"{'fresh peak':>10} {'live':>6} {'worst':>6} {'lost':>5} {'dropped':>8} {'anon after':>10}", flush=True)
    for names in options.names:
        for form in options.forms:
            row = rows[names, form] = {}
            measure(options, names, form, row)
            live = f"{row['live']:6.2f} {row['live worst']:6.2f} {row['lost']:5} {row['dropped']:8}" if "live" in row else " " * 28
            print(f"{names:9} {form:<6} {row['fresh']:6.2f} ({row['fresh cpu']:6.2f}) {row['cached']:6.2f} "
                  f"({row['cached cpu']:6.2f}) {row['anon']:8.1f} {row['cached peak']:7.1f} {row['fresh peak']:10.1f} {live} "
                  f"{row.get('anon after', 0):10.1f}", flush=True)
            for (limit_names, figure), limit in LIMITS.items():
                value = judged(row, figure)
                if limit_names == names and value > limit:
                    over.append(f"{names} names, {form}: {figure} {value:.2f}, at most {limit}")
            if "live" in row:
                if row["live"] > LIVE[form]:
                    over.append(f"{names} names, {form}: live after {row['live']:.2f}, at most {LIVE[form]}")
                if row["lost"]:
                    over.append(f"{names} names, {form}: {row['lost']} of {row['sent']} queries lost")
    for form in options.forms:
        small, large = rows.get((100_000, form)), rows.get((1_000_000, form))
        if small and large:
            longer = judged(large, "cached") - judged(small, "cached")
            if longer > LONGER[form]:
                over.append(f"a million names, {form}: {longer:.2f} s longer, at most {LONGER[form]}")
    for line in over:
        print(f"OVER: {line}")
    if not over:
        print("sizes: as promised")
    sys.exit(1 if over and not options.report else 0)


if __name__ == "__main__":
    main()
