# SPDX-License-Identifier: Apache-2.0
"""What is measured: three members of one ring in three namespaces, ours or corosync's.

Each member is a program that takes commands on its standard input and prints JSON objects. The ring's is the
daemon's engine and sender in one process; spreadd and corosync have a daemon and a client process per member.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import threading
import time
from pathlib import Path
from typing import Any, Callable, Iterator

from lab import lifetime
from lab.build import ROOT, release_command
from lab.network import INTERFACE, Host, Network
from lab.process import CommandFailed, run, run_group, start

NAMES = ("node1", "node2", "node3")
FOLDER = ROOT / ".build" / "bench"
PACKAGES = ("corosync", "libcpg-dev")
SECRET = "5f" * 32

Result = dict[str, Any]


class Member:
    """One member: its host, the program that obeys us, and the processes whose CPU time is its daemon's."""

    def __init__(self, host: Host, argv: list[str], log: Path) -> None:
        self.host = host
        self._log = log
        self._said: queue.Queue[Result | None] = queue.Queue()
        self.views: list[Result] = []
        self.stalls = 0
        with log.open("ab") as errors:
            self.process = start(
                argv, errors.fileno(), stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
        self.daemon = self.process.pid
        threading.Thread(target=self._listen, daemon=True).start()

    def tell(self, command: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(command.encode() + b"\n")
        self.process.stdin.flush()

    def expect(self, wanted: Callable[[Result], bool], seconds: float) -> Result:
        """The next object that is `wanted`; views before it are kept in `views`."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                said = self._said.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise CommandFailed(f"{self.host.name}: nothing after {seconds} s: {self._tail()}") from None
            if said is None:
                raise CommandFailed(f"{self.host.name} ended: {self._tail()}")
            if said["event"] == "view":
                self.views.append(said)
            if said["event"] == "stalled":
                self.stalls += 1
            if wanted(said):
                return said

    def cpu(self) -> float:
        """The CPU time of the daemon up to now, in seconds."""
        return _cpu(self.daemon)

    def client_cpu(self) -> float | None:
        """The CPU time of the client, in seconds; None where it is part of the daemon."""
        return _cpu(self.process.pid) if self.process.pid != self.daemon else None

    def packets_sent(self) -> int:
        """What its interface has sent up to now."""
        for line in Path(f"/proc/{self.process.pid}/net/dev").read_text().splitlines():
            name, _, counts = line.partition(":")
            if name.strip() == INTERFACE:
                return int(counts.split()[9])
        raise CommandFailed(f"{self.host.name} has no {INTERFACE}")

    def anonymous_memory(self) -> int:
        """RssAnon of the daemon, in KiB."""
        for line in Path(f"/proc/{self.daemon}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1])
        raise CommandFailed("no RssAnon")

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._said.put(json.loads(line))
        self._said.put(None)

    def _tail(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-5:])


Begin = Callable[[Network, Path], list[Member]]
"""Starts the members of one cluster on the hosts of a network, their files below a folder."""


class Cluster:
    """Three members on one bridge, in one ring."""

    def __init__(self, network: Network, members: list[Member]) -> None:
        self.network = network
        self.members = members

    def tell(self, command: str, senders: int) -> None:
        for member in self.members[:senders]:
            member.tell(command)

    def await_views(self, members: list[Member], size: int, seconds: float = 60) -> list[Result]:
        """The next view of that size at each of these members."""
        is_it = lambda said: said["event"] == "view" and len(said["members"]) == size
        return [member.expect(is_it, seconds) for member in members]


def ring(
    *prefix: str, profile: str = "lan", cipher: str | None = None, multicast: bool = False
) -> Begin:
    """Our ring, started through `prefix` (such as chrt)."""

    def begin(network: Network, directory: Path) -> list[Member]:
        addresses = [f"--member={host.name}={host.address}" for host in network.hosts.values()]
        options = [f"--profile={profile}", *addresses]
        if multicast:
            options.append(f"--multicast=239.77.0.1%{INTERFACE}")
        if cipher:
            options.append(f"--key={_key(directory, cipher)}")
        program = [*prefix, str(ROOT / ".build/release/ringbench")]
        return [
            Member(host, host.command(*program, f"--node={host.name}", *options), directory / host.name)
            for host in network.hosts.values()
        ]

    return begin


def spreadd(profile: str = "lan", cipher: str | None = None) -> Begin:
    """Our daemon, with a client of the Spread protocol on its unix socket."""

    def begin(network: Network, directory: Path) -> list[Member]:
        key = _key(directory, cipher) if cipher else "none"
        daemons = "".join(f"    {host.name} {host.address}\n" for host in network.hosts.values())
        members = []
        for position, host in enumerate(network.hosts.values()):
            own = directory / f"{host.name}.d"
            own.mkdir()
            conf = own / "spread.conf"
            lines = [
                f"Spread_Segment 10.77.0.255:4803 {{\n{daemons}}}",
                f"Key = {key}",
                f"Profile = {profile}",
                f"UnixSocket = {own / 'socket'}",
                f"ControlSocket = {own / 'control'}",
                f"StateDir = {own / 'state'}",
                f"RuntimeDir = {own}",
                "DaemonUser = root",
                "DaemonGroup = root",
                # Three windows of 1000 messages may wait for a client that is starved of its core.
                "MaxSessionMessages = 10000",
            ]
            conf.write_text("\n".join(lines) + "\n")
            log = directory / host.name
            program = [str(ROOT / ".build/release/spreadd"), "-f", "-n", host.name, "-c", str(conf)]
            with log.open("ab") as errors:
                daemon = start(host.command(*program), errors.fileno())
            client = [str(FOLDER / "spread"), str(position), str(own / "socket")]
            member = Member(host, host.command(*client), log)
            member.daemon = daemon.pid
            members.append(member)
        return members

    return begin


def _key(directory: Path, cipher: str) -> Path:
    key = directory / "key"
    key.touch(mode=0o600)
    key.write_text(f"key 1 {cipher} {SECRET}\n")
    return key


def corosync(real_time: bool, cipher: str = "none") -> Begin:
    """Corosync with knet and its default timers; each daemon has its own /run, /dev/shm and state."""

    def begin(network: Network, directory: Path) -> list[Member]:
        members = []
        hash_name = "none" if cipher == "none" else "sha256"
        nodes = "".join(
            f"node {{\n ring0_addr: {host.address}\n name: {host.name}\n nodeid: {number}\n}}\n"
            for number, host in enumerate(network.hosts.values(), 1)
        )
        conf = directory / "corosync.conf"
        conf.write_text(
            "totem {\nversion: 2\ncluster_name: bench\ntransport: knet\n"
            f"crypto_cipher: {cipher}\ncrypto_hash: {hash_name}\nkeyfile: /var/lib/corosync/authkey\n}}\n"
            f"nodelist {{\n{nodes}}}\n"
            f"system {{\nsched_rr: {'yes' if real_time else 'no'}\n}}\n"
            "logging {\nto_logfile: no\nto_syslog: no\nto_stderr: yes\n}\n"
        )
        (directory / "authkey").write_bytes(bytes.fromhex(SECRET) * 8)
        script = (
            "mount -t tmpfs tmpfs /var/lib/corosync && cp \"$1\"/corosync.conf \"$1\"/authkey /var/lib/corosync "
            "&& mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /dev/shm "
            "&& exec corosync -f -c /var/lib/corosync/corosync.conf"
        )
        for position, host in enumerate(network.hosts.values()):
            log = directory / host.name
            private = ["unshare", "--mount", "--propagation", "private"]
            argv = host.command(*private, "sh", "-c", script, "sh", str(directory))
            with log.open("ab") as errors:
                daemon = start(argv, errors.fileno())
            _await_mounts(daemon.pid)
            client = ["nsenter", f"--target={daemon.pid}", "--net", "--mount", "--"]
            member = Member(host, [*client, str(FOLDER / "cpg"), str(position)], log)
            member.daemon = daemon.pid
            members.append(member)
        return members

    return begin


@contextlib.contextmanager
def cluster(begin: Begin) -> Iterator[Cluster]:
    """Three members that have formed one ring; all of it is removed afterwards."""
    identity, directory = lifetime.create()
    try:
        network = Network(identity, lambda *_: None)
        for number, name in enumerate(NAMES, 1):
            network.attach(name, f"10.77.0.{number}/24", number)
        made = Cluster(network, begin(network, directory))
        made.await_views(made.members, len(NAMES))
        yield made
    finally:
        lifetime.remove(identity)


def prepare(product: str) -> None:
    """Builds our program and the clients, and installs corosync if it is missing."""
    if run_group([*release_command(product), "-j", "2"], cwd=ROOT) != 0:
        raise CommandFailed(f"{product} cannot be built")
    missing = [
        name
        for name in PACKAGES
        if "installed" not in run("dpkg-query", "-Wf${db:Status-Status}", name, check=False).stdout.split("-")
    ]
    if missing:
        # Its service must not start here: policy-rc.d says so to the package's scripts.
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *missing]
        if run_group(command, env=environment) != 0:
            raise CommandFailed("corosync cannot be installed")
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, libraries in {"cpg": ["-lcpg"], "spread": []}.items():
        source = Path(__file__).with_name(f"{name}.c")
        options = ["-O2", "-Wall", "-Wextra", "-Werror", "-o", str(FOLDER / name)]
        run("cc", *options, str(source), *libraries)


def _await_mounts(pid: int) -> None:
    """Waits until corosync runs, which is after its mounts are made."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}/comm").read_text().startswith("corosync"):
                return
        time.sleep(0.02)
    raise CommandFailed("corosync did not start")


def _cpu(pid: int) -> float:
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9
