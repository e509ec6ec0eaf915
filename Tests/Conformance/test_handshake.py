# SPDX-License-Identifier: Apache-2.0
"""Sections 2 and 3: from CONNECT to ACCEPT, names."""

from __future__ import annotations

import re
import socket
import struct
import time

from covering import covers
from support import AloneTest, on_three
from wire import JOIN, NULL, SERVICES, Client, connect_bytes, message, until


class Handshake(AloneTest):
    SETTINGS = "HandshakeTimeout = 2s"

    @covers("1a", "2.2a", "2.3a", "2.4a")
    def test_accepted(self) -> None:
        for tcp, name in ((False, b"user"), (True, b"USER")):
            client = self.raw(tcp)
            client.send(connect_bytes(name))
            # One receive call, as the libraries do it.
            self.assertEqual(client.socket.recv(100), b"\x05NULL ")
            client.send(NULL)
            answer = client.socket.recv(100)
            self.assertEqual(answer[:3], b"\x01\x04\x04")
            self.assertEqual(answer[4:], b"\x08#" + name + b"#dA")
            client.close()
            until(lambda: self.daemon.status()["sessions"]["open"] == 0)

    @covers("2.1a")
    def test_invented_names(self) -> None:
        names = set()
        for _ in range(5):
            client = self.client(b"")
            match = re.fullmatch(rb"#(r\d+-\d+)#dA", client.private)
            assert match is not None, client.private
            self.assertLessEqual(len(match[1]), 9)
            names.add(match[1])
        self.assertEqual(len(names), 5)

    @covers("2.1c", "2.1d", "2.1h", "2.5a")
    def test_codes(self) -> None:
        cases = [(bytes([3, 0, 1, 1]) + b"e", -7), (bytes([0, 0, 1, 1]) + b"e", -7)]
        cases += [(bytes([4, 4, 0, 1, n]) + b"elevenchars", -5) for n in (11, 128, 255)]
        for byte in (0x00, 0x20, 0x21, 0x22, 0x23, 0x7F, 0x80, 0xFF):
            cases.append((connect_bytes(b"a" + bytes([byte])), -5))
        for data, code in cases:
            for tcp in (False, True):
                client = self.raw(tcp)
                client.send(data + b"further bytes that nobody asked for" * 20)
                time.sleep(0.01)
                self.assertEqual(client.code(), code, data)

    @covers("2.1i")
    def test_names_in_use(self) -> None:
        half = self.raw()
        half.send(connect_bytes(b"same"))
        half.read(6)
        other = self.raw()
        other.send(connect_bytes(b"same"))
        self.assertEqual(other.code(), -6)
        half.send(NULL)
        half.accepted()
        third = self.raw()
        third.send(connect_bytes(b"same"))
        self.assertEqual(third.code(), -6)
        self.client(b"Same")

    @covers("2.1f", "2.1g", "2.3f")
    def test_pieces(self) -> None:
        for is_named in (True, False):
            for size in (1, 3, 1_000):
                name = b"piece%d" % size if is_named else b""
                client = self.raw(tcp=True)
                stream = connect_bytes(name) + NULL
                if name:
                    stream += message(JOIN, b"#" + name + b"#dA", [b"g"])
                for at in range(0, len(stream), size):
                    client.send(stream[at : at + size])
                self.assertEqual(client.read(6), b"\x05NULL ")
                client.accepted()
                if name:
                    self.assertEqual(client.receive().name, b"g")
                client.close()
                until(lambda: self.daemon.status()["sessions"]["open"] == 0)

    @covers("2.1e", "2.1k", "2.1l", "2.1m", "2.3b")
    def test_time_limit(self) -> None:
        mute, short = self.raw(tcp=True), self.raw(tcp=True)
        choosing = self.raw(tcp=True)
        short.send(bytes([4, 4, 0, 1, 5]) + b"ab")
        choosing.send(connect_bytes(b"half") + NULL[:89])
        begin = time.monotonic()
        self.client(b"other")
        self.assertLess(time.monotonic() - begin, 0.5, "a newcomer waited for a mute client")
        self.assertTrue(mute.is_quiet(0.01))
        self.assertTrue(mute.is_ended())
        self.assertEqual(short.code(), -5)
        choosing.read(6)
        self.assertEqual(choosing.code(), -9)
        self.client(b"half")

    @covers("2.1e", "2.3b")
    def test_ended_early(self) -> None:
        short, choosing = self.raw(), self.raw()
        short.send(bytes([4, 4, 0, 1, 5]) + b"ab")
        short.socket.shutdown(socket.SHUT_WR)
        self.assertEqual(short.code(), -5)
        choosing.send(connect_bytes(b"early") + NULL[:30])
        choosing.socket.shutdown(socket.SHUT_WR)
        choosing.read(6)
        self.assertEqual(choosing.code(), -9)

    @covers("2.3c", "2.3d")
    def test_methods(self) -> None:
        for number, methods in enumerate(([b"null"], [b"IP"], [b"NULL", b"IP"], [b"NULL "], [], [b"", b"NULL"])):
            client = self.raw()
            client.send(connect_bytes(b"m%d" % number))
            client.read(6)
            client.send(b"".join(m.ljust(30, b"\0") for m in methods).ljust(90, b"\0"))
            self.assertEqual(client.code(), -9, methods)

    @covers("2.3e")
    def test_full_slots(self) -> None:
        client = self.raw()
        client.send(connect_bytes(b"full"))
        client.read(6)
        client.send(b"NULL".ljust(30, b"\0") * 3)
        client.accepted()
        for slot in (b"A" * 30, b"NULL" + b"\0" * 25 + b"X"):
            other = self.raw()
            other.send(connect_bytes(b"slots"))
            other.read(6)
            other.send(slot * 3)
            if slot.startswith(b"A"):
                self.assertEqual(other.code(), -9)
            else:
                other.accepted()

    @covers("2.3g", "2.4b")
    def test_old_clients(self) -> None:
        for version, has_patch in (((3, 12), False), ((3, 14), False), ((3, 15, 0), True)):
            client = self.raw()
            name = b"old%d" % version[1]
            client.send(connect_bytes(name, version=version))
            client.accepted(patch=has_patch)
            self.assertEqual(client.private, b"#" + name + b"#dA")
            client.joined(b"old", 1)
            client.close()
            until(lambda: self.daemon.status()["sessions"]["open"] == 0)


class Names(AloneTest):
    @covers("3a", "11a")
    def test_odd_groups(self) -> None:
        client = self.client(b"odd")
        for name in (b"", b"#x", b"#odd#dA", b"a b", b"a\x7f", b"caf\xe9", b"!", b"\""):
            client.join(name)
            client.leave(name)
        self.assertTrue(client.is_quiet())
        client.joined(b"$~fine", 1)
        self.assertEqual(self.daemon.ask("groups"), [{"name": "$~fine", "members": 1}])
        client.say(SERVICES["agreed"], [], ngroups=-1)
        self.assertTrue(client.is_ended())

    @covers("3h")
    def test_case(self) -> None:
        small, large = self.client(b"case"), self.client(b"CASE")
        small.joined(b"g", 1)
        large.joined(b"G", 1)
        large.cast([b"g", b"#case#da"], b"to the small")
        self.assertEqual(small.receive().data, b"to the small")
        small.cast([b"G", b"#Case#dA"], b"to the large")
        self.assertEqual(large.receive().data, b"to the large")
        small.cast([b"#CASE#dA"], b"to its name")
        self.assertEqual(large.receive().data, b"to its name")
        self.assertTrue(small.is_quiet())

    @covers("3g", "3f")
    def test_long_and_dirty_names(self) -> None:
        client = self.client(b"long")
        client.join(b"L" * 32)
        self.assertEqual(client.receive().name, b"L" * 31)
        client.cast([b"L" * 32], b"x")
        found = client.receive()
        self.assertEqual(found.fields, [b"L" * 32])
        dirty = b"dirty\0" + b"\xff" * 26
        client.join(dirty)
        self.assertEqual(client.receive().name, b"dirty")
        client.cast([dirty], b"y")
        self.assertEqual(client.receive().fields, [dirty])
        # Nor does what follows the NUL of the sender's own name matter.
        raw = bytearray(message(SERVICES["agreed"], client.private, [b"dirty"], b"z"))
        raw[20:36] = b"\xee" * 16
        client.send(bytes(raw))
        self.assertEqual(client.receive().data, b"z")

    @covers("3e", "11e")
    def test_odd_destinations(self) -> None:
        client, other = self.client(b"dest"), self.client(b"other")
        odd = [b"#", b"##", b"#x", b"#a#", b"#nobody#dA", b"#dest#dX", b"nobody", b"", b"a b", b"#a b#dA"]
        client.cast(odd, b"nowhere")
        client.cast([*odd, b"#other#dA"], b"somewhere")
        found = other.receive()
        self.assertEqual((found.data, found.groups), (b"somewhere", [*odd, b"#other#dA"]))
        self.assertTrue(client.is_quiet())


class Quota(AloneTest):
    SETTINGS = "MaxSessions = 3"

    @covers("2.1b")
    def test_quota(self) -> None:
        clients = [self.client(b"q%d" % number) for number in range(3)]
        surplus = self.raw()
        self.assertEqual(surplus.code(), -3)
        loud = Client(self.daemon.tcp)
        loud.send(connect_bytes(b"loud") + NULL)
        self.assertEqual(loud.code(), -3)
        loud.close()
        clients[0].close()

        def is_room() -> bool:
            with Client(self.daemon.path) as client:
                client.send(connect_bytes(b"late"))
                return struct.unpack("b", client.read(1))[0] == 5

        until(is_room)


HandshakeOnThree = on_three(Handshake)
NamesOnThree = on_three(Names)
