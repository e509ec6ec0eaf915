# SPDX-License-Identifier: Apache-2.0
"""What a fault costs: how long nobody holds an address, how long two do, and what a client sees.

Times come from the kernels' address events of all namespaces, and from the first announcement of the new
holder that reaches the client, all on one clock. The client's neighbour entry is fresh: it asked just before.
"""

from __future__ import annotations

import os
import signal
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

from lab.cluster import Cluster, Node
from lab.process import run

from .figures import Table

VIP = "10.77.0.101/32"
FRESH = 0.1
"""How long before the fault the client asks, in seconds."""


@dataclass
class Plan:
    rounds: int = 5
    vips: int = 10
    profiles: list[str] = field(default_factory=lambda: ["lan", "fast"])
    faults: list[str] = field(default_factory=lambda: list(FAULTS))


Fault = Callable[[Cluster, Node], int]


def _link(cluster: Cluster, node: Node) -> int:
    return cluster.network.cut_link(node.name)


def _silent(cluster: Cluster, node: Node) -> int:
    return cluster.network.cut_silently(node.name)


def _term(cluster: Cluster, node: Node) -> int:
    begin = node.signal(signal.SIGTERM)
    node.wait()
    return begin


def _kill(cluster: Cluster, node: Node) -> int:
    begin = node.signal(signal.SIGKILL)
    node.wait()
    return begin


def _kill_both(cluster: Cluster, node: Node) -> int:
    assert node.daemon is not None
    guardians = run("pgrep", "-P", str(node.daemon.pid), check=False).stdout.split()
    for process in guardians:
        os.kill(int(process), signal.SIGSTOP)
    begin = node.signal(signal.SIGKILL)
    for process in guardians:
        os.kill(int(process), signal.SIGKILL)
    node.wait()
    return begin


def _stop(cluster: Cluster, node: Node) -> int:
    assert node.daemon is not None
    begin = time.monotonic_ns()
    node.daemon.send_signal(signal.SIGSTOP)
    return begin


FAULTS: dict[str, Fault] = {
    "link cut": _link,
    "silent cut": _silent,
    "TERM": _term,
    "SIGKILL": _kill,
    "SIGKILL of both": _kill_both,
    "SIGSTOP": _stop,
}
LEASED = ("SIGKILL of both", "SIGSTOP")
"""Faults after which only the lease ends the old holder's addresses."""


def failover(plan: Plan) -> Table:
    table = Table()
    with tempfile.TemporaryDirectory(prefix="wack-bench-") as folder:
        key = Path(folder) / "ring.key"
        binaries = Cluster(nodes=1, vips=1).binaries
        run(str(binaries / "spreadctl"), "keygen", str(key))
        for profile in plan.profiles:
            for name in plan.faults:
                for number in range(plan.rounds):
                    _measure(table, plan, profile, name, number, str(key))
    return table


def _measure(table: Table, plan: Plan, profile: str, name: str, number: int, key: str) -> None:
    where = dict(peer=f"{profile}, {name}", size=plan.vips, round=number)
    with Cluster(nodes=3, vips=plan.vips, profile=profile, key=key) as cluster:
        cluster.start()
        cluster.wait_settled("after the start")
        time.sleep(2.5 + 0.037 * number)  # the announcements of the start are over; other phases of all timers
        owner = cluster.nodes[cluster.holder(VIP) or ""]
        cluster.probe(VIP)
        cluster.client.run("ping", "-c", "1", "-W", "1", VIP.partition("/")[0], check=False)
        time.sleep(FRESH)
        begin = FAULTS[name](cluster, owner)
        others = set(cluster.nodes) - {owner.name}
        cluster.wait_for("another holder", lambda: _without(cluster, owner.name, others))
        if name in LEASED:
            cluster.wait_for("the end of the lease", lambda: _held_by(cluster, owner.name), 20)
            gone = cluster.timeline.released(VIP, owner.name)
            table.add("address gone s", (gone - begin) / 1e9, **where)
        time.sleep(0.5)
        cluster.observe()
        now = time.monotonic_ns()
        taken = min(t for t, who in _gains(cluster, others, begin))
        table.add("taken over ms", (taken - begin) / 1e6, **where)
        gap = cluster.timeline.longest_uncovered(VIP, begin, now)
        table.add("no holder ms", gap / 1e6, **where)
        if name in ("TERM", "SIGKILL"):
            doubled = max(cluster.timeline.doubled(a, begin, now) for a in cluster.settings.addresses)
            table.add("two holders ms", doubled / 1e6, **where)
            gone = cluster.timeline.released(VIP, owner.name)
            table.add("address gone ms", (gone - begin) / 1e6, **where)
        heard = [t for t, p in cluster.frames if t >= begin and p.announces == VIP.partition("/")[0]
                 and p.sender_mac != owner.host.mac]
        if heard:
            table.add("first ARP at client ms", (min(heard) - begin) / 1e6, **where)
        replies = [r.time for r in cluster.replies(VIP)]
        edges = [max((t for t in replies if t < begin), default=begin), *(t for t in replies if t >= begin), now]
        table.add("client gap ms", max(b - a for a, b in zip(edges, edges[1:])) / 1e6, **where)
        if owner.daemon and name == "SIGSTOP":
            owner.daemon.send_signal(signal.SIGCONT)
        if name in ("link cut", "silent cut"):
            healed = cluster.network.heal(owner.name)
            settled = cluster.wait_settled("after the heal")
            doubled = max(cluster.timeline.doubled(a, healed, settled) for a in cluster.settings.addresses)
            table.add("two after heal ms", doubled / 1e6, **where)


def _gains(cluster: Cluster, names: set[str], since: int) -> list[tuple[int, str]]:
    """When which of the nodes first held the address after a time."""
    spans = cluster.timeline.spans(VIP, since, time.monotonic_ns())
    return [(span.start, name) for span in spans for name in span.holders & names]


def _without(cluster: Cluster, lost: str, others: set[str]) -> list[str]:
    cluster.observe()
    missing = [a for a in cluster.settings.addresses if not cluster.timeline.holders(a) & others]
    return [f"{address} is not held" for address in missing]


def _held_by(cluster: Cluster, name: str) -> list[str]:
    cluster.observe()
    return [a for a in cluster.settings.addresses if name in cluster.timeline.holders(a)]
