# SPDX-License-Identifier: Apache-2.0
"""What the tests with real clusters share."""

from __future__ import annotations

import os
import time
import unittest
from typing import Any

from lab.cluster import Cluster, Node
from lab.process import run

needs_root = unittest.skipUnless(os.geteuid() == 0, "needs root for network namespaces")

ALL_WORDS = {"held", "elsewhere", "uncovered", "moving"}
SLACK = 250_000_000
"""How much later (ns) than its cause an event of another kind may be recorded on a busy machine."""


def children_of(node: Node, word: str) -> list[int]:
    """The processes below the node's daemon whose name, cut at 15 bytes, has a word in it."""
    assert node.daemon is not None
    rows = [
        row.split(None, 2) for row in run("ps", "-e", "-o", "pid=,ppid=,comm=").stdout.splitlines()
    ]
    daemons = {node.daemon.pid}
    # The daemon may run below the process that entered its namespace.
    daemons |= {int(pid) for pid, parent, _ in rows if int(parent) in daemons}
    return [int(pid) for pid, parent, name in rows if int(parent) in daemons and word in name]


@needs_root
class ClusterTest(unittest.TestCase):
    """A test with a cluster of its own, which is gone when the test ends.

    Every one also checks that no node announced an address that it did not hold.
    """

    cluster: Cluster
    backend = "embedded"
    """What carries the group in the clusters of the class; see test_spread.py."""
    given: dict[str, str] = {}
    """The node of each hardware address that a test gave to an interface."""

    def form(self, **options: Any) -> Cluster:
        """Builds a cluster, starts it and waits until it covers everything."""
        self.cluster = self.enterContext(Cluster(backend=self.backend, **options))
        self.addCleanup(self.check_announcements)
        self.cluster.start()
        self.cluster.wait_settled("after the start")
        return self.cluster

    def check_announcements(self) -> None:
        """Every announcement on the wire must come from a node that holds the address, or just did."""
        self.cluster.observe()
        names = {node.host.mac: name for name, node in self.cluster.nodes.items()} | self.given
        managed = {a.partition("/")[0]: a for a in self.cluster.settings.addresses}
        for moment, packet in self.cluster.frames:
            address = managed.get(packet.announces or "")
            if address is None:
                continue
            spans = self.cluster.timeline.spans(address, moment - SLACK, moment + SLACK)
            near = frozenset().union(*(span.holders for span in spans))
            sender = names.get(packet.sender_mac, packet.sender_mac)
            self.assertIn(sender, near, f"{sender} announced {address} without holding it")

    def owner(self, address: str) -> str:
        """The node that holds an address; fails unless it is exactly one."""
        self.cluster.observe()
        holder = self.cluster.holder(address)
        assert holder is not None, f"{address} has not exactly one holder"
        return holder

    def never_doubled(self, since: int) -> None:
        """Fails when two nodes that both were on the wire held an address at the same time."""
        now = time.monotonic_ns()
        self.cluster.observe()
        for address in self.cluster.settings.addresses:
            self.assertEqual(
                self.cluster.timeline.doubled(address, since, now), 0, f"{address}: two holders"
            )
