# SPDX-License-Identifier: Apache-2.0
"""A bridge with hosts on it, each in a network namespace, and the faults that can befall it.

Every host has one interface, `eth0`; its end at the bridge, in the namespace of the switch, carries the
host's name.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Callable, Iterable

from . import namespaces
from .process import run

SWITCH = "sw"
INTERFACE = "eth0"
FORWARDING = "3"
DISABLED = "0"


@dataclass(frozen=True)
class Host:
    """A machine on the bridge: its name, its namespace and its own address."""

    name: str
    namespace: str
    address: str
    mac: str

    def command(self, *argv: str) -> list[str]:
        return namespaces.command(self.namespace, *argv)

    def run(self, *argv: str, check: bool = True) -> str:
        """Runs a command on this host to its end and gives what it printed."""
        return run(*self.command(*argv), check=check).stdout


class Network:
    """The switch and its hosts. Faults take effect before a method returns.

    `on_reach(time, host, reachable)` is told when a fault cuts a host off, or a heal brings it back, at the
    time just before the command that does it.
    """

    def __init__(self, identity: str, on_reach: Callable[[int, str, bool], None]) -> None:
        self._identity = identity
        self._on_reach = on_reach
        self.switch = f"{identity}-{SWITCH}"
        self.hosts: dict[str, Host] = {}
        self.without_carrier: set[str] = set()
        self.silenced: set[str] = set()
        self.parts: list[set[str]] = []
        namespaces.add(self.switch)
        self._ip("link set lo up")
        self._ip("link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0")
        self._ip("link set br0 up")

    def attach(self, name: str, address: str, number: int) -> Host:
        """Adds a host with `address` (a prefix such as `10.77.0.1/24`) on its interface."""
        mac = f"02:00:0a:4d:{number >> 8 & 0xFF:02x}:{number & 0xFF:02x}"
        host = Host(name, f"{self._identity}-{name}", address.partition("/")[0], mac)
        namespaces.add(host.namespace)
        run("ip", "-n", host.namespace, "link", "set", "lo", "up")
        return self._connect(host, INTERFACE, address)

    def join(self, other: Host, interface: str, address: str, number: int) -> Host:
        """Connects a host of another network with a second interface: it is on both then."""
        mac = f"02:00:0a:4f:{number >> 8 & 0xFF:02x}:{number & 0xFF:02x}"
        plain = address.partition("/")[0]
        return self._connect(Host(other.name, other.namespace, plain, mac), interface, address)

    def _connect(self, host: Host, interface: str, address: str) -> Host:
        self._ip(
            f"link add {host.name} type veth peer name {interface} address {host.mac} "
            f"netns {host.namespace}"
        )
        self._ip(f"link set {host.name} master br0 addrgenmode none up")
        for action in (
            f"link set {interface} addrgenmode none up",
            f"address add {address} brd + dev {interface}",
        ):
            run("ip", "-n", host.namespace, *action.split())
        self.hosts[host.name] = host
        return host

    def cut_link(self, name: str) -> int:
        """Takes the carrier of a host away and gives the time just before."""
        self.without_carrier.add(name)
        return self._cut(name, lambda: self._ip(f"link set {name} down"))

    def cut_silently(self, name: str) -> int:
        """Lets nothing pass to or from a host, which keeps its carrier; gives the time just before."""
        self.silenced.add(name)
        return self._cut(name, lambda: self._port_state(name, DISABLED))

    def heal(self, name: str) -> int:
        """Undoes both kinds of cut of one host and gives the time just before."""
        before = time.monotonic_ns()
        if name in self.without_carrier:
            self._ip(f"link set {name} up")  # makes the port forward, too
        elif name in self.silenced:
            self._port_state(name, FORWARDING)
        self.without_carrier.discard(name)
        self.silenced.discard(name)
        self._on_reach(before, name, True)
        return before

    def partition(self, *parts: Iterable[str]) -> int:
        """Lets hosts talk only within their part; hosts in no part (the client) talk to all."""
        self.parts = [set(part) for part in parts]
        rules = [
            f"iifname {_set(part)} oifname {_set(other)} drop"
            for part in self.parts
            for other in self.parts
            if part is not other
        ]
        return self._filter(rules)

    def lose(self, percent: int) -> int:
        """Loses this share of all frames between hosts, at random."""
        return self._filter([f"numgen random mod 100 < {percent} drop"])

    def deafen(self, listener: str, speaker: str) -> int:
        """Lets one host no longer hear another, which still hears it."""
        return self._filter([f'iifname "{speaker}" oifname "{listener}" drop'])

    def rejoin(self) -> int:
        """Removes partition, loss and deafness; gives the time just before."""
        self.parts = []
        before = time.monotonic_ns()
        run(*namespaces.command(self.switch, "nft", "flush", "ruleset"))
        return before

    def components(self, names: Iterable[str]) -> list[set[str]]:
        """The given hosts, grouped by who can talk to whom through cuts and partitions."""
        alone = self.without_carrier | self.silenced
        groups: list[set[str]] = []
        rest: set[str] = set()
        for name in sorted(names):
            if name in alone:
                groups.append({name})
            else:
                rest.add(name)
        parts = [part & rest for part in self.parts] or [rest]
        return groups + [part for part in parts if part]

    def _cut(self, name: str, action: Callable[[], None]) -> int:
        before = time.monotonic_ns()
        action()
        self._on_reach(before, name, False)
        return before

    def _filter(self, rules: list[str]) -> int:
        chain = ["type filter hook forward priority 0;"] + rules
        table = "table bridge lab {\nchain forward {\n" + "\n".join(chain) + "\n}\n}\n"
        before = time.monotonic_ns()
        run(*namespaces.command(self.switch, "nft", "-f", "-"), text="flush ruleset\n" + table)
        return before

    def _port_state(self, name: str, state: str) -> None:
        run("bridge", "-n", self.switch, "link", "set", "dev", name, "state", state)

    def _ip(self, action: str) -> None:
        run("ip", "-n", self.switch, *action.split())


def _set(names: set[str]) -> str:
    return "{ " + ", ".join(f'"{name}"' for name in sorted(names)) + " }"
