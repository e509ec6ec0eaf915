# SPDX-License-Identifier: Apache-2.0
"""The guardian removes what a dead daemon held, and its obituary makes the others take over at once."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from pathlib import Path

from lab.cluster import BINARIES
from lab.process import run
from support import ClusterTest
from test_failover import VIP, guardians_of

TOOL = Path(os.environ.get("WACKAMOLE_BINARIES", BINARIES)) / "spreadctl"


class Obituary(ClusterTest):
    """With the time-outs of wan, so that what is fast can only come of the obituary."""

    def sealed(self, **options: object) -> None:
        folder = Path(tempfile.mkdtemp(prefix="wack-key-"))
        self.addCleanup(shutil.rmtree, folder)
        run(str(TOOL), "keygen", str(folder / "ring.key"))
        self.form(nodes=3, vips=3, profile="wan", key=str(folder / "ring.key"), **options)

    def kill_owner(self) -> tuple[str, int, int]:
        """Kills the daemon that holds the address: who, when (ns), and for how long nobody held it."""
        owner = self.owner(VIP)
        node = self.cluster.nodes[owner]
        begin = node.signal(signal.SIGKILL)
        node.wait()
        self.cluster.wait_settled("after the kill")
        self.assertNotEqual(self.owner(VIP), owner)
        self.never_doubled(begin)
        gap = self.cluster.timeline.longest_uncovered(VIP, begin, time.monotonic_ns())
        return owner, begin, gap

    def test_a_killed_daemon_is_replaced_long_before_its_silence_is_noticed(self) -> None:
        self.sealed()
        owner, _, gap = self.kill_owner()
        self.assertLess(gap, 1_000_000_000, "the time-out of the ring is 2 s")
        self.cluster.start(owner)
        self.cluster.wait_settled("with its next run")

    def test_without_a_key_it_must_be_asked_for(self) -> None:
        self.form(nodes=3, vips=3, profile="wan", statements=["Guardian = obituary"])
        _, _, gap = self.kill_owner()
        self.assertLess(gap, 1_000_000_000, "the time-out of the ring is 2 s")

    def test_a_silent_guardian_leaves_it_to_the_time_outs(self) -> None:
        self.sealed(statements=["Guardian = silent"])
        _, _, gap = self.kill_owner()
        self.assertGreater(gap, 1_000_000_000, "who told them?")

    def reload_all(self, old: str, new: str) -> None:
        for node in self.cluster.nodes.values():
            node.config.write_text(node.config.read_text().replace(old, new))
            done = node.tool("reload")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertNotIn("start the daemon anew", done.stdout)

    def test_without_a_key_it_can_be_asked_for_by_a_reload(self) -> None:
        self.form(nodes=3, vips=3, profile="wan")
        self.reload_all("Group =", "Guardian = obituary\nGroup =")
        _, _, gap = self.kill_owner()
        self.assertLess(gap, 1_000_000_000, "the time-out of the ring is 2 s")

    def test_a_guardian_is_silenced_by_a_reload(self) -> None:
        self.sealed()
        self.reload_all("Group =", "Guardian = silent\nGroup =")
        _, _, gap = self.kill_owner()
        self.assertGreater(gap, 1_000_000_000, "who told them?")

    def test_a_killed_guardian_is_replaced_and_the_next_does_its_work(self) -> None:
        self.sealed()
        node = self.cluster.nodes[self.owner(VIP)]
        (first,) = guardians_of(node)
        os.kill(first, signal.SIGKILL)
        self.cluster.wait_for(
            "another guardian",
            lambda: [] if guardians_of(node) not in ([], [first]) else ["none yet"],
        )
        _, _, gap = self.kill_owner()
        self.assertLess(gap, 1_000_000_000, "the time-out of the ring is 2 s")
