#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Clients that mean harm, or are broken, until a signal ends them.

    hostility.py KIND PATH SEED

Each kind keeps at it at the unix socket PATH. After the first strike it prints a line and runs only where
nobody else wants the processor, so that what others suffer is the daemon's doing. SEED makes what is random the
same again. At SIGTERM it prints how often it struck.
"""

from __future__ import annotations

import os
import random
import select
import signal
import socket
import sys
import time
from typing import Callable, Iterator

from wire import JOIN, KILL, LEAVE, NULL, SERVICES, Client, Ended, connect_bytes, message

AGREED = SERVICES["agreed"]
EXTREMES = (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\1\0\0\0", b"\0\0\0\1", b"\x80\0\0\x80")
FORBIDDEN = [bit for bit in range(8, 24) if bit not in (16, 17, 18)]
"""The bits of a type that only daemons set."""
BROKEN = (Ended, OSError, AssertionError)
"""What a client meets that is not wanted: an end, a reset, a refusal."""


def half_open(path: str, chance: random.Random) -> Iterator[None]:
    """A thousand connections that stop within their handshake, opened again as the daemon ends them."""
    crowd: dict[int, socket.socket] = {}
    poll = select.poll()
    while True:
        while len(crowd) < 1_000:
            client = Client(path).socket
            client.setblocking(False)
            stream = connect_bytes(b"c%d" % chance.randrange(100_000)) + NULL
            client.send(stream[: chance.choice([0, 1, 3, 5, 8, 11, 40, len(stream) - 1])])
            crowd[client.fileno()] = client
            poll.register(client, select.POLLIN | select.POLLHUP)
            yield
        for descriptor, _ in poll.poll(100):
            try:
                is_over = not crowd[descriptor].recv(4_096)
            except OSError:
                is_over = True
            if is_over:
                poll.unregister(descriptor)
                crowd.pop(descriptor).close()


def byte_writers(path: str, chance: random.Random) -> Iterator[None]:
    """Twenty clients that write one byte at a time."""
    writers: list[tuple[Client, Iterator[int]]] = []
    while True:
        while len(writers) < 20:
            name = b"b%d" % chance.randrange(100_000)
            private = b"#" + name + b"#dA"
            stream = connect_bytes(name) + NULL + message(JOIN, private, [b"bytes"])
            stream += message(AGREED, private, [b"bytes"], b"x" * 100) * 20
            writers.append((Client(path), iter(stream)))
        for writer in list(writers):
            client, stream_ = writer
            byte = next(stream_, None)
            try:
                if byte is None:
                    raise Ended
                client.send(bytes([byte]))
                yield
            except BROKEN:
                client.close()
                writers.remove(writer)


def mute_readers(path: str, chance: random.Random) -> Iterator[None]:
    """Twenty members of a group in which 2,000 messages a second are sent, who never read."""
    yield from crowded(path, chance, reads=False)


def readers(path: str, chance: random.Random) -> Iterator[None]:
    """The same load from clients that do read: what a daemon pays for them is the measure of those that do not."""
    yield from crowded(path, chance, reads=True)


def crowded(path: str, chance: random.Random, reads: bool) -> Iterator[None]:
    """Twenty members of a group that read or do not, joined anew when they are gone, and who sends to it."""
    mute: list[Client] = []
    sender = Client(path).open(b"sender%d" % chance.randrange(1_000))
    while True:
        begun = time.monotonic()
        for client in list(mute):
            try:
                while reads and select.select([client.socket], [], [], 0)[0] and client.socket.recv(1 << 20):
                    pass
                if client.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    raise OSError
                client.join(b"mute")  # It is one already: this only shows whether there is still somebody.
            except BROKEN:
                client.close()
                mute.remove(client)
        while len(mute) < 20:
            try:
                client = Client(path).open(b"m%d" % chance.randrange(100_000))
                client.join(b"mute")
                mute.append(client)
            except BROKEN:
                pass
        for _ in range(40):
            sender.cast([b"mute"], bytes(1_000))
            yield
        time.sleep(max(0, 0.02 - (time.monotonic() - begun)))


def illegal(path: str, chance: random.Random) -> Iterator[None]:
    """Everything that no client may send, one session after the other."""
    private = b"#evil#dA"
    hello = connect_bytes(b"evil") + NULL

    def said(kind: int, groups: list[bytes], data: bytes = b"", name: bytes = private, **lies: object) -> bytes:
        return hello + message(kind, name, groups, data, **lies)  # type: ignore[arg-type]

    streams = [said(AGREED | 1 << bit, [b"echo"], bytes(56)) for bit in FORBIDDEN]
    streams += [said(kind, [b"echo"]) for kind in (0, 0x3F, AGREED | JOIN, JOIN | LEAVE | KILL, 0xFFFFFFFF)]
    streams += [said(AGREED, [], ngroups=count) for count in (-1, 101, 1 << 30, -(1 << 31))]
    streams += [said(AGREED, [b"echo"], datalen=count) for count in (-1, 1 << 28, (1 << 31) - 1, -(1 << 31))]
    streams += [said(AGREED, [b"echo"], name=name) for name in (b"", b"#other#dA", b"#evil#dX", b"#" * 32)]
    streams += [said(AGREED, [b"echo"], hint=hint) for hint in (b"\x81\0\0\x80", b"\xff" * 4)]
    streams += [said(kind, []) for kind in (JOIN, LEAVE)]
    streams += [said(JOIN, [name]) for name in (b"", b"#x", b"#evil#dA", b"\xff" * 32, b"a b")]
    streams += [said(AGREED, [b"#" * 32, b"#a", b"##", b"\xff" * 32] * 25, b"x" * 1_000)]
    streams += [said(AGREED, [b"%d" % number for number in range(101)])]
    streams += [said(AGREED, [b"nobody"], bytes(144_000)), said(AGREED, [b"nobody"], bytes(150_000))]
    streams += [connect_bytes(b"x" * 11), connect_bytes(b"a b"), bytes([3, 0, 1, 1]), bytes([4, 4, 0, 1, 255])]
    streams += [connect_bytes(b"evil") + choice for choice in (bytes(90), b"\xff" * 90, b"NULL" * 22 + b"NU")]
    while True:
        yield from attacks(path, chance, lambda: chance.choice(streams))


def mutated(path: str, chance: random.Random) -> Iterator[None]:
    """Sessions of legal messages, damaged in up to five places."""

    def stream() -> bytes:
        name = b"m%d" % chance.randrange(50)
        private = b"#" + name + b"#dA"
        order = chance.choice("<<<>")
        said = bytearray(connect_bytes(name, version=chance.choice([(4, 4, 0), (4, 4, 0), (3, 12)])) + NULL)
        for _ in range(chance.randrange(8)):
            kind = chance.choice([JOIN, JOIN, LEAVE, KILL, *SERVICES.values()])
            groups = [b"g%d" % chance.randrange(3) for _ in range(chance.randrange(1, 4))]
            said += message(kind, private, groups, chance.randbytes(chance.randrange(200)), order=order)
        for _ in range(chance.randrange(6)):
            at = chance.randrange(len(said))
            if chance.random() < 0.5:
                said[at] = chance.randrange(256)
            elif chance.random() < 0.5:
                said[at : at + 4] = chance.choice(EXTREMES)
            elif chance.random() < 0.5:
                del said[at : at + chance.randrange(1, 60)]
                said += bytes(1)  # Never empty.
            else:
                other = chance.randrange(len(said))
                said[at:at] = said[other : other + chance.randrange(1, 200)]
        return bytes(said)

    while True:
        yield from attacks(path, chance, stream)


def churn(path: str, chance: random.Random) -> Iterator[None]:
    """Sessions that join a group and are gone again."""

    def stream() -> bytes:
        name = b"c%d" % chance.randrange(100_000)
        return connect_bytes(name) + NULL + message(JOIN, b"#" + name + b"#dA", [b"churn"])

    while True:
        yield from attacks(path, chance, stream)


def attacks(path: str, chance: random.Random, stream: Callable[[], bytes]) -> Iterator[None]:
    """One session: sends a stream, perhaps in two parts, perhaps waits for an answer, and is gone."""
    with Client(path) as client:
        said = stream()
        cut = chance.randrange(len(said)) if chance.random() < 0.2 else len(said)
        try:
            client.send(said[:cut])
            if chance.random() < 0.5:
                select.select([client.socket], [], [], 0.005)
            client.send(said[cut:])
            if chance.random() < 0.3:
                client.socket.setblocking(False)
                client.socket.recv(1 << 16)
        except BROKEN:
            pass
    yield


KINDS: dict[str, Callable[[str, random.Random], Iterator[None]]] = {
    "half-open": half_open,
    "byte-writers": byte_writers,
    "mute-readers": mute_readers,
    "illegal": illegal,
    "mutated": mutated,
    "churn": churn,
}
HONEST: dict[str, Callable[[str, random.Random], Iterator[None]]] = {"readers": readers}
"""What is no attack, to compare with."""


def main(arguments: list[str]) -> int:
    kind, path, seed = arguments

    def end(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)
    strikes = 0
    try:
        for _ in (KINDS | HONEST)[kind](path, random.Random(seed)):
            strikes += 1
            if strikes == 1:
                print("at it", flush=True)
                os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    except KeyboardInterrupt:
        pass
    print(strikes, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
