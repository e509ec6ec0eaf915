# SPDX-License-Identifier: Apache-2.0
"""Two parts with very many groups become one: every view is right, and how long they take is printed."""

from __future__ import annotations

import os
import statistics
import threading
import time
import unittest
from typing import Callable

from daemons import Ring
from wire import JOINED, NETWORK, REGULAR_VIEW, TRANSITION, Client, Message

GROUPS = 10_000
PARTS = (("dB", "dA"), ("dC",))
ROUNDS = 5
NETWORK_VIEW = REGULAR_VIEW | NETWORK


class Follower(threading.Thread):
    """Takes messages of some kinds, one of each for every group, from a client, and when."""

    def __init__(self, client: Client, kinds: tuple[int, ...]) -> None:
        super().__init__()
        self.client, self.kinds = client, kinds
        self.found: list[Message] = []
        self.begin = self.end = 0.0

    def run(self) -> None:
        for _ in range(len(self.kinds) * GROUPS):
            self.found.append(self.client.receive())
            self.end = time.monotonic()
            self.begin = self.begin or self.end

    def check(self, test: unittest.TestCase, members: int) -> None:
        for kind in self.kinds:
            test.assertEqual(len({each.name for each in self.found if each.kind == kind}), GROUPS, hex(kind))
        test.assertTrue(all(len(each.groups) == members for each in self.found if each.kind != TRANSITION))


@unittest.skipUnless(os.geteuid() == 0, "needs root for network namespaces")
class LongMerge(unittest.TestCase):
    def test_many_groups(self) -> None:
        with Ring() as ring:
            clients = {name: self.enterContext(Client(ring[name].path)).open(name.encode()) for name in Ring.NAMES}
            for client in clients.values():
                for number in range(GROUPS):
                    client.join(b"g%05d" % number)
                    if number % 100 == 99:
                        self.joined(client, 100)
            # Those who were there first hear of the others.
            self.joined(clients["dB"], 2 * GROUPS)
            self.joined(clients["dA"], GROUPS)
            print(f"          {GROUPS:,} groups of 3 members, {ring['dA'].memory() / 1024:.1f} MiB", flush=True)
            first, last = [], []
            for _ in range(ROUNDS):
                sizes = {name: len(part) for part in PARTS for name in part}
                self.follow(clients, lambda: ring.part(*PARTS), (TRANSITION, NETWORK_VIEW), sizes)
                begin = time.monotonic()
                followers = self.follow(clients, ring.network.rejoin, (NETWORK_VIEW,), dict.fromkeys(Ring.NAMES, 3))
                first.append(min(each.begin for each in followers) - begin)
                last.append(max(each.end for each in followers) - begin)
                # The ring did not fall apart over it.
                self.assertTrue(all(client.is_quiet(1) for client in clients.values()))
            spans = [end - begin for begin, end in zip(first, last)]
            for what, times in (("heal to first view", first), ("first to last view", spans)):
                shown = f"{statistics.median(times) * 1e3:.0f} ms ({min(times) * 1e3:.0f}..{max(times) * 1e3:.0f})"
                print(f"          {what:20} median {shown}", flush=True)

    def follow(
        self, clients: dict[str, Client], change: Callable[[], None], kinds: tuple[int, ...], members: dict[str, int]
    ) -> list[Follower]:
        """Makes a change, after which each client has a view of so many members in every group."""
        followers = {name: Follower(client, kinds) for name, client in clients.items()}
        for each in followers.values():
            each.start()
        change()
        for name, each in followers.items():
            each.join(60)
            each.check(self, members[name])
        return list(followers.values())

    def joined(self, client: Client, count: int) -> None:
        for _ in range(count):
            client.expect(REGULAR_VIEW | JOINED)
