# SPDX-License-Identifier: Apache-2.0
"""A cluster of real wackamole daemons, one per namespace, with a client and all instruments."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, Callable

from . import arp, configuration, echo, lifetime, probe
from .configuration import Settings
from .network import Host, Network
from .process import SCRIPTS, CommandFailed, Instrument, program, run, start
from .timeline import Timeline

BINARIES = SCRIPTS.parent / ".build" / "release"
CLIENT = "client"
CLIENT_NUMBER = 254
MOST = 100
POLL = 0.1

Status = dict[str, Any]


class LabFailure(AssertionError):
    """The cluster did not do what it has to; the text says what and ends with the daemons' last lines."""


def addresses(count: int) -> list[list[str]]:
    """`count` virtual interfaces of one address each, 10.77.0.101/32 and on."""
    return [[f"10.77.0.{100 + number}/32"] for number in range(1, count + 1)]


class Node:
    """A server of the cluster: a host, its echo service and its wackamole daemon."""

    def __init__(self, host: Host, directory: Path, binaries: Path, settings: Settings) -> None:
        self.host = host
        self.name = host.name
        self.directory = directory
        self.config = directory / "wackamole.conf"
        self.log = directory / "log"
        self.daemon: subprocess.Popen[bytes] | None = None
        self.spread: subprocess.Popen[bytes] | None = None
        """The node's Spread daemon, where the backend is one."""
        self.should_run = False
        self._program = binaries / "wackamole"
        self._tool = binaries / "wackatrl"
        self._spread_program = binaries / "spreadd" if settings.backend == "spread" else None
        directory.mkdir()
        (directory / "state").mkdir()
        self.config.write_text(configuration.text(settings, host.name, directory))
        if self._spread_program:
            (directory / "spread.conf").write_text(configuration.spread(settings, directory))

    @property
    def is_running(self) -> bool:
        return self.daemon is not None and self.daemon.poll() is None

    def start(self, outlives: bool = False) -> None:
        """Starts the daemon in the foreground, its output going to the log; its Spread daemon first."""
        if self._spread_program and (self.spread is None or self.spread.poll() is not None):
            self.start_spread(outlives)
        self.start_as(self.command_line, outlives)

    @property
    def command_line(self) -> list[str]:
        """How the daemon is started in the foreground."""
        return [str(self._program), "-f", "-c", str(self.config), "--node", self.name]

    def start_as(self, argv: list[str], outlives: bool = False) -> None:
        """Starts the daemon by another command line."""
        with self.log.open("ab") as log:
            self.daemon = start(self.host.command(*argv), log.fileno(), outlives)
        self.should_run = True

    def start_spread(self, outlives: bool = False) -> None:
        """Starts the node's Spread daemon, its output going to a log of its own."""
        config = str(self.directory / "spread.conf")
        argv = [str(self._spread_program), "-f", "-n", self.name, "-c", config]
        with (self.directory / "spread.log").open("ab") as log:
            self.spread = start(self.host.command(*argv), log.fileno(), outlives)

    def kill_spread(self) -> int:
        """Kills the node's Spread daemon and gives the time just before."""
        if self.spread is None or self.spread.poll() is not None:
            raise LabFailure(f"{self.name}: its Spread daemon is not running")
        before = time.monotonic_ns()
        self.spread.kill()
        self.spread.wait()
        return before

    def signal(self, number: signal.Signals) -> int:
        """Sends the daemon a signal that ends it and gives the time just before."""
        if self.daemon is None or not self.is_running:
            raise LabFailure(f"{self.name}: the daemon is not running\n{self.last_lines()}")
        self.should_run = False
        before = time.monotonic_ns()
        self.daemon.send_signal(number)
        return before

    def wait(self, seconds: float = 10) -> int:
        """Waits for the daemon to end and gives its exit status, negative for a signal."""
        if self.daemon is None:
            raise LabFailure(f"{self.name}: the daemon was never started")
        try:
            return self.daemon.wait(seconds)
        except subprocess.TimeoutExpired:
            raise LabFailure(
                f"{self.name}: the daemon still runs after {seconds} s\n{self.last_lines()}"
            ) from None

    def status(self) -> Status | None:
        """What `wackamole -s --json` says; None when it says that the daemon does not run."""
        done = run(str(self._program), "-s", "--json", "-c", str(self.config), check=False)
        if done.returncode == 3:
            return None
        try:
            return dict(json.loads(done.stdout))
        except ValueError:
            said = (done.stderr + done.stdout).strip()
            raise CommandFailed(
                f"{self.name}: wackamole -s --json: exit {done.returncode}: {said}"
            ) from None

    def tool(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """What `wackatrl` says and how it ends, asked at this node's daemon."""
        control = str(self.directory / "control")
        return run(str(self._tool), *arguments, "--control", control, check=False)

    def last_lines(self, count: int = 15) -> str:
        """The end of the daemon's log, for a failure's text."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(f"  {self.name} | {line}" for line in lines[-count:])


class Cluster:
    """Nodes web1, web2, ... at 10.77.0.1 and on, a client at 10.77.0.254, and the switch between.

    Use it as a context: it is built on entering, and removed on leaving unless `keep` was called.
    """

    def __init__(
        self,
        nodes: int = 3,
        vips: int = 6,
        binaries: Path | None = None,
        virtual_interfaces: list[list[str]] | None = None,
        outlives: bool = False,
        **settings: Any,
    ) -> None:
        if not 1 <= nodes <= MOST or not 1 <= vips <= MOST:
            raise ValueError(f"nodes and virtual addresses: 1 to {MOST}")
        names = {f"web{number}": f"10.77.0.{number}" for number in range(1, nodes + 1)}
        self.settings = Settings(names, virtual_interfaces or addresses(vips), **settings)
        self.binaries = binaries or Path(os.environ.get("WACKAMOLE_BINARIES", BINARIES))
        self.timeline = Timeline()
        self.frames: list[tuple[int, arp.Packet]] = []
        self.nodes: dict[str, Node] = {}
        self._outlives = outlives
        self._kept = False
        self._children: list[subprocess.Popen[bytes]] = []
        self._probes: dict[str, tuple[Instrument, list[probe.Reply]]] = {}

    # MARK: - Life

    def __enter__(self) -> Cluster:
        if not (self.binaries / "wackamole").exists():
            raise LabFailure(f"{self.binaries}/wackamole is missing: build it first")
        self.identity, self.directory = lifetime.create()
        try:
            self._build()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stops the instruments; removes everything unless the cluster is kept."""
        with lifetime.shielded():
            for instrument in [self._recorder] if hasattr(self, "_recorder") else []:
                instrument.stop()
            for instrument, _ in self._probes.values():
                instrument.stop()
            self._probes.clear()
            if self._kept:
                return
            lifetime.remove(self.identity)
            all_nodes = self.nodes.values()
            daemons = [d for node in all_nodes for d in (node.daemon, node.spread) if d]
            for child in self._children + daemons:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(timeout=5)

    def keep(self) -> None:
        """Lets the cluster stay up after this program ends; it must have been built with `outlives`."""
        self._kept = True
        lifetime.keep(self.identity)

    def _build(self) -> None:
        self.network = Network(self.identity, self.timeline.reach)
        for number, (name, address) in enumerate(self.settings.peers.items(), start=1):
            host = self.network.attach(name, f"{address}/24", number)
            self.nodes[name] = Node(host, self.directory / name, self.binaries, self.settings)
            with (self.directory / name / "echo.log").open("ab") as log:
                argv = host.command(*program("echo", name, str(echo.PORT)))
                self._children.append(start(argv, log.fileno(), self._outlives))
        client = self.network.attach(CLIENT, f"10.77.0.{CLIENT_NUMBER}/24", CLIENT_NUMBER)
        self.client = client
        watches = [f"--watch={host.name}={host.namespace}" for host in self.network.hosts.values()]
        capture = f"--arp={client.name}={client.namespace}"
        self._recorder = Instrument(
            program("recorder", *watches, capture), self.directory / "recorder.log"
        )

    # MARK: - Daemons

    def start(self, *names: str) -> None:
        """Starts the daemons of the named nodes, of all without a name."""
        for name in names or self.nodes:
            self.nodes[name].start(self._outlives)

    def running(self) -> set[str]:
        return {name for name, node in self.nodes.items() if node.is_running}

    # MARK: - Instruments

    def observe(self) -> None:
        """Takes in all that the instruments recorded up to now."""
        for line in self._recorder.pull():
            record = json.loads(line)
            match record["kind"]:
                case "address":
                    if record["address"] in self.settings.addresses:
                        self.timeline.hold(
                            record["t"], record["host"], record["address"], record["held"]
                        )
                case "arp":
                    if packet := arp.parse(bytes.fromhex(record["frame"])):
                        self.frames.append((record["t"], packet))
                case "overflow":
                    raise LabFailure("the kernel dropped address events: the record is not exact")
        for instrument, replies in self._probes.values():
            for line in instrument.pull():
                moment, _, server = line.partition(" ")
                replies.append(probe.Reply(int(moment), server))

    def probe(self, address: str) -> None:
        """Starts asking an address every 5 ms from the client."""
        argv = self.client.command(*program("probe", address.partition("/")[0], str(echo.PORT)))
        self._probes[address] = (Instrument(argv, self.directory / "probe.log"), [])

    def replies(self, address: str) -> list[probe.Reply]:
        """The answers of a probed address, as of the last `observe`."""
        return self._probes[address][1]

    def announcements(self, address: str, since: int) -> list[arp.Packet]:
        """The announcements of an address that the client's wire carried since a time (ns)."""
        plain = address.partition("/")[0]
        return [packet for t, packet in self.frames if t >= since and packet.announces == plain]

    def holder(self, address: str) -> str | None:
        """The one reachable holder of an address by the kernel's word; None for none or several."""
        reachable = self.timeline.holders(address) - self.timeline.unreachable()
        return next(iter(reachable)) if len(reachable) == 1 else None

    # MARK: - Coverage

    def problems(self) -> list[str]:
        """What is wrong with the coverage now, by kernel and by the daemons' own word; empty if nothing.

        In each component every address has exactly one holder and every member says so; a node without
        carrier, and one whose daemon does not run, holds nothing.
        """
        self.observe()
        running = self.running()
        found = [
            f"{name}: its daemon ended by itself"
            for name, node in self.nodes.items()
            if node.should_run and not node.is_running
        ]
        for address in self.settings.addresses:
            for name in sorted(self.timeline.holders(address) - running):
                found.append(f"{name} holds {address}, but its daemon does not run")
        for component in self.network.components(running):
            found += self._component_problems(component)
        return found

    def _component_problems(self, component: set[str]) -> list[str]:
        members = sorted(component)
        can_serve = not component <= self.network.without_carrier
        found = []
        holders: dict[str, str | None] = {}
        for address in self.settings.addresses:
            held = sorted(self.timeline.holders(address) & component)
            holders[address] = held[0] if held else None
            if len(held) != (1 if can_serve else 0):
                found.append(f"{address}: held by {', '.join(held) or 'nobody'} among {members}")
        if found:
            return found  # no need to ask the daemons yet
        for name in members:
            found += _status_problems(name, self.nodes[name].status(), members, holders)
        return found

    def wait_settled(self, what: str, seconds: float = 30) -> int:
        """Waits until the coverage is right twice in a row; gives the time of the first right look."""
        settled: list[int] = []

        def look() -> list[str]:
            moment = time.monotonic_ns()
            found = self.problems()
            settled[:] = [] if found else settled + [moment]
            return found if found or len(settled) > 1 else ["right once, not twice yet"]

        self.wait_for(f"{what}: correct coverage", look, seconds)
        return settled[0]

    def wait_for(self, what: str, problems: Callable[[], list[str]], seconds: float = 30) -> None:
        """Polls until nothing is wrong; after `seconds` fails with what still is."""
        deadline = time.monotonic() + seconds
        while found := problems():
            if time.monotonic() > deadline:
                listed = "\n".join(f"  {problem}" for problem in found)
                raise LabFailure(f"{what}: not within {seconds:g} s\n{listed}\n{self.last_lines()}")
            time.sleep(POLL)

    def last_lines(self) -> str:
        return "\n".join(filter(None, (node.last_lines() for node in self.nodes.values())))


def _status_problems(
    name: str, status: Status | None, members: list[str], holders: dict[str, str | None]
) -> list[str]:
    """Where a daemon's status differs from its component's members and the kernel's holders."""
    if status is None:
        return [f"{name}: its daemon gives no status"]
    view = status.get("view") or {}
    seen = sorted(view.get("members", []))
    if seen != members:
        return [f"{name} sees the members {seen} instead of {members}"]
    told = holders_told(status)
    return [
        f"{name} says {address} is held by {told.get(address)}, the kernel says {holder}"
        for address, holder in holders.items()
        if told.get(address) != holder
    ]


def holders_told(status: Status) -> dict[str, str | None]:
    """The holder of each address as a status tells it."""
    return {
        address: interface["holder"]
        for interface in status["vifs"]
        for address in interface["addresses"]
    }
