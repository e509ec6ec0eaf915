# SPDX-License-Identifier: Apache-2.0
"""Section 10 and hostile clients: queues, limits, and others that are served meanwhile."""

from __future__ import annotations

import random
import select
import threading
import time

from covering import covers
from support import AloneTest
from wire import REGULAR_VIEW, SERVICES, VANISHED, Client, connect_bytes, message, until, NULL


class Queue(AloneTest):
    SETTINGS = "MaxSessionMessages = 200\nMaxSessionBytes = 4M"

    def flood(self, slow: Client, size: int, limit: int) -> int:
        """Sends to a group until a member that does not read is gone; gives how many messages it took."""
        sender = self.client(b"sender")
        sender.joined(b"q", 2)
        data = bytes(size)
        for number in range(1, limit + 1):
            sender.cast([b"q"], data)
            found = sender.receive()
            if found.kind & REGULAR_VIEW:
                self.assertEqual((found.kind, found.sets), (REGULAR_VIEW | VANISHED, [[slow.private]]))
                sender.close()
                return number
            self.assertEqual(len(found.data), size)
        raise AssertionError(f"the slow member is still there after {limit} messages")

    @covers("10a", "10b")
    def test_messages(self) -> None:
        slow = self.client(b"slow")
        slow.joined(b"q", 1)
        took = self.flood(slow, 10_000, 3_000)
        self.assertGreater(took, 200)
        # What the kernel held, perhaps with half a message at its end, then the end.
        slow.receive()
        got = 0
        try:
            while len(slow.read(48 + 32 + 10_000)) > 0:
                got += 1
        except (EOFError, ConnectionError, Exception) as ended:  # noqa: BLE001  (any end of the stream)
            self.assertNotIsInstance(ended, TimeoutError)
        self.assertGreater(got, 0)
        self.assertLess(got, took)

    @covers("10c")
    def test_bytes(self) -> None:
        slow = self.client(b"slow")
        slow.joined(b"q", 1)
        took = self.flood(slow, 140_000, 200)
        self.assertLess(took, 100)


class DropOldest(AloneTest):
    SETTINGS = "MaxSessionMessages = 100\nSlowSession = drop-oldest"

    @covers("10c")
    def test_drop(self) -> None:
        slow, sender = self.client(b"slow"), self.client(b"sender")
        slow.joined(b"q", 1)
        sender.joined(b"q", 2)
        for number in range(2_000):
            sender.cast([b"q"], number.to_bytes(4, "big") + bytes(5_000))
            sender.receive()
        sender.leave(b"q")
        sender.receive()
        dropped = self.daemon.status()["counters"]["dropped_for_slow_sessions"]
        self.assertGreater(dropped, 0)
        slow.receive()
        numbers = []
        while not (found := slow.receive()).kind & REGULAR_VIEW:
            numbers.append(int.from_bytes(found.data[:4], "big"))
        self.assertEqual(numbers, sorted(set(numbers)))
        self.assertEqual(numbers[-1], 1_999)
        self.assertEqual(len(numbers), 2_000 - dropped)


class Hostile(AloneTest):
    SETTINGS = "HandshakeTimeout = 3s"

    def echoes(self, client: Client, count: int) -> list[float]:
        """How long messages of a client to itself take, in seconds, in ascending order."""
        times = []
        for _ in range(count):
            begin = time.perf_counter()
            client.cast([client.private], b"x" * 100)
            client.receive()
            times.append(time.perf_counter() - begin)
        return sorted(times)

    @covers("2.1l", "2.1m")
    def test_half_open(self) -> None:
        client = self.client(b"client")
        crowd = [self.raw(tcp=number % 2 == 0) for number in range(1_000)]
        for number, each in enumerate(crowd):
            each.send(connect_bytes(b"c%d" % number)[: number % 9])
        until(lambda: self.daemon.status()["sessions"]["handshakes"] >= 900)
        self.assertLess(self.echoes(client, 200)[-1], 1)
        self.client(b"another")
        until(lambda: self.daemon.status()["sessions"]["handshakes"] == 0, 20)
        for each in crowd:
            each.close()

    @covers("7h", "10c")
    def test_flood_and_end(self) -> None:
        # More than the ring takes at once: the end of the stream waits behind what is unread.
        count, size = 5_000, 1_000
        member, bystander = self.client(b"member"), self.client(b"bystander")
        member.joined(b"flood", 1)

        def flood() -> None:
            with self.client(b"flooder") as flooder:
                for number in range(count):
                    flooder.cast([b"flood"], number.to_bytes(4, "big") + bytes(size))

        sender = threading.Thread(target=flood)
        sender.start()
        for number in range(count):
            self.assertEqual(int.from_bytes(member.receive().data[:4], "big"), number)
            if number % 500 == 0:
                self.assertLess(self.echoes(bystander, 1)[-1], 1)
        sender.join()
        until(lambda: self.daemon.status()["sessions"]["open"] == 2)

    @covers("2.1f", "10c")
    def test_byte_by_byte(self) -> None:
        client = self.client(b"client")
        client.joined(b"slow", 1)
        slow = self.raw(tcp=True)
        stream = connect_bytes(b"bytes") + NULL + message(SERVICES["agreed"], b"#bytes#dA", [b"slow"], b"done")
        for at in range(len(stream)):
            slow.send(stream[at : at + 1])
            if at % 20 == 0:
                self.echoes(client, 1)
        self.assertEqual(client.receive().data, b"done")

    @covers("6d", "11b", "11a")
    def test_mutated_streams(self) -> None:
        client = self.client(b"client")
        generator = random.Random(4803)
        memory = self.daemon.memory()
        for number in range(1_500):
            name = b"m%d" % (number % 50)
            private = b"#" + name + b"#dA"
            stream = bytearray(connect_bytes(name) + NULL)
            for _ in range(generator.randrange(6)):
                kind = generator.choice([0x10000, 0x20000, 0x40000, 0x10, 0x20, 0x04])
                groups = [b"g%d" % generator.randrange(3) for _ in range(generator.randrange(1, 4))]
                stream += message(kind, private, groups, generator.randbytes(generator.randrange(200)))
            for _ in range(generator.randrange(4)):
                at = generator.randrange(len(stream))
                stream[at] = generator.randrange(256)
            if generator.random() < 0.3:
                del stream[generator.randrange(len(stream)) :]
            with Client(self.daemon.path) as hostile:
                try:
                    hostile.send(bytes(stream))
                except (BrokenPipeError, ConnectionResetError):
                    pass
                if generator.random() < 0.5:
                    select.select([hostile.socket], [], [], 0.005)
            if number % 100 == 0:
                self.echoes(client, 1)
        self.assertLess(self.echoes(client, 100)[-1], 1)
        until(lambda: self.daemon.status()["sessions"]["open"] == 1, 20)
        self.assertLess(self.daemon.memory(), memory + 20_000)
