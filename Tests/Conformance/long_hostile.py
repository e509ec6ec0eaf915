# SPDX-License-Identifier: Apache-2.0
"""Half an hour of mutated streams, and every kind of hostility for longer, on one daemon and on three."""

from __future__ import annotations

import os
import time

from hostility import HONEST, KINDS
from support import on_three
from test_hostile import HostileTest, milliseconds

MINUTES = float(os.environ.get("HOSTILE_MINUTES", "30"))
"""How long mutated streams are sent."""


class LongHostile(HostileTest):
    DURATION = 20.0

    def test_every_kind(self) -> None:
        client = self.client(b"client")
        quiet = self.echoes(client, self.DURATION)
        self.say("quiet", quiet, quiet, f"{self.daemon.memory() / 1024:5.1f} MiB")
        for kind in [*HONEST, *KINDS]:
            with self.subTest(kind):
                self.compare(client, [kind], self.DURATION, quiet)
        self.compare(client, list(KINDS), self.DURATION, quiet)


LongHostileOnThree = on_three(LongHostile)


class Mutations(HostileTest):
    def test_mutated_streams(self) -> None:
        """Memory must come to rest: the last third of the time costs nothing more."""
        client = self.client(b"client")
        quiet = self.echoes(client, 10)
        self.say("quiet", quiet, quiet, f"{self.daemon.memory() / 1024:5.1f} MiB")
        third = MINUTES * 60 / 3
        used = []
        seed = int(time.time())
        print(f"          seed {seed}", flush=True)
        for part in range(3):
            with self.attacked(["mutated", "mutated"], seed + 2 * part) as strikes:
                times = self.echoes(client, third)
            until_idle = self.daemon.memory()
            used.append(until_idle)
            self.say(f"mutated, {part + 1}", times, quiet, f"{until_idle / 1024:5.1f} MiB, {sum(strikes):,} streams")
        self.assertLess(used[2], used[1] + (8 << 10))
        self.assertLess(milliseconds(times, 0.5), 1_000)
        self.client(b"another").joined(b"g", 1)
