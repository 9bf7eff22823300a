"""Octets of DNS messages: requests out of questions, and replies into what can be compared.

A small reader of its own, so that it agrees with neither the server's codec nor the peers'. Anything it cannot read, to
the last octet, is an error: a malformed reply never counts as equal.
"""

import random
import socket
import struct

TYPES = {
    "A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33, "NAPTR": 35,
    "DNAME": 39, "DS": 43, "SSHFP": 44, "RRSIG": 46, "NSEC": 47, "DNSKEY": 48, "TLSA": 52, "HTTPS": 65, "ANY": 255,
    "CAA": 257, "TYPE65400": 65400, "TYPE999": 999,
}
MNEMONICS = {number: text for text, number in TYPES.items()}
RCODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED", 6: "YXDOMAIN",
          9: "NOTAUTH", 16: "BADVERS"}
# Octets before the names in RDATA, and how many names: what may be compressed, or differ in case.
NAMES = {2: (0, 1), 5: (0, 1), 6: (0, 2), 12: (0, 1), 15: (2, 1), 33: (6, 1), 39: (0, 1)}
OPT = 41


def labels(name):
    """`b\\.c.example.` → [b"b.c", b"example"]."""
    out, label, at = [], bytearray(), 0
    text = name.encode()
    while at < len(text):
        octet = text[at]
        if octet == 0x5C and text[at + 1:at + 4].isdigit():
            label.append(int(text[at + 1:at + 4]))
            at += 4
        elif octet == 0x5C:
            label.append(text[at + 1])
            at += 2
        elif octet == 0x2E:
            if label:
                out.append(bytes(label))
            label, at = bytearray(), at + 1
        else:
            label.append(octet)
            at += 1
    return out + ([bytes(label)] if label else [])


def name_octets(name):
    """An absolute name's uncompressed wire form."""
    return b"".join(bytes([len(label)]) + label for label in labels(name)) + b"\0"


def name_text(parts):
    """Labels as text, lower-cased, with every octet that is not a letter, digit, `-`, `_` or `*` escaped."""
    def label(octets):
        return "".join(chr(o) if chr(o).isalnum() and o < 128 or o in b"-_*" else f"\\{o:03}" for o in octets.lower())
    return "".join(label(part) + "." for part in parts) or "."


class Question:
    """One request; `seed` settles its id and the case of its letters."""

    def __init__(self, name, rtype, edns=None, tcp=False, version=0, dnssec=False, seed=0):
        self.name, self.rtype, self.edns, self.tcp = name, rtype, edns, tcp
        self.version, self.dnssec = version, dnssec
        chance = random.Random(seed)
        self.id, self.recurse = chance.randrange(65536), chance.random() < 0.5
        octets = bytearray(name_octets(name))
        if chance.random() < 0.5:
            at = 0
            while octets[at]:
                for i in range(at + 1, at + 1 + octets[at]):
                    if chr(octets[i]).isalpha() and octets[i] < 128 and chance.random() < 0.5:
                        octets[i] ^= 0x20
                at += 1 + octets[at]
        self.question = bytes(octets) + struct.pack("!HH", rtype, 1)

    def octets(self):
        flags = 0x0100 if self.recurse else 0
        header = struct.pack("!6H", self.id, flags, 1, 0, 0, int(self.edns is not None))
        if self.edns is None:
            return header + self.question
        ttl = self.version << 16 | (0x8000 if self.dnssec else 0)
        return header + self.question + b"\0" + struct.pack("!HHIH", OPT, self.edns, ttl, 0)

    def __str__(self):
        edns = "" if self.edns is None else f" +bufsize={self.edns}"
        version = f" +edns={self.version}" if self.version else ""
        return (f"{self.name} {MNEMONICS.get(self.rtype, f'TYPE{self.rtype}')}{edns}{version}"
                + (" +dnssec" if self.dnssec else "") + (" +tcp" if self.tcp else ""))


class Reader:
    def __init__(self, octets):
        self.octets, self.at = octets, 0

    def take(self, count):
        if self.at + count > len(self.octets):
            raise ValueError("past the end")
        self.at += count
        return self.octets[self.at - count:self.at]

    def unpack(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))

    def name(self):
        parts, at, back = [], self.at, None
        while True:
            length = self.octets[at]
            if length >= 0xC0:
                target = (length & 0x3F) << 8 | self.octets[at + 1]
                if target >= at:
                    raise ValueError("a pointer that is not backward")
                back, at = back or at + 2, target
            elif length > 63:
                raise ValueError("label type")
            elif length == 0:
                break
            else:
                parts.append(bytes(self.octets[at + 1:at + 1 + length]))
                at += 1 + length
        self.at = back or at + 1
        if sum(len(part) + 1 for part in parts) > 254:
            raise ValueError("a name above 255 octets")
        return name_text(parts)

    def record(self):
        owner = self.name()
        rtype, rclass, ttl, length = self.unpack("!HHIH")
        end = self.at + length
        before, names = NAMES.get(rtype, (0, 0))
        data = self.take(before).hex()
        for _ in range(names):
            data += " " + self.name()
        if end < self.at or end > len(self.octets):
            raise ValueError("RDATA length")
        data += " " + self.take(end - self.at).hex()
        return owner, rtype, rclass, ttl, data.strip()


class Reply:
    """A reply as sets of records. `problem` is what no reply may have."""

    def __init__(self, question, octets):
        self.size = len(octets)
        reader = Reader(octets)
        id_, flags, questions, *counts = reader.unpack("!6H")
        self.aa, self.tc = bool(flags & 0x0400), bool(flags & 0x0200)
        self.rcode = flags & 15
        self.problem = []
        if id_ != question.id:
            self.problem.append("another id")
        if not flags & 0x8000 or flags & 0x00F0 or flags & 0x7800:
            self.problem.append(f"flags {flags:04x}")
        if bool(flags & 0x0100) != question.recurse:
            self.problem.append("RD is not copied")
        if questions != 1 or reader.take(len(question.question)) != question.question:
            self.problem.append("the question is not echoed, letter by letter")
        self.sections, self.opt, self.in_order = [], None, []
        for count in counts:
            section = set()
            for _ in range(count):
                record = reader.record()
                if not self.sections:
                    self.in_order.append(record)
                if record[1] != OPT:
                    if record in section:
                        self.problem.append(f"a record twice: {record}")
                    section.add(record)
                elif self.opt is not None:
                    self.problem.append("two OPT records")
                else:
                    self.opt = (record[3] >> 16 & 255, bool(record[3] & 0x8000))
                    self.rcode |= record[3] >> 24 << 4
            self.sections.append(section)
        if reader.at != len(octets):
            self.problem.append("octets after the last record")

    def out_of_order(self, question):
        """The first record of the answer section that does not follow from the name asked and the records before it: stub
        resolvers read chains front to back."""
        name = name_text(labels(question.name))
        for owner, rtype, _, _, data in self.in_order:
            if rtype == TYPES["DNAME"] and owner != name and name.endswith("." + owner if owner != "." else ""):
                continue
            if owner != name:
                return f"{owner} {MNEMONICS.get(rtype, rtype)} does not follow from {name}"
            if rtype == TYPES["CNAME"]:
                name = data
        return None

    @property
    def answer(self):
        return self.sections[0]

    @property
    def authority(self):
        return self.sections[1]

    @property
    def additional(self):
        return self.sections[2]

    def key(self):
        return self.rcode, self.aa, self.tc, self.opt, *(frozenset(section) for section in self.sections)

    def copy(self):
        other = object.__new__(Reply)
        other.__dict__ = dict(self.__dict__)
        other.sections = [set(section) for section in self.sections]
        return other

    def become(self, other):
        """Takes over what `key` compares."""
        self.rcode, self.aa, self.tc, self.opt = other.rcode, other.aa, other.tc, other.opt
        self.sections = [set(section) for section in other.sections]

    def __str__(self):
        flags = "".join(f" {flag}" for flag, on in (("aa", self.aa), ("tc", self.tc), ("opt", self.opt)) if on)
        lines = [f"{RCODES.get(self.rcode, self.rcode)}{flags} ({self.size} octets)"]
        for title, section in zip(("answer", "authority", "additional"), self.sections):
            lines += [f"  {title}: {o} {ttl} {MNEMONICS.get(t, t)} {data}" for o, t, _, ttl, data in sorted(section)]
        return "\n".join(lines)


class Server:
    """Where to ask."""

    def __init__(self, title, port):
        self.title, self.address = title, ("127.0.0.1", port)
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.settimeout(2)
        self.udp.connect(self.address)

    def ask(self, question):
        """The reply; raises when there is none, or it cannot be read."""
        octets = question.octets()
        if not question.tcp:
            for attempt in range(2):
                try:
                    self.udp.send(octets)
                    while True:
                        reply = self.udp.recv(65535)
                        if reply[:2] == octets[:2]:
                            return Reply(question, reply)
                except socket.timeout:
                    if attempt:
                        raise
        with socket.create_connection(self.address, timeout=5) as stream:
            stream.sendall(struct.pack("!H", len(octets)) + octets)
            reply = b""
            while len(reply) < 2 or len(reply) < 2 + struct.unpack("!H", reply[:2])[0]:
                more = stream.recv(65535)
                if not more:
                    raise ValueError("the connection ended early")
                reply += more
            return Reply(question, reply[2:])
