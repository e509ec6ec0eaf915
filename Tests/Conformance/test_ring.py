# SPDX-License-Identifier: Apache-2.0
"""Three daemons: order, views of partitions and merges, crashes; section 8 and what the others say of rings."""

from __future__ import annotations

import os
import signal
import struct
import unittest

from covering import covers
from daemons import Ring
from wire import (
    JOINED,
    LEFT,
    NETWORK,
    REGULAR_VIEW,
    SERVICES,
    TRANSITION,
    VANISHED,
    Client,
    connect_bytes,
    opened,
    until,
)

AGREED = SERVICES["agreed"]
NETWORK_VIEW = REGULAR_VIEW | NETWORK


@unittest.skipUnless(os.geteuid() == 0, "needs root for network namespaces")
class RingTest(unittest.TestCase):
    """Tests on three daemons: dB, dA and dC in the order of the configuration."""

    DAEMONS = 3
    ring: Ring

    @classmethod
    def setUpClass(cls) -> None:
        cls.ring = cls.enterClassContext(Ring())

    def setUp(self) -> None:
        self.ring.wait(Ring.NAMES)

    def client(self, name: bytes, daemon: str, membership: bool = True) -> Client:
        return opened(lambda: self.enterContext(Client(self.ring[daemon].path)), name, membership)

    def members(self, group: bytes, *places: tuple[bytes, str]) -> list[Client]:
        """Clients that join a group one after the other and know of each other."""
        clients: list[Client] = []
        for name, daemon in places:
            client = self.client(name, daemon)
            client.joined(group, len(clients) + 1)
            for other in clients:
                other.expect(REGULAR_VIEW | JOINED)
            clients.append(client)
        return clients

    def same(self, clients: list[Client]) -> object:
        """The next message of each, which must be the same but for the own set."""
        found = [client.receive() for client in clients]
        first = found[0]
        for other in found[1:]:
            self.assertEqual(
                (first.kind, first.name, first.fields, first.view, first.sets),
                (other.kind, other.name, other.fields, other.view, other.sets),
            )
        return first

    # MARK: one ring

    @covers("8.2a", "8.2b", "8.6a", "8.6b")
    def test_member_order(self) -> None:
        clients = self.members(b"order", (b"z", "dB"), (b"a", "dC"), (b"m", "dA"), (b"b", "dB"))
        clients[0].leave(b"order")
        clients[0].expect(LEFT)
        view = self.same(clients[1:])
        self.assertEqual(view.groups, [b"#b#dB", b"#m#dA", b"#a#dC"])  # type: ignore[attr-defined]
        addresses = {struct.pack("<I", Ring.address(name)) for name in Ring.NAMES}
        self.assertIn(view.view[:4], addresses)  # type: ignore[attr-defined]

    @covers("7c", "7g", "4a")
    def test_total_order(self) -> None:
        clients = self.members(b"total", (b"t1", "dA"), (b"t2", "dB"), (b"t3", "dC"))
        for client in clients:
            client.join(b"other")
        for number in range(100):
            for client in clients:
                service = list(SERVICES)[2 + number % 4]
                client.cast([b"total"], client.private + b"%d" % number, service)
        orders = []
        for client in clients:
            order = []
            while len(order) < 300:
                found = client.receive()
                if found.name == b"other":
                    continue
                order.append((found.kind, found.name, found.data))
            orders.append(order)
        self.assertEqual(orders[0], orders[1])
        self.assertEqual(orders[1], orders[2])
        for client in clients:
            mine = [data for _, name, data in orders[0] if name == client.private]
            self.assertEqual(mine, [client.private + b"%d" % number for number in range(100)])

    @covers("7e", "3e", "2.1i")
    def test_private_and_open(self) -> None:
        one, two = self.client(b"same", "dA"), self.client(b"same", "dB")
        one.cast([b"#same#dB"], b"across")
        found = two.receive()
        self.assertEqual((found.name, found.data, found.groups), (b"#same#dA", b"across", [b"#same#dB"]))
        self.assertTrue(one.is_quiet())

    @covers("3c", "3d", "6b", "5b")
    def test_verbatim(self) -> None:
        sender, receiver = self.client(b"sender", "dA"), self.client(b"receiver", "dC")
        receiver.joined(b"verb-099", 1)
        groups = [b"verb-%03d\0dirty" % number for number in range(99)] + [b"verb-099\0\xff"]
        data = bytes(k % 251 for k in range(100_000))
        sender.say(AGREED | 0x40000000, groups, data, mess_type=-3, order=">")
        found = receiver.expect(AGREED | 0x40000000)
        self.assertEqual(found.data, data)
        self.assertEqual(found.fields, [group.ljust(32, b"\0") for group in groups])
        self.assertEqual(found.hint, struct.pack(">I", 0x00FFFD00))

    @covers("6c", "6d")
    def test_forgery(self) -> None:
        victim = self.client(b"victim", "dB")
        victim.joined(b"forged", 1)
        for bit in (8, 12, 13, 14, 15, 19, 20, 21, 22, 23):
            forger = self.client(b"forger", "dA")
            forger.say(AGREED | 1 << bit, [b"forged"], bytes(56))
            self.assertTrue(forger.is_ended())
            until(lambda: self.ring["dA"].status()["sessions"]["open"] == 0)
        self.assertTrue(victim.is_quiet())
        self.ring.wait(Ring.NAMES)

    # MARK: rings that change

    @covers("8.2f", "8.2g", "8.3a", "8.5a", "8.6b", "8.6c", "8.6d")
    def test_partition_and_merge(self) -> None:
        a, b = self.members(b"cut", (b"a", "dA"), (b"b", "dB"))
        c = self.client(b"c", "dC")
        ending_view = c.joined(b"cut", 3).view
        for client in (a, b):
            self.assertEqual(client.expect(REGULAR_VIEW | JOINED).view, ending_view)
        # Whoever wants no membership hears nothing of all that follows.
        plain = self.client(b"plain", "dA", membership=False)
        plain.join(b"plain")
        flagged = self.client(b"flagged", "dC")
        flagged.joined(b"plain", 2)
        local = self.client(b"local", "dC")
        alone = local.joined(b"apart", 1)
        before = alone.view
        near = self.client(b"near", "dB")
        ending = near.joined(b"near", 1).view
        self.ring.part(("dB", "dA"), ("dC",))
        for client in (a, b):
            signal_ = client.expect(TRANSITION)
            self.assertEqual((signal_.name, signal_.groups, signal_.data), (b"cut", [], ending_view))
        left = self.same([a, b])
        self.assertEqual((left.kind, left.groups), (NETWORK_VIEW, [b"#b#dB", b"#a#dA"]))  # type: ignore[attr-defined]
        self.assertEqual(left.sets, [[b"#b#dB", b"#a#dA"]])  # type: ignore[attr-defined]
        self.assertEqual(c.expect(TRANSITION).data, ending_view)
        right = c.expect(NETWORK_VIEW)
        self.assertEqual((right.groups, right.own), ([b"#c#dC"], [b"#c#dC"]))
        rings = {ending_view[:8], left.view[:8], right.view[:8]}  # type: ignore[attr-defined]
        self.assertEqual(len(rings), 3, "each ring has its own part of the id")
        # Each part works alone.
        a.cast([b"cut"], b"left")
        c.cast([b"cut"], b"right")
        for client, text in ((a, b"left"), (b, b"left"), (c, b"right")):
            self.assertEqual(client.receive().data, text)
        self.ring.heal()
        views = [client.expect(NETWORK_VIEW) for client in (a, b, c)]
        for view in views:
            self.assertEqual(view.groups, [b"#b#dB", b"#a#dA", b"#c#dC"])
            self.assertEqual(view.view, views[0].view)
            self.assertNotIn(view.view[:8], rings)
            self.assertEqual(view.sets, [[b"#b#dB", b"#a#dA"], [b"#c#dC"]])
        self.assertEqual([view.own_set for view in views], [0, 0, 1])
        for kind in (TRANSITION, NETWORK_VIEW, NETWORK_VIEW):
            self.assertEqual(flagged.expect(kind).name, b"plain")
        flagged.cast([b"plain"], b"for all")
        self.assertEqual(plain.receive().data, b"for all")
        # Groups on one side only are not touched; whoever joins later finds them as they were.
        for client in (local, near):
            self.assertTrue(client.is_quiet())
        late = self.client(b"late", "dA")
        self.assertEqual(late.joined(b"apart", 2).groups, [b"#late#dA", b"#local#dC"])
        self.assertNotEqual(local.expect(REGULAR_VIEW | JOINED).view, before)
        self.assertNotEqual(near.joined(b"near2", 1).view, ending)

    @covers("8.2f", "8.3a", "7i")
    def test_crash_and_return(self) -> None:
        a, b = self.members(b"crash", (b"a", "dA"), (b"b", "dB"))
        c = self.client(b"c", "dC")
        c.joined(b"crash", 3)
        for client in (a, b):
            client.receive()
        view = self.ring["dC"].end(signal.SIGKILL)
        self.assertEqual(view, -signal.SIGKILL)
        for client in (a, b):
            client.expect(TRANSITION)
            self.assertEqual(client.expect(NETWORK_VIEW).groups, [b"#b#dB", b"#a#dA"])
        self.assertTrue(c.is_ended())
        self.ring["dC"].start()
        self.ring.wait(Ring.NAMES)
        self.assertTrue(a.is_quiet())
        # The name is free at the new daemon, and ids go on.
        again = self.client(b"c", "dC")
        again.joined(b"crash", 3)
        self.assertEqual(a.expect(REGULAR_VIEW | JOINED).sets, [[b"#c#dC"]])

    @covers("8.2f")
    def test_graceful_end(self) -> None:
        a, _ = self.members(b"term", (b"a", "dA"), (b"c", "dC"))
        self.assertEqual(self.ring["dC"].end(signal.SIGTERM), 0)
        found = a.receive()
        while not found.kind & REGULAR_VIEW:
            found = a.receive()
        self.assertEqual(found.groups, [b"#a#dA"])
        self.ring["dC"].start()

    @covers("2.1j", "7j")
    def test_name_without_order(self) -> None:
        """While the ring stands still no disconnect has its place in the order, so the name is taken."""
        stopped = self.ring["dC"].process
        assert stopped is not None
        other = self.client(b"other", "dC")

        def code() -> int:
            with Client(self.ring["dA"].path) as client:
                client.send(connect_bytes(b"again"))
                return struct.unpack("b", client.read(1))[0]

        def was_taken() -> bool:
            """Whether the name was taken right after the close; the ring may have formed anew by then."""
            until(lambda: code() == 5)
            until(lambda: self.ring["dA"].status()["sessions"]["handshakes"] == 0)
            client = self.client(b"again", "dA")
            # The token rests with whoever sent last.
            other.cast([other.private])
            other.receive()
            stopped.send_signal(signal.SIGSTOP)
            try:
                client.close()
                return code() == -6
            finally:
                stopped.send_signal(signal.SIGCONT)
                until(lambda: code() == 5, 20)
                self.ring.wait(Ring.NAMES)

        self.assertTrue(any(was_taken() for _ in range(5)))

    @covers("8.2e")
    def test_disconnect_across(self) -> None:
        a, b = self.members(b"gone", (b"a", "dA"), (b"b", "dB"))
        b.close()
        view = a.expect(REGULAR_VIEW | VANISHED)
        self.assertEqual((view.sets, view.groups), ([[b"#b#dB"]], [b"#a#dA"]))
