# SPDX-License-Identifier: Apache-2.0
"""Ordered multicast: our ring, alone or as a daemon, and corosync CPG, three members on one machine.

Rounds are interleaved: each round measures every peer once, so that what else the machine does falls on all.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Callable, Iterator

from lab.process import start

from .figures import Table
from .peers import Cluster, Result, cluster, corosync, ring, spreadd

PEERS = {
    "ring": ring(),
    "ring-multicast": ring(multicast=True),
    "ring-rt": ring("chrt", "--rr", "1"),
    "ring-sealed": ring(cipher="aes-256-gcm"),
    "ring-multicast-sealed": ring(multicast=True, cipher="aes-256-gcm"),
    "ring-chacha": ring(cipher="chacha20-poly1305"),
    "ring-fast": ring(profile="fast"),
    "spreadd": spreadd(),
    "spreadd-sealed": spreadd(cipher="aes-256-gcm"),
    "spreadd-fast": spreadd(profile="fast"),
    "corosync": corosync(real_time=False),
    "corosync-rt": corosync(real_time=True),
    "corosync-sealed": corosync(real_time=False, cipher="aes256"),
}
# Own undelivered messages at most, by payload: what fills the peers' pipes without long queues.
WINDOWS = {100: 1000, 250: 1000, 1350: 300, 8000: 60}

_runs = itertools.count(1)


@dataclass(frozen=True)
class Plan:
    """What to measure and how often."""

    rounds: int
    peers: list[str]
    sizes: list[int]
    seconds: float
    senders: int
    service: str


class Disorder(Exception):
    """Two members saw different messages, or another order."""


def throughput(plan: Plan) -> Table:
    """Messages per second at the slowest receiver, and CPU of the daemons and the clients."""
    table = Table()
    for round_number in range(plan.rounds):
        for peer in plan.peers:
            with cluster(PEERS[peer]) as made:
                for size in plan.sizes:
                    _flood(made, plan, peer, size, table, round_number)
    return table


def _flood(made: Cluster, plan: Plan, peer: str, size: int, table: Table, round_number: int) -> None:
    number = next(_runs)
    window = WINDOWS.get(size, max(30, 400_000 // size))
    before = [(m.cpu(), m.client_cpu()) for m in made.members]
    began = time.monotonic()
    milliseconds = round(plan.seconds * 1000)
    made.tell(f"flood {number} {plan.service} {size} {plan.senders} {window} {milliseconds}", plan.senders)
    results = _results(made, number, plan.seconds + 60)
    lasted = time.monotonic() - began
    after = [(m.cpu(), m.client_cpu()) for m in made.members]
    where = dict(peer=peer, size=size, round=round_number)
    table.add("messages/s", min(r["messages"] / (r["nanoseconds"] / 1e9) for r in results), **where)
    daemons = [b[0] - a[0] for a, b in zip(before, after)]
    table.add("daemon CPU %", 100 * sum(daemons) / len(daemons) / lasted, **where)
    clients = [b[1] - a[1] for a, b in zip(before, after) if a[1] is not None and b[1] is not None]
    if clients:
        table.add("client CPU %", 100 * sum(clients) / len(clients) / lasted, **where)
    used = (sum(daemons) + sum(clients)) / max(r["messages"] for r in results)
    table.add("CPU us/message", used * 1e6, **where)
    table.add("stalls", sum(m.stalls for m in made.members), **where)


def latency(plan: Plan, rate: int = 100) -> Table:
    """Delivery latency of one sender, the last in ring order, in microseconds."""
    table = Table()
    size = plan.sizes[0]
    for round_number in range(plan.rounds):
        for peer in plan.peers:
            with cluster(PEERS[peer]) as made:
                number = next(_runs)
                count = round(plan.seconds * rate)
                sender = made.members[-1]
                before = [m.cpu() for m in made.members]
                began = time.monotonic()
                sender.tell(f"beat {number} {plan.service} {size} {count} {1_000_000 // rate}")
                results = _results(made, number, plan.seconds + 60)
                lasted = time.monotonic() - began
                used = [m.cpu() - b for m, b in zip(made.members, before)]
                where = dict(peer=peer, size=size, round=round_number)
                remote = results[:-1]
                table.add("own median us", results[-1]["median"] / 1e3, **where)
                table.add("own p99 us", results[-1]["p99"] / 1e3, **where)
                table.add("remote median us", max(r["median"] for r in remote) / 1e3, **where)
                table.add("remote p99 us", max(r["p99"] for r in remote) / 1e3, **where)
                table.add("daemon CPU %", 100 * sum(used) / len(used) / lasted, **where)
    return table


def sessions(plan: Plan, count: int = 1_000) -> Table:
    """What further sessions at one daemon cost: opening them, the rate of others beside them, and a message to all."""
    table = Table()
    for round_number in range(plan.rounds):
        for groups in (count, 1):
            with cluster(spreadd()) as made:
                where = dict(peer="spreadd", size=groups, round=round_number)
                first = made.members[0]
                before = first.anonymous_memory()
                first.tell(f"crowd {count} {groups}")
                opened = first.expect(lambda said: said["event"] == "crowd", 60)
                table.add("open us/session", opened["nanoseconds"] / 1e3 / count, **where)
                number = next(_runs)
                time.sleep(0.5)
                table.add("RssAnon KiB/session", (first.anonymous_memory() - before) / count, **where)
                made.tell(f"flood {number} {plan.service} 1350 3 300 {round(plan.seconds * 1000)}", 3)
                results = _results(made, number, plan.seconds + 60)
                table.add("messages/s beside", min(r["messages"] / (r["nanoseconds"] / 1e9) for r in results), **where)
                if groups == 1:
                    number, messages = next(_runs), round(plan.seconds * 50)
                    first.tell(f"spray {number} 100 {messages}")
                    done = first.expect(lambda said: said["event"] == "sprayed" and said["run"] == number, 60)
                    table.add("message to all us", done["median"] / 1e3, **where)
                    table.add("deliveries/s", count * messages / (done["nanoseconds"] / 1e9), **where)
    return table


def idle(plan: Plan) -> Table:
    """What an idle cluster costs each node."""
    table = Table()
    for round_number in range(plan.rounds):
        for peer in plan.peers:
            with cluster(PEERS[peer]) as made:
                time.sleep(1)
                before = [(m.cpu(), m.packets_sent()) for m in made.members]
                began = time.monotonic()
                time.sleep(plan.seconds)
                lasted = time.monotonic() - began
                after = [(m.cpu(), m.packets_sent()) for m in made.members]
                where = dict(peer=peer, size=0, round=round_number)
                table.add("CPU %", max(100 * (b[0] - a[0]) / lasted for a, b in zip(before, after)), **where)
                table.add("packets/s", max((b[1] - a[1]) / lasted for a, b in zip(before, after)), **where)
                table.add("RssAnon KiB", max(m.anonymous_memory() for m in made.members), **where)
    return table


def membership(plan: Plan) -> Table:
    """Milliseconds from a silent cut to the survivors' view, and from the heal to the view of all."""
    table = Table()
    for round_number in range(plan.rounds):
        for peer in plan.peers:
            with cluster(PEERS[peer]) as made:
                lost, rest = made.members[-1], made.members[:-1]
                time.sleep(1 + 0.037 * round_number)  # at another phase of every timer in each round
                where = dict(peer=peer, size=0, round=round_number)
                cut = made.network.cut_silently(lost.host.name)
                views = made.await_views(rest, len(rest))
                table.add("silent member ms", max(v["at"] - cut for v in views) / 1e6, **where)
                time.sleep(2)
                healed = made.network.heal(lost.host.name)
                views = made.await_views(made.members, len(made.members))
                table.add("merge ms", max(v["at"] - healed for v in views) / 1e6, **where)
    return table


def stability(plan: Plan) -> Table:
    """Configuration changes while other processes keep every core busy; all peers at the same time."""
    table = Table()
    for round_number in range(plan.rounds):
        with contextlib.ExitStack() as stack:
            made = {peer: stack.enter_context(cluster(PEERS[peer])) for peer in plan.peers}
            time.sleep(1)
            for group in made.values():
                _count_views(group)
            stack.enter_context(_busy_cores())
            time.sleep(plan.seconds)
            for peer, group in made.items():
                where = dict(peer=peer, size=0, round=round_number)
                table.add("configuration changes", _count_views(group), **where)
                table.add("stalls", sum(m.stalls for m in group.members), **where)
    return table


def _count_views(made: Cluster) -> int:
    """The most views that a member was told of since this was asked last; ends with a message of each peer."""
    number = next(_runs)
    made.tell(f"beat {number} agreed 100 1 1000", 1)
    _results(made, number, 60)
    counts = [len(member.views) for member in made.members]
    for member in made.members:
        member.views.clear()
    return max(counts)


@contextlib.contextmanager
def _busy_cores() -> Iterator[None]:
    """One process that never rests for each core."""
    hogs = [
        start([sys.executable, "-c", "while True: pass"], subprocess.DEVNULL)
        for _ in range(os.cpu_count() or 1)
    ]
    try:
        yield
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()


MEASUREMENTS: dict[str, Callable[[Plan], Table]] = {
    "throughput": throughput,
    "latency": latency,
    "sessions": sessions,
    "idle": idle,
    "membership": membership,
    "stability": stability,
}


def _results(made: Cluster, number: int, seconds: float) -> list[Result]:
    """The result of a run at every member, checked: all saw the same messages in the same order."""
    is_it = lambda said: said["event"] == "done" and said["run"] == number
    results = [member.expect(is_it, seconds) for member in made.members]
    if len({(r["messages"], r["order"]) for r in results}) != 1:
        raise Disorder(f"run {number}: the members do not agree: {results}")
    return results
