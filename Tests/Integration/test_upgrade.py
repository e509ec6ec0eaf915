# SPDX-License-Identifier: Apache-2.0
"""Members of different versions of the messages, one restarted after the other: nobody misses anything."""

from __future__ import annotations

import signal
import time

from support import ClusterTest
from test_failover import VIP

OLD = "Protocol = 1"


class Upgrades(ClusterTest):
    def protocols(self, name: str) -> dict[str, int]:
        """The version of each member, by the word of one."""
        status = self.cluster.nodes[name].status()
        assert status is not None
        return {member["node"]: member["protocol"] for member in status["view"]["details"]}

    def restart(self, name: str, statement: str) -> None:
        """What a package manager does: the old program leaves, the new one starts."""
        node = self.cluster.nodes[name]
        lines = [line for line in node.config.read_text().splitlines() if not line.startswith("Protocol")]
        node.signal(signal.SIGTERM)
        self.assertEqual(node.wait(), 0)
        node.config.write_text("\n".join([*lines, statement, ""]))
        self.cluster.start(name)

    def move(self, to: str) -> tuple[int, str]:
        done = self.cluster.nodes["web1"].tool("move", VIP.partition("/")[0], to)
        return done.returncode, done.stdout + done.stderr

    def test_a_rolling_upgrade_and_the_way_back(self) -> None:
        # No round of balance, so that only what the test does moves anything.
        cluster = self.form(nodes=3, vips=6, statements=[OLD], balance="1h")
        begin = time.monotonic_ns()
        self.assertEqual(self.protocols("web1"), {"web1": 1, "web2": 1, "web3": 1})
        new: set[str] = set()
        for name in ("web3", "web1", "web2"):
            self.check_held_back(sorted(cluster.nodes))
            self.restart(name, "")
            new.add(name)
            cluster.wait_settled(f"with {name} of version 2")
            wanted = {node: 2 if node in new else 1 for node in cluster.nodes}
            for node in cluster.nodes:
                cluster.wait_for("the versions", lambda: [] if self.protocols(node) == wanted else [node])
            # A fault amid the upgrade.
            victim = self.owner(VIP)
            cluster.network.cut_link(victim)
            cluster.wait_settled(f"without {victim}")
            cluster.network.heal(victim)
            cluster.wait_settled(f"with {victim} again")
        # Now all have it: what version 2 brought works.
        target = next(name for name in cluster.nodes if name != self.owner(VIP))
        status, said = self.move(target)
        self.assertEqual(status, 0, said)
        cluster.wait_settled("after the move")
        self.assertEqual(self.owner(VIP), target)
        self.restart("web2", OLD)
        cluster.wait_settled("with web2 of version 1 again")
        self.check_held_back(sorted(cluster.nodes))
        self.never_doubled(begin)

    def check_held_back(self, names: list[str]) -> None:
        """One member of version 1 holds all at what it knows."""
        before = self.owner(VIP)
        status, said = self.move(next(name for name in names if name != before))
        self.assertNotEqual(status, 0, said)
        self.assertIn("runs an older version", said)
        self.assertEqual(self.owner(VIP), before)
