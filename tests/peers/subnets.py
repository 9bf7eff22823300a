"""Asks a name server as many resolvers would: one question, many client subnets, some hundred of them on their way at a time."""

import select
import socket
import struct
import time

# Questions on their way; more fills the sockets' buffers.
WINDOW = 128
# Seconds without any response until what is missing is asked again, and how often.
PATIENCE = 1.0
TRIES = 4


class Unanswered(Exception):
    pass


def question(name):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split("."))
    return labels + b"\0\0\1\0\1"


def ask(port, name, blocks, source=24):
    """The first address and the scope prefix length that each client subnet (first address as an integer, `source` bits) is
    answered with: two lists, an address as an integer or -1, and -1 for a response without a client subnet."""
    asked = question(name)
    tail = b"\0" + struct.pack("!HHIHHHHBB", 41, 1232, 0, 11, 8, 7, 1, source, 0)
    addresses, scopes = [-1] * len(blocks), [-1] * len(blocks)
    if source != 24:
        raise ValueError("a /24 has three octets")
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    sock.connect(("127.0.0.1", port))
    sock.setblocking(False)
    try:
        todo = list(range(len(blocks)))
        for _ in range(TRIES):
            todo = one_pass(sock, asked, tail, blocks, todo, addresses, scopes)
            if not todo:
                return addresses, scopes
    finally:
        sock.close()
    raise Unanswered(f"{len(todo)} of {len(blocks)} questions to port {port}")


def one_pass(sock, asked, tail, blocks, todo, addresses, scopes):
    """Asks all of `todo` once, and returns what stayed without a response."""
    flying, missing, at, heard = {}, [], 0, time.monotonic()
    while at < len(todo) or flying:
        while at < len(todo) and len(flying) < WINDOW:
            index, number = todo[at], at & 0xFFFF
            octets = struct.pack("!6H", number, 0, 1, 0, 0, 1) + asked + tail + int(blocks[index]).to_bytes(4, "big")[:3]
            try:
                sock.send(octets)
            except (BlockingIOError, ConnectionRefusedError):
                break
            flying[number] = index
            at += 1
        ready, _, _ = select.select([sock], [], [], 0.05)
        if not ready and time.monotonic() - heard > PATIENCE:
            missing += flying.values()
            flying = {}
            heard = time.monotonic()
        while ready:
            try:
                octets = sock.recv(4096)
            except (BlockingIOError, ConnectionRefusedError):
                break
            heard = time.monotonic()
            index = flying.pop(octets[0] << 8 | octets[1], None)
            if index is not None:
                addresses[index], scopes[index] = read(octets, len(asked))
    return missing


def read(octets, length):
    """The first A record, and the scope prefix length."""
    answers, authority, additional = struct.unpack_from("!3H", octets, 6)
    at, address, scope = 12 + length, -1, -1
    for _ in range(answers + authority + additional):
        while octets[at] and octets[at] < 0xC0:
            at += 1 + octets[at]
        at += 2 if octets[at] else 1
        rtype, _, _, size = struct.unpack_from("!HHIH", octets, at)
        at += 10
        if rtype == 1 and address < 0:
            address = int.from_bytes(octets[at:at + 4], "big")
        if rtype == 41:
            option = at
            while option + 4 <= at + size:
                code, long = struct.unpack_from("!HH", octets, option)
                if code == 8:
                    scope = octets[option + 7]
                option += 4 + long
        at += size
    return address, scope
