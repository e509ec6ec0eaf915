# SPDX-License-Identifier: Apache-2.0
"""Five servers and 200 virtual addresses: every fault, the heal after each, and who held what meanwhile."""

from __future__ import annotations

import signal
import time

from support import ClusterTest

ADDRESSES = [[f"10.77.0.{number}/32"] for number in range(50, 250)]
SECONDS = 120


class Scale(ClusterTest):
    def settled(self, what: str, since: int) -> None:
        moment = self.cluster.wait_settled(what, SECONDS)
        print(f"   {what}: settled after {(moment - since) / 1e9:.1f} s", flush=True)

    def held(self, name: str) -> int:
        return sum(name in self.cluster.timeline.holders(a) for a in self.cluster.settings.addresses)

    def balanced(self) -> list[str]:
        self.cluster.observe()
        uneven = [f"{name} holds {self.held(name)}" for name in self.cluster.nodes if self.held(name) != 40]
        return uneven

    def test_five_servers_and_two_hundred_addresses(self) -> None:
        begin = time.monotonic_ns()
        cluster = self.form(nodes=5, virtual_interfaces=ADDRESSES)
        print(f"   covered {(time.monotonic_ns() - begin) / 1e9:.1f} s after the start", flush=True)
        cluster.wait_for("an even load", self.balanced, SECONDS)
        self.never_doubled(begin)

        for _ in range(2):
            cut = cluster.network.cut_link("web1")
            self.settled("link cut", cut)
            self.settled("link healed", cluster.network.heal("web1"))
        cluster.wait_for("an even load", self.balanced, SECONDS)
        killed = cluster.nodes["web2"].signal(signal.SIGKILL)
        cluster.nodes["web2"].wait()
        self.settled("SIGKILL", killed)
        started = time.monotonic_ns()
        cluster.start("web2")
        self.settled("started again", started)
        cluster.wait_for("an even load", self.balanced, SECONDS)
        left = cluster.nodes["web3"].signal(signal.SIGTERM)
        self.assertEqual(cluster.nodes["web3"].wait(), 0)
        self.settled("SIGTERM", left)
        started = time.monotonic_ns()
        cluster.start("web3")
        self.settled("started again", started)
        self.never_doubled(begin)

        parted = time.monotonic_ns()
        cluster.network.partition(["web1", "web2"], ["web3", "web4", "web5"])
        self.settled("parted two and three", parted)
        for address in cluster.settings.addresses:
            self.assertEqual(len(cluster.timeline.holders(address)), 2, address)
        healed = cluster.network.rejoin()
        self.settled("merged", healed)
        merged = time.monotonic_ns()
        cluster.wait_for("an even load", self.balanced, SECONDS)
        self.never_doubled(merged)


    def test_three_servers_and_a_thousand_addresses(self) -> None:
        """The work for a thousand addresses must not keep the daemons from their ring, or it falls apart anew."""
        thousand = [[f"10.77.{1 + number // 250}.{number % 250}/32"] for number in range(1_000)]
        cluster = self.form(nodes=3, virtual_interfaces=thousand)
        parted = time.monotonic_ns()
        cluster.network.partition(["web1"], ["web2", "web3"])
        self.settled("parted", parted)
        before = self.rings()
        self.settled("merged", cluster.network.rejoin())
        for after, first in zip(self.rings(), before, strict=True):
            self.assertEqual(after, first + 1)

    def rings(self) -> list[int]:
        """How many rings each node has been in; on Spread the rings are the daemons'."""
        found = [node.status()["ring"] for node in self.cluster.nodes.values()]
        return [ring["configurations"] for ring in found if ring is not None]


class ScaleOnSpread(Scale):
    backend = "spread"
