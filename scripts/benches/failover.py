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
from typing import Any, Callable

from lab.cluster import MOST, Cluster, LabFailure, Node, addresses
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
    backend: str = "embedded"

    @property
    def virtual_interfaces(self) -> list[list[str]]:
        """What the cluster holds; the client can only ask for those in its own network."""
        further = range(max(self.vips - MOST, 0))
        return addresses(min(self.vips, MOST)) + [[f"10.78.{n // 100}.{n % 100 + 1}/32"] for n in further]


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


def _order(node: Node, *words: str) -> int:
    begin = time.monotonic_ns()
    done = node.tool(*words)
    if done.returncode != 0:
        raise LabFailure(f"wackatrl {' '.join(words)}: {done.stderr or done.stdout}")
    return begin


def _drain(cluster: Cluster, node: Node) -> int:
    return _order(node, "drain")


def _move(cluster: Cluster, node: Node) -> int:
    target = next(name for name in cluster.nodes if name != node.name)
    return _order(node, "move", VIP.partition("/")[0], target)


def _balance(cluster: Cluster, node: Node) -> int:
    """The node was drained before: what it gets back is measured."""
    _order(node, "resume")
    return _order(node, "balance")


FAULTS: dict[str, Fault] = {
    "link cut": _link,
    "silent cut": _silent,
    "TERM": _term,
    "drain": _drain,
    "move": _move,
    "balance": _balance,
    "SIGKILL": _kill,
    "SIGKILL of both": _kill_both,
    "SIGSTOP": _stop,
}
LEASED = ("SIGKILL of both", "SIGSTOP")
"""Faults after which only the lease ends the old holder's addresses."""
ORDERLY = ("TERM", "drain", "move", "balance", "SIGKILL")
"""Faults after which the old holder's addresses are removed before others take them."""


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
    with Cluster(
        virtual_interfaces=plan.virtual_interfaces, profile=profile, key=key, backend=plan.backend, balance="30s"
    ) as cluster:
        cluster.start()
        cluster.wait_settled("after the start")
        owner = cluster.nodes[cluster.holder(VIP) or ""]
        if name == "balance":
            _order(owner, "drain")
            cluster.wait_for("the drain", lambda: _held_by(cluster, owner.name))
        time.sleep(2.5 + 0.037 * number)  # the announcements of the start are over; other phases of all timers
        cluster.observe()
        before = {a: cluster.timeline.holders(a) for a in cluster.settings.addresses}
        cluster.probe(VIP)
        cluster.client.run("ping", "-c", "1", "-W", "1", VIP.partition("/")[0], check=False)
        time.sleep(FRESH)
        begin = FAULTS[name](cluster, owner)
        cluster.wait_for("the addresses at others", lambda: _unmoved(cluster, name, owner.name, before))
        if name in LEASED:
            cluster.wait_for("the end of the lease", lambda: _held_by(cluster, owner.name), 20)
            gone = cluster.timeline.released(VIP, owner.name)
            table.add("address gone s", (gone - begin) / 1e9, **where)
        time.sleep(0.5)
        cluster.observe()
        now = time.monotonic_ns()
        moved = [a for a in before if cluster.timeline.holders(a) != before[a]]
        table.add("addresses moved", len(moved), **where)
        taken = max(_gained(cluster, a, begin) for a in moved)
        table.add("all taken over ms", (taken - begin) / 1e6, **where)
        gap = max(cluster.timeline.longest_uncovered(a, begin, now) for a in moved)
        table.add("no holder ms", gap / 1e6, **where)
        if name in ORDERLY:
            doubled = max(cluster.timeline.doubled(a, begin, now) for a in moved)
            table.add("two holders ms", doubled / 1e6, **where)
        if name in ("TERM", "SIGKILL"):
            gone = max(cluster.timeline.released(a, owner.name) for a in moved)
            table.add("all gone ms", (gone - begin) / 1e6, **where)
        if VIP in moved:
            _ask_client(table, cluster, owner, begin, now, where)
        if owner.daemon and name == "SIGSTOP":
            owner.daemon.send_signal(signal.SIGCONT)
        if name in ("link cut", "silent cut"):
            healed = cluster.network.heal(owner.name)
            settled = cluster.wait_settled("after the heal")
            doubled = max(cluster.timeline.doubled(a, healed, settled) for a in cluster.settings.addresses)
            table.add("two after heal ms", doubled / 1e6, **where)


def _ask_client(
    table: Table, cluster: Cluster, owner: Node, begin: int, now: int, where: dict[str, Any]
) -> None:
    """What the client saw of the address that it probes."""
    heard = [t for t, p in cluster.frames if t >= begin and p.announces == VIP.partition("/")[0]
             and p.sender_mac != owner.host.mac]
    if heard:
        table.add("first ARP at client ms", (min(heard) - begin) / 1e6, **where)
    replies = [r.time for r in cluster.replies(VIP)]
    edges = [max((t for t in replies if t < begin), default=begin), *(t for t in replies if t >= begin), now]
    table.add("client gap ms", max(b - a for a, b in zip(edges, edges[1:])) / 1e6, **where)


def _gained(cluster: Cluster, address: str, since: int) -> int:
    """When another node than before first held the address after a time."""
    spans = cluster.timeline.spans(address, since, time.monotonic_ns())
    return min(span.start for span in spans if span.holders - spans[0].holders)


def _unmoved(cluster: Cluster, fault: str, owner: str, before: dict[str, frozenset[str]]) -> list[str]:
    """The addresses that have not yet gone where the fault sends them."""
    cluster.observe()
    if fault == "balance":
        return [] if any(owner in cluster.timeline.holders(a) for a in before) else [f"{owner} has nothing"]
    wanted = [VIP] if fault == "move" else [a for a in before if owner in before[a]]
    return [f"{a} is not held" for a in wanted if not cluster.timeline.holders(a) - {owner}]


def _held_by(cluster: Cluster, name: str) -> list[str]:
    cluster.observe()
    return [a for a in cluster.settings.addresses if name in cluster.timeline.holders(a)]
