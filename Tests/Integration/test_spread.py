# SPDX-License-Identifier: Apache-2.0
"""wackamole on a Spread daemon in another process: the same fail-over, and what is special about it."""

from __future__ import annotations

import signal
import time

import test_failover
import test_interfaces
import test_operations
from lab.process import run
from support import ClusterTest
from test_failover import VIP, guardians_of

MS = 1_000_000


class FormingOnSpread(test_failover.Forming):
    backend = "spread"
    test_a_ring_by_multicast = None  # The ring is the Spread daemons'.


class FaultsOnSpread(test_failover.Faults):
    backend = "spread"


class AnnouncementsOnSpread(test_failover.Announcements):
    backend = "spread"


class LeasesOnSpread(test_interfaces.Leases):
    backend = "spread"

    def test_a_daemon_that_hangs_is_replaced_only_when_its_addresses_are_gone(self) -> None:
        """It stays in the view of its Spread daemon: the others go by its silence."""
        cluster = self.form(nodes=3, vips=3, statements=test_interfaces.SHORT)
        owner = self.owner(VIP)
        daemon = cluster.nodes[owner].daemon
        assert daemon is not None
        for pause in range(4):
            # At different moments between two renewals.
            time.sleep(pause * 0.3)
            begin = time.monotonic_ns()
            daemon.send_signal(signal.SIGSTOP)
            others = [name for name in cluster.nodes if name != owner]
            cluster.wait_for("another holder", lambda: self.not_among(others))
            self.never_doubled(begin)
            daemon.send_signal(signal.SIGCONT)
            cluster.wait_settled("after it woke up")
            self.never_doubled(begin)
            owner = self.owner(VIP)
            daemon = cluster.nodes[owner].daemon
            assert daemon is not None

    def test_without_a_word_from_its_spread_daemon_a_node_loses_its_addresses(self) -> None:
        """The Spread daemon hangs and the session stays open: nothing comes back, so nothing is proven."""
        cluster = self.form(nodes=3, vips=3, statements=test_interfaces.SHORT)
        owner = self.owner(VIP)
        spread = cluster.nodes[owner].spread
        assert spread is not None
        begin = time.monotonic_ns()
        spread.send_signal(signal.SIGSTOP)
        self.check_gone_in_time(owner, begin)
        others = [name for name in cluster.nodes if name != owner]
        cluster.wait_for("another holder", lambda: self.not_among(others))
        status = cluster.nodes[owner].status()
        assert status is not None
        self.assertTrue(status["spread"]["connected"], "the session was open all the time")
        continued = time.monotonic_ns()
        spread.send_signal(signal.SIGCONT)
        cluster.wait_settled("after it went on")
        self.never_doubled(continued)


class LeaseReloadsOnSpread(test_operations.LeaseReloads):
    backend = "spread"


class LosingSpread(ClusterTest):
    backend = "spread"

    def released(self, name: str, begin: int) -> float:
        """Waits until a node holds nothing; how long after `begin` the last address went, in ms."""
        cluster = self.cluster
        held = [a for a in cluster.settings.addresses if name in cluster.timeline.holders(a)]
        self.assertTrue(held)

        def left() -> list[str]:
            cluster.observe()
            return [a for a in held if name in cluster.timeline.holders(a)]

        cluster.wait_for(f"{name} holds nothing", left)
        return max(cluster.timeline.released(a, name) - begin for a in held) / MS

    def test_without_its_daemon_a_node_holds_nothing_and_comes_back(self) -> None:
        cluster = self.form()
        for _ in range(3):
            owner = self.owner(VIP)
            node = cluster.nodes[owner]
            begin = node.kill_spread()
            took = self.released(owner, begin)
            print(f"   kill -9 of spreadd: the last address gone after {took:.1f} ms", flush=True)
            others = [name for name in cluster.nodes if name != owner]
            cluster.wait_for("another holder", lambda: self.not_among(others))
            self.never_doubled(begin)
            status = node.status()
            assert status is not None
            self.assertFalse(status["spread"]["connected"])
            node.start_spread()
            cluster.wait_settled("with its daemon again")
            self.never_doubled(begin)

    def not_among(self, names: list[str]) -> list[str]:
        self.cluster.observe()
        there = self.cluster.timeline.holders(VIP) & set(names)
        return [] if there else [f"{VIP} is held by none of {names}"]

    def test_what_is_to_be_kept_stays_and_is_renewed(self) -> None:
        cluster = self.form(nodes=2, vips=2, statements=["Lease = 2s", "BackendLoss = keep"])
        owner = self.owner(VIP)
        node = cluster.nodes[owner]
        begin = node.kill_spread()
        time.sleep(5)
        cluster.observe()
        self.assertIn(owner, cluster.timeline.holders(VIP))
        spans = cluster.timeline.spans(VIP, begin, time.monotonic_ns())
        self.assertTrue(all(owner in span.holders for span in spans), "kept without a gap")
        node.start_spread()
        cluster.wait_settled("with its daemon again")

    def test_all_daemons_come_back_after_all_were_killed(self) -> None:
        cluster = self.form(nodes=3, vips=3)
        for node in cluster.nodes.values():
            node.kill_spread()
        cluster.wait_for("nobody holds anything", self.held)
        for node in cluster.nodes.values():
            node.start_spread()
        cluster.wait_settled("with their daemons again")

    def held(self) -> list[str]:
        self.cluster.observe()
        timeline = self.cluster.timeline
        return [a for a in self.cluster.settings.addresses if timeline.holders(a)]

    def test_the_others_hear_of_a_killed_wackamole_when_its_addresses_are_gone(self) -> None:
        """While the guardian is stopped the session lives, so that nobody takes over."""
        cluster = self.form(nodes=2, vips=2)
        owner = self.owner(VIP)
        node = cluster.nodes[owner]
        other = next(n for name, n in cluster.nodes.items() if name != owner)
        (guardian,) = guardians_of(node)
        run("kill", "-STOP", str(guardian))
        begin = node.signal(signal.SIGKILL)
        node.wait()
        time.sleep(1)
        status = other.status()
        assert status is not None
        self.assertIn(owner, status["view"]["members"])
        run("kill", "-CONT", str(guardian))
        cluster.wait_settled("without it")
        self.never_doubled(begin)

    def test_a_daemon_of_another_name_is_not_used(self) -> None:
        cluster = self.form(nodes=1, vips=1)
        node = cluster.nodes["web1"]
        node.signal(signal.SIGTERM)
        node.wait()
        argv = [str(cluster.binaries / "wackamole"), "-f", "-c", str(node.config), "--node", "web9"]
        node.start_as(argv)

        def said() -> list[str]:
            text = node.log.read_text()
            return [] if "the daemon is called web1, not web9" in text else ["nothing said"]

        cluster.wait_for("the reason", said)
        cluster.observe()
        self.assertEqual(cluster.timeline.holders(VIP), frozenset())
