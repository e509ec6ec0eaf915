# SPDX-License-Identifier: Apache-2.0
"""An instrument that records address and link changes, and ARP frames, in many namespaces at once.

One process listens on one netlink socket per namespace and stamps what arrives with CLOCK_MONOTONIC, so
that times in different namespaces compare. It knows nothing of the daemons it watches.

    python3 -m lab.recorder --watch HOST=NAMESPACE ... --arp HOST=NAMESPACE ...

Records are JSON objects, one a line, in the order of their times `t` (ns):

    {"t", "host", "kind": "address", "held", "address", "interface"}
    {"t", "host", "kind": "link", "interface", "up", "carrier"}
    {"t", "host", "kind": "arp", "frame"}            the frame in hexadecimal
    {"t", "host", "kind": "overflow"}                the kernel dropped events: nothing computed is exact
"""

from __future__ import annotations

import argparse
import errno
import ipaddress
import json
import os
import selectors
import socket
import struct
import sys
import time
from typing import Any, Callable, Iterator

from . import namespaces
from .network import INTERFACE

RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK = 16, 17, 18
RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22
RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR = 0x1, 0x10, 0x100
NLM_F_REQUEST, NLM_F_DUMP = 0x1, 0x300
IFA_ADDRESS, IFA_LOCAL, IFLA_IFNAME = 1, 2, 3
IFF_UP, IFF_LOWER_UP = 0x1, 0x10000
SOL_NETLINK_BUFFER = 33  # SO_RCVBUFFORCE
ETH_P_ARP = 0x0806
RECEIVE_BUFFER = 8 << 20

_HEADER = struct.Struct("=IHHII")
_ADDRESS = struct.Struct("=BBBBI")
_LINK = struct.Struct("=BxHiII")
_ATTRIBUTE = struct.Struct("=HH")

Record = dict[str, Any]


class AddressWatch:
    """The netlink socket of one namespace."""

    def __init__(self, host: str, namespace: str) -> None:
        self._host = host
        self._interfaces: dict[int, str] = {}
        with namespaces.entered(namespace):
            self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self.socket.setsockopt(socket.SOL_SOCKET, SOL_NETLINK_BUFFER, RECEIVE_BUFFER)
        self.socket.bind((0, RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR))
        self.socket.setblocking(False)

    def dump(self) -> Iterator[Record]:
        """What is configured now, told as if it came up now."""
        for kind in (RTM_GETLINK, RTM_GETADDR):
            body = struct.pack("=BxHiII", 0, 0, 0, 0, 0)
            request = _HEADER.pack(_HEADER.size + len(body), kind, NLM_F_REQUEST | NLM_F_DUMP, 1, 0)
            self.socket.send(request + body)
            # The kernel answers the first part of a dump before `send` returns, the rest as it is read.
            yield from self.records()

    def records(self) -> Iterator[Record]:
        """Everything the kernel has told since the last call."""
        while True:
            try:
                data = self.socket.recv(1 << 18)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                yield self._record("overflow")
                continue
            yield from self._parse(data)

    def _parse(self, data: bytes) -> Iterator[Record]:
        offset = 0
        while offset + _HEADER.size <= len(data):
            length, kind, _flags, _sequence, _port = _HEADER.unpack_from(data, offset)
            if length < _HEADER.size:
                return
            body = data[offset + _HEADER.size : offset + length]
            if kind in (RTM_NEWLINK, RTM_DELLINK) and len(body) >= _LINK.size:
                yield from self._link(kind, body)
            elif kind in (RTM_NEWADDR, RTM_DELADDR) and len(body) >= _ADDRESS.size:
                yield from self._address(kind, body)
            offset += (length + 3) & ~3

    def _link(self, kind: int, body: bytes) -> Iterator[Record]:
        family, _type, index, flags, _change = _LINK.unpack_from(body)
        name = _attributes(body[_LINK.size :]).get(IFLA_IFNAME, b"").rstrip(b"\0").decode()
        if family != socket.AF_UNSPEC or not name:
            return
        self._interfaces[index] = name
        present = kind == RTM_NEWLINK
        yield self._record(
            "link",
            interface=name,
            up=present and bool(flags & IFF_UP),
            carrier=present and bool(flags & IFF_LOWER_UP),
        )

    def _address(self, kind: int, body: bytes) -> Iterator[Record]:
        _family, prefix, _flags, _scope, index = _ADDRESS.unpack_from(body)
        attributes = _attributes(body[_ADDRESS.size :])
        packed = attributes.get(IFA_LOCAL) or attributes.get(IFA_ADDRESS)
        if packed is None or len(packed) not in (4, 16):
            return
        yield self._record(
            "address",
            held=kind == RTM_NEWADDR,
            address=f"{ipaddress.ip_address(packed)}/{prefix}",
            interface=self._interfaces.get(index, f"#{index}"),
        )

    def _record(self, kind: str, **fields: Any) -> Record:
        return {"t": time.monotonic_ns(), "host": self._host, "kind": kind} | fields


class ArpWatch:
    """A packet socket for ARP on the interface of one host."""

    def __init__(self, host: str, namespace: str) -> None:
        self._host = host
        with namespaces.entered(namespace):
            self.socket = socket.socket(
                socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ARP)
            )
            self.socket.bind((INTERFACE, ETH_P_ARP))
        self.socket.setsockopt(socket.SOL_SOCKET, SOL_NETLINK_BUFFER, RECEIVE_BUFFER)
        self.socket.setblocking(False)

    def records(self) -> Iterator[Record]:
        while True:
            try:
                frame, where = self.socket.recvfrom(2048)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno == errno.ENETDOWN:  # reported once when the interface goes down
                    continue
                raise
            if where[2] != socket.PACKET_OUTGOING:
                yield {
                    "t": time.monotonic_ns(),
                    "host": self._host,
                    "kind": "arp",
                    "frame": frame.hex(),
                }


def _attributes(data: bytes) -> dict[int, bytes]:
    found = {}
    offset = 0
    while offset + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < _ATTRIBUTE.size:
            break
        found[kind & 0x3FFF] = data[offset + _ATTRIBUTE.size : offset + length]
        offset += (length + 3) & ~3
    return found


def answer_pulls(sources: dict[socket.socket, Callable[[], None]], pull: Callable[[], list[str]]) -> None:
    """The loop of an instrument: serves its sockets and the lines `pull`, until the input ends."""
    selector = selectors.DefaultSelector()
    for source, serve in sources.items():
        selector.register(source, selectors.EVENT_READ, serve)
    selector.register(sys.stdin, selectors.EVENT_READ, None)
    print("ready", flush=True)
    while True:
        ready = [key for key, _ in selector.select()]
        for key in ready:
            if key.data is not None:
                key.data()
        if any(key.data is None for key in ready):
            if not os.read(sys.stdin.fileno(), 4096):
                return
            sys.stdout.write("".join(line + "\n" for line in pull()) + "\n")
            sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--watch", action="append", default=[], metavar="HOST=NAMESPACE")
    parser.add_argument("--arp", action="append", default=[], metavar="HOST=NAMESPACE")
    options = parser.parse_args()
    os.nice(-10)
    watches = [AddressWatch(*pair.split("=", 1)) for pair in options.watch]
    captures = [ArpWatch(*pair.split("=", 1)) for pair in options.arp]
    records = [record for watch in watches for record in watch.dump()]

    def serve(watch: AddressWatch | ArpWatch) -> Callable[[], None]:
        return lambda: records.extend(watch.records())

    sources = {watch.socket: serve(watch) for watch in [*watches, *captures]}

    def pull() -> list[str]:
        for drain in sources.values():
            drain()
        lines = [json.dumps(record) for record in sorted(records, key=lambda r: r["t"])]
        records.clear()
        return lines

    answer_pulls(sources, pull)


if __name__ == "__main__":
    main()
