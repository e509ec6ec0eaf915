# SPDX-License-Identifier: Apache-2.0
"""A client of the Spread 4 protocol over a raw socket; it shares no code with the daemon."""

from __future__ import annotations

import socket
import struct
import time
from dataclasses import dataclass, field
from typing import Callable

MARKS = 0x80000080
SERVICES = {
    "unreliable": 0x01,
    "reliable": 0x02,
    "fifo": 0x04,
    "causal": 0x08,
    "agreed": 0x10,
    "safe": 0x20,
}
SELF_DISCARD = 0x40
JOINED, LEFT, VANISHED, NETWORK = 0x100, 0x200, 0x400, 0x800
REGULAR_VIEW, TRANSITION = 0x1000, 0x2000
JOIN, LEAVE, KILL = 0x10000, 0x20000, 0x40000
NULL = b"NULL" + bytes(86)
PATIENCE = 10.0
QUIET = 0.4
"""How long nothing must come for nothing to be coming."""


class Ended(Exception):
    """The daemon ended the stream."""


def padded(name: bytes) -> bytes:
    return name.ljust(32, b"\0")


class Refused(AssertionError):
    """The daemon refused the session."""

    def __init__(self, code: int) -> None:
        super().__init__(f"refused: {code}")
        self.code = code


def unpadded(field: bytes) -> bytes:
    """A name that the daemon wrote: it must end in a NUL, and nothing else be behind that."""
    name, nul, behind = field.partition(b"\0")
    assert len(field) == 32 and nul and not behind.strip(b"\0"), field
    return name


def connect_bytes(
    name: bytes, membership: bool = True, version: tuple[int, ...] = (4, 4, 0), priority: int = 0
) -> bytes:
    return bytes([*version, int(membership) | priority << 4, len(name)]) + name


def hint_of(mess_type: int, order: str = "<") -> bytes:
    marks = MARKS if order == "<" else 0
    return struct.pack(order + "I", (mess_type & 0xFFFF) << 8 | marks)


def message(
    kind: int,
    name: bytes,
    groups: list[bytes],
    data: bytes = b"",
    *,
    mess_type: int = 0,
    order: str = "<",
    hint: bytes | None = None,
    ngroups: int | None = None,
    datalen: int | None = None,
) -> bytes:
    """The bytes of one message; the counts may lie."""
    marks = MARKS if order == "<" else 0
    return b"".join(
        [
            struct.pack(order + "I", kind | marks),
            padded(name),
            struct.pack(order + "i", len(groups) if ngroups is None else ngroups),
            hint_of(mess_type, order) if hint is None else hint,
            struct.pack(order + "i", len(data) if datalen is None else datalen),
            *(padded(group) for group in groups),
            data,
        ]
    )


@dataclass
class Message:
    """A message of a daemon."""

    raw: bytes
    kind: int
    name: bytes
    hint: bytes
    fields: list[bytes]
    data: bytes
    sets: list[list[bytes]] = field(default_factory=list)
    own_set: int = 0

    @property
    def groups(self) -> list[bytes]:
        return [name.split(b"\0")[0] for name in self.fields]

    @property
    def view(self) -> bytes:
        """The id of a view, or of the one that a transition ends."""
        return self.data[:12]

    @property
    def index(self) -> int:
        return struct.unpack("<I", self.data[8:12])[0]

    @property
    def own(self) -> list[bytes]:
        return self.sets[self.own_set]


class Client:
    """One connection, with or without a handshake."""

    def __init__(self, place: str | tuple[str, int], source: str | None = None) -> None:
        family = socket.AF_UNIX if isinstance(place, str) else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(PATIENCE)
        if source is not None:
            self.socket.bind((source, 0))
        self.socket.connect(place)
        if family == socket.AF_INET:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.private = b""
        self._buffer = b""

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    # MARK: bytes

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def read(self, count: int) -> bytes:
        """Exactly so many bytes."""
        while len(self._buffer) < count:
            more = self.socket.recv(1 << 16)
            if not more:
                raise Ended(f"after {self._buffer!r}")
            self._buffer += more
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken

    def rest(self) -> bytes:
        """All that comes until the daemon ends the stream, which it must."""
        taken, self._buffer = self._buffer, b""
        while more := self.socket.recv(1 << 16):
            taken += more
        return taken

    def code(self) -> int:
        """The one byte that comes before the end of the stream, as a code."""
        answer = self.rest()
        assert len(answer) == 1, answer
        return struct.unpack("b", answer)[0]

    def is_ended(self) -> bool:
        """Whether the daemon ends the stream without a further byte; a reset counts as an end."""
        try:
            return self.rest() == b""
        except ConnectionResetError:
            return True

    def is_quiet(self, duration: float = QUIET) -> bool:
        """Whether nothing comes for a while, and the stream goes on."""
        if self._buffer:
            return False
        self.socket.settimeout(duration)
        try:
            self._buffer += self.socket.recv(1 << 16)
            return False
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(PATIENCE)

    # MARK: sessions

    def open(self, name: bytes, membership: bool = True) -> Client:
        """The whole handshake of a present client."""
        self.send(connect_bytes(name, membership))
        first = self.read(1)[0]
        if first >= 0x80:
            raise Refused(first - 256)
        self.read(first)
        self.send(NULL)
        self.accepted()
        return self

    def accepted(self, patch: bool = True) -> None:
        answer = self.read(4 if patch else 3)
        assert answer[0] == 1, answer
        self.private = self.read(self.read(1)[0])

    def say(self, kind: int, groups: list[bytes], data: bytes = b"", **options: object) -> None:
        self.send(message(kind, self.private, groups, data, **options))  # type: ignore[arg-type]

    def join(self, group: bytes) -> None:
        self.say(JOIN, [group])

    def leave(self, group: bytes) -> None:
        self.say(LEAVE, [group])

    def cast(self, groups: list[bytes], data: bytes = b"", service: str = "agreed", **options: object) -> None:
        self.say(SERVICES[service], groups, data, **options)

    def receive(self) -> Message:
        """The next message; its shape is checked strictly."""
        head = self.read(48)
        word = struct.unpack("<I", head[:4])[0]
        assert word & MARKS == MARKS, "the daemon writes little-endian words"
        ngroups, datalen = struct.unpack("<i", head[36:40])[0], struct.unpack("<i", head[44:48])[0]
        assert ngroups >= 0 and datalen >= 0
        fields = [self.read(32) for _ in range(ngroups)]
        data = self.read(datalen)
        name = unpadded(head[4:36])
        raw = head + b"".join(fields) + data
        found = Message(raw, word & ~MARKS, name, head[40:44], fields, data)
        if not found.kind & 0x3F:
            assert found.hint == hint_of(0), "the hint of a membership message is marks only"
        if found.kind & REGULAR_VIEW:
            for member in found.fields:
                unpadded(member)
            self._sets(found)
        return found

    @staticmethod
    def _sets(found: Message) -> None:
        count, offset = struct.unpack("<II", found.data[12:20])
        at, starts = 20, []
        for _ in range(count):
            starts.append(at - 20)
            size = struct.unpack("<I", found.data[at : at + 4])[0]
            names = [found.data[at + 4 + 32 * i : at + 36 + 32 * i] for i in range(size)]
            found.sets.append([unpadded(name) for name in names])
            at += 4 + 32 * size
        assert at == len(found.data), "bytes behind the last set"
        found.own_set = starts.index(offset)

    def expect(self, kind: int) -> Message:
        """The next message, which must be of that kind exactly."""
        found = self.receive()
        assert found.kind == kind, f"0x{found.kind:X} {found.name!r} {found.groups}, not 0x{kind:X}"
        return found

    def joined(self, group: bytes, members: int) -> Message:
        """Joins and waits for the view; there must be so many members."""
        self.join(group)
        view = self.expect(REGULAR_VIEW | JOINED)
        assert view.name == group and len(view.groups) == members, view.groups
        return view


def opened(connect: Callable[[], Client], name: bytes, membership: bool = True) -> Client:
    """An open session of that name, which may still be taken by one that just ended."""
    limit = time.monotonic() + PATIENCE
    while True:
        client = connect()
        try:
            return client.open(name, membership)
        except Refused as refused:
            client.close()
            if refused.code != -6 or time.monotonic() > limit:
                raise
            time.sleep(0.01)


def until(condition: object, patience: float = PATIENCE) -> None:
    """Waits for a condition, a function, to hold."""
    limit = time.monotonic() + patience
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < limit, "it did not come to be in time"
        time.sleep(0.02)
