# SPDX-License-Identifier: Apache-2.0
"""The demo: a real cluster in namespaces, four faults, and what each cost."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import textwrap
import time
from dataclasses import dataclass
from typing import Callable

from . import lifetime, probe
from .build import build_release, set_up
from .cluster import CLIENT, MOST, Cluster, LabFailure, holders_told
from .process import CommandFailed

MS = 1_000_000
QUIET_SECONDS = 2
AFTERMATH_SECONDS = 1
FEWEST_NODES = 2


@dataclass(frozen=True)
class Cost:
    """What one fault cost, in nanoseconds; the worst address counts."""

    title: str
    client: int
    uncovered: int
    doubled: int


class Demo:
    """The story, told while it happens, and its figures."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.probed = cluster.settings.addresses[0]
        self.costs: list[Cost] = []
        self._quiet = 0

    def run(self) -> None:
        self._form()
        self._measure_quiet()
        owner = self._owner()
        self._fault(
            f"The link of {owner} is cut",
            f"its port at the switch goes down; {owner} serves {self._plain()}",
            lambda: self.cluster.network.cut_link(owner),
        )
        self._fault(
            f"The link of {owner} is healed",
            f"{owner} comes back and takes over its share again",
            lambda: self.cluster.network.heal(owner),
            settle=self._wait_even,
        )
        victim = self._owner()
        self._fault(
            f"The daemon of {victim} is killed (SIGKILL)",
            f"it cannot clean up; its guardian does; {victim} serves {self._plain()}",
            lambda: self._stop(victim, signal.SIGKILL),
        )
        self._restart(victim)
        leaver = self._owner()
        self._fault(
            f"The daemon of {leaver} is stopped (SIGTERM)",
            f"it leaves gracefully; {leaver} serves {self._plain()}",
            lambda: self._stop(leaver, signal.SIGTERM),
        )
        self._summarise()

    def make_whole(self) -> None:
        """Starts what the story stopped."""
        stopped = sorted(set(self.cluster.nodes) - self.cluster.running())
        if stopped:
            self.cluster.start(*stopped)
        self.cluster.wait_settled("all daemons running again")

    # MARK: - Scenes

    def _form(self) -> None:
        cluster = self.cluster
        count = len(cluster.settings.addresses)
        say(f"{len(cluster.nodes)} servers, 1 client, one bridge; {count} virtual addresses")
        begin = time.monotonic_ns()
        cluster.start()
        settled = cluster.wait_settled("after the start")
        say(f"Formed and covered {(settled - begin) / 1e9:.1f} s after the start. Who holds what:")
        self._show_table()

    def _measure_quiet(self) -> None:
        self.cluster.probe(self.probed)
        begin = time.monotonic_ns()
        time.sleep(QUIET_SECONDS)
        self.cluster.observe()
        gap = self._gap(begin, time.monotonic_ns())
        self._quiet = gap.length
        say(
            f"The client asks {self._plain()} every {probe.INTERVAL // MS} ms. In {QUIET_SECONDS} s "
            f"without a fault the longest time between two answers was {ms(self._quiet)}."
        )

    def _fault(
        self,
        title: str,
        explanation: str,
        action: Callable[[], int],
        settle: Callable[[], int] | None = None,
    ) -> None:
        print(f"\n{len(self.costs) + 1}. {title}: {explanation}", flush=True)
        self._freshen_client()
        begin = action()
        settled = self.cluster.wait_settled(title)
        if settle is not None:
            settled = settle()
        end = self._aftermath()
        self._report(title, begin, settled, end)

    def _restart(self, name: str) -> None:
        begin = time.monotonic_ns()
        self.cluster.start(name)
        settled = self.cluster.wait_settled(f"{name} started again")
        settled = self._wait_even()
        gap = self._gap(begin, self._aftermath())
        print(flush=True)
        say(
            f"{name} is started again, as systemd would: in the cluster and evenly loaded "
            f"{(settled - begin) / 1e9:.1f} s later; longest time without an answer {ms(gap.length)}."
        )

    def _stop(self, name: str, number: signal.Signals) -> int:
        before = self.cluster.nodes[name].signal(number)
        self.cluster.nodes[name].wait()
        return before

    def _wait_even(self) -> int:
        """Waits until a balance round has spread the addresses evenly again."""

        def uneven() -> list[str]:
            loads = [len(held) for held in self._loads().values()]
            found = self.cluster.problems()
            return found or ([f"uneven loads {loads}"] if max(loads) - min(loads) > 1 else [])

        self.cluster.wait_for("an even spread of the addresses", uneven)
        return time.monotonic_ns()

    def _aftermath(self) -> int:
        """Looks on for a while after the coverage settled: the client must still be served."""
        time.sleep(AFTERMATH_SECONDS)
        self.cluster.observe()
        now = time.monotonic_ns()
        if not probe.servers(self.cluster.replies(self.probed), now - 200 * MS, now):
            raise LabFailure(f"{self._plain()} is covered, but the client gets no answer")
        if found := self.cluster.problems():
            raise LabFailure("wrong coverage after settling: " + "; ".join(found))
        return now

    def _freshen_client(self) -> None:
        """Gives the client a new neighbour entry: Linux then ignores some announcements for 1 s."""
        self.cluster.client.run("ip", "neigh", "flush", "to", self._plain())
        self.cluster.client.run("ping", "-c", "1", "-W", "1", self._plain(), check=False)
        time.sleep(0.1)

    # MARK: - Words

    def _report(self, title: str, begin: int, settled: int, end: int) -> None:
        timeline = self.cluster.timeline
        addresses = self.cluster.settings.addresses
        gap = self._gap(begin, end)
        served = " then ".join(probe.servers(self.cluster.replies(self.probed), begin, end))
        uncovered = {a: timeline.uncovered(a, begin, end) for a in addresses}
        interruption = timeline.longest_uncovered(self.probed, begin, end)
        doubled = {a: timeline.doubled(a, begin, end) for a in addresses}
        apart = max(timeline.apart(a, begin, end) for a in addresses)
        tell(
            "client",
            f"longest time without an answer {ms(gap.length)} (quiet: {ms(self._quiet)}); "
            f"answers from {served}",
        )
        tell("netlink", f"{self._plain()} without a reachable holder for {ms(interruption)}")
        tell("no holder", worst(uncovered))
        extra = f"; besides, on a node that was cut off: {ms(apart)}" if apart else ""
        tell("two holders", worst(doubled) + extra)
        tell("settled", f"{(settled - begin) / 1e9:.1f} s after the fault, every node agrees; now")
        for name, held in self._loads().items():
            plain = [address.partition("/")[0] for address in held]
            tell("", f"{name}: {' '.join(plain) or 'nothing'}")
        self.costs.append(
            Cost(title, gap.length, max(uncovered.values()), max(doubled.values()))
        )

    def _summarise(self) -> None:
        print("\nAt most, over all addresses:", flush=True)
        width = max(len(cost.title) for cost in self.costs)
        print(f"   {'':{width}}  {'client gap':>12} {'no holder':>12} {'two holders':>12}")
        for cost in self.costs:
            cells = [f"{ms(value):>12}" for value in (cost.client, cost.uncovered, cost.doubled)]
            print(f"   {cost.title:{width}}  {' '.join(cells)}")
        print(flush=True)

    def _show_table(self) -> None:
        cluster = self.cluster
        told = {}
        for name, node in cluster.nodes.items():
            status = node.status()
            if status is None:
                raise LabFailure(f"{name}: its daemon gives no status\n{node.last_lines()}")
            told[name] = holders_told(status)
        heads = [f"{name} says" for name in told] + ["netlink says"]
        width = max(len(head) for head in heads) + 2
        print("   " + f"{'address':18}" + "".join(f"{head:{width}}" for head in heads))
        for address in cluster.settings.addresses:
            cells = [told[name].get(address) or "-" for name in told]
            cells.append(cluster.holder(address) or "-")
            print("   " + f"{address:18}" + "".join(f"{cell:{width}}" for cell in cells))

    # MARK: - Questions

    def _plain(self) -> str:
        return self.probed.partition("/")[0]

    def _owner(self) -> str:
        self.cluster.observe()
        holder = self.cluster.holder(self.probed)
        if holder is None:
            raise LabFailure(f"{self._plain()} has not exactly one holder")
        return holder

    def _loads(self) -> dict[str, list[str]]:
        """What each running node holds."""
        loads: dict[str, list[str]] = {name: [] for name in sorted(self.cluster.running())}
        for address in self.cluster.settings.addresses:
            for name in self.cluster.timeline.holders(address) & loads.keys():
                loads[name].append(address)
        return loads

    def _gap(self, begin: int, end: int) -> probe.Gap:
        return probe.longest_gap(self.cluster.replies(self.probed), begin, end)


def worst(figures: dict[str, int]) -> str:
    """The worst of figures per address, in words."""
    address, length = max(figures.items(), key=lambda item: item[1])
    if not length:
        return "never, for any address"
    plain = address.partition("/")[0]
    concerned = sum(map(bool, figures.values()))
    return f"{ms(length)} at most ({plain}); {concerned} of {len(figures)} addresses concerned"


def ms(length: int) -> str:
    return f"{length / MS:.0f} ms" if length >= 10 * MS or not length else f"{length / MS:.1f} ms"


def say(text: str) -> None:
    print(textwrap.fill(text, 100), flush=True)


def tell(label: str, text: str) -> None:
    indent = " " * 16
    print(textwrap.fill(f"   {label:13}{text}", 100, subsequent_indent=indent), flush=True)


def explain_kept(cluster: Cluster) -> None:
    """Prints commands to look around in a cluster that stays up."""
    name, node = next(iter(cluster.nodes.items()))
    vip = cluster.settings.addresses[0].partition("/")[0]
    rows = [
        ("its status", f"{cluster.binaries / 'wackamole'} -s -c {node.config}"),
        ("its log", f"tail -f {node.log}"),
        ("its addresses", f"ip -n {node.host.namespace} address show eth0"),
        ("cut its link", f"ip -n {cluster.network.switch} link set {name} down    (heal: up)"),
        ("a shell in it", f"ip netns exec {node.host.namespace} bash"),
        (f"as the {CLIENT}", f"ip netns exec {cluster.client.namespace} ping {vip}"),
        ("remove it all", "scripts/demo --remove"),
    ]
    print(f"The cluster {cluster.identity} stays up. To look around, for example at {name}:")
    for label, command in rows:
        print(f"   {label:14}{command}")


def remove_kept() -> int:
    found = lifetime.kept()
    for identity in found:
        lifetime.remove(identity)
    print(f"Removed {', '.join(found)}." if found else "No cluster was kept.")
    return 0


def number(low: int, high: int) -> Callable[[str], int]:
    """An argument type: a whole number from `low` to `high`."""

    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"'{text}' is not a number from {low} to {high}")
        return int(text)

    return parse


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/demo",
        description="Builds wackamole, runs a real cluster in network namespaces, and shows what four "
        "faults cost. Needs root.",
    )
    parser.add_argument(
        "--nodes", type=number(FEWEST_NODES, MOST), default=3, metavar="N", help="servers (3)"
    )
    parser.add_argument(
        "--vips", type=number(1, MOST), default=6, metavar="N", help="virtual addresses (6)"
    )
    parser.add_argument(
        "--profile", choices=["lan", "fast", "wan"], default="lan", help="the ring's timers (lan)"
    )
    parser.add_argument("--keep", action="store_true", help="leave the cluster up at the end")
    parser.add_argument("--remove", action="store_true", help="remove clusters left up by --keep")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    if os.geteuid() != 0:
        print("scripts/demo: it makes network namespaces: run it as root", file=sys.stderr)
        return 1
    if options.remove:
        return remove_kept()
    print("== Set-up: packages and a release build", flush=True)
    if set_up() != 0 or build_release() != 0:
        return 1
    print("== The cluster", flush=True)
    try:
        with Cluster(
            options.nodes, options.vips, profile=options.profile, outlives=options.keep
        ) as cluster:
            demo = Demo(cluster)
            demo.run()
            if options.keep:
                demo.make_whole()
                cluster.keep()
                explain_kept(cluster)
    except (LabFailure, CommandFailed) as failure:
        print(f"\nFAILED: {failure}", file=sys.stderr, flush=True)
        return 1
    if not options.keep:
        print("Everything is removed again.")
    return 0


if __name__ == "__main__":
    sys.exit(lifetime.guarded(lambda: main(sys.argv[1:])))
