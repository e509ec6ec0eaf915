# SPDX-License-Identifier: Apache-2.0
"""Section 10: queues and limits."""

from __future__ import annotations

import struct
import unittest

from covering import covers
from daemons import Alone
from support import AloneTest, on_three
from wire import REGULAR_VIEW, VANISHED, Client, Ended, until


class Flooded(AloneTest):
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


class Queue(Flooded):
    # What is sent in all is less than the bytes that may wait.
    SETTINGS = "MaxSessionMessages = 200\nMaxSessionBytes = 64M"

    @covers("10a", "10b")
    def test_messages(self) -> None:
        slow = self.client(b"slow")
        slow.joined(b"q", 1)
        took = self.flood(slow, 10_000, 3_000)
        self.assertGreater(took, 200)
        # What the kernel held, perhaps with half a message at its end, then the end.
        slow.receive()
        got = 0
        with self.assertRaises((Ended, ConnectionError)):
            while slow.read(48 + 32 + 10_000):
                got += 1
        self.assertGreater(got, 0)
        self.assertLess(got, took)


class QueueOfBytes(Flooded):
    # What is sent in all is less than the messages that may wait.
    SETTINGS = "MaxSessionMessages = 200\nMaxSessionBytes = 4M"

    @covers("10c")
    def test_bytes(self) -> None:
        slow = self.client(b"slow")
        slow.joined(b"q", 1)
        took = self.flood(slow, 140_000, 200)
        self.assertLess(took, 100)


QueueOnThree = on_three(Queue)
QueueOfBytesOnThree = on_three(QueueOfBytes)


class Together(AloneTest):
    SETTINGS = "MaxWaitingBytes = 32M"

    @covers("10e")
    def test_many_that_do_not_read(self) -> None:
        """Each keeps within its own limit, and all together would take ten times as much as they may."""
        sender = self.client(b"sender")
        before = self.daemon.memory()
        mute = [self.client(b"mute%d" % number) for number in range(32)]
        for client in mute:
            for _ in range(80):
                sender.cast([client.private], bytes(140_000))
                sender.cast([sender.private], b"")
                sender.receive()
            sessions = self.daemon.status()["sessions"]
            self.assertLessEqual(sessions["waiting_bytes"], 32 << 20)
        self.assertGreater(self.daemon.status()["counters"]["closed_backlog"], 10)
        # In KiB; what is freed is not all given back at once.
        self.assertLess(self.daemon.memory() - before, 96 << 10)


class Groups(AloneTest):
    SETTINGS = "MaxSessionGroups = 2"

    @covers("8.7a")
    def test_most_groups(self) -> None:
        for membership in (True, False):
            client = self.client(b"groups", membership)
            for group in (b"one", b"two", b"three"):
                client.join(group)
                if membership and group != b"three":
                    client.receive()
            reject, marks = 0x00400000, 0x80000080
            expected = struct.pack("<I32siIiI", reject | marks, b"#groups#dA", 1, marks, 0, 0x100 | marks) + b"three".ljust(32, b"\0")
            self.assertEqual(client.read(84), expected)
            client.leave(b"one")
            client.join(b"three")
            client.cast([b"three"], b"heard")
            if membership:
                self.assertEqual((client.receive().name, client.receive().name), (b"one", b"three"))
            self.assertEqual(client.receive().data, b"heard")
            client.close()
            until(lambda: self.daemon.status()["sessions"]["open"] == 0)
        self.assertEqual(self.daemon.status()["counters"]["rejected_joins"], 2)


GroupsOnThree = on_three(Groups)


class NoQueue(unittest.TestCase):
    @covers("10d")
    def test_refused(self) -> None:
        with self.assertRaisesRegex(AssertionError, r"dA.conf:\d+:\d+: '0' is out of range; write a number from 1"):
            with Alone("MaxSessionMessages = 0"):
                pass


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
