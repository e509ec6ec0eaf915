# SPDX-License-Identifier: Apache-2.0
"""The wackamole.conf of a lab node, and the spread.conf of its Spread daemon where it has one."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from .network import INTERFACE

PORT = 4813
SPREAD_PORT = 4803


@dataclass(frozen=True)
class Settings:
    """What all nodes of a cluster share. A virtual interface is the list of its addresses."""

    peers: dict[str, str]
    virtual_interfaces: list[list[str]]
    profile: str = "lan"
    mature: str = "1s"
    balance: str = "3s"
    group: str = "wack1"
    key: str = "none"
    multicast: str = "none"
    payload_key: str = "none"
    """On Spread daemons, the key of the group's messages; `key` is that of the daemons."""
    backend: str = "embedded"
    """`embedded`, or `spread` for a Spread daemon on each node."""
    statements: list[str] = field(default_factory=list)
    interfaces: dict[str, str] = field(default_factory=dict)
    """Where an address belongs that does not belong on the first interface."""

    @property
    def addresses(self) -> list[str]:
        """Every managed address with its prefix length, such as `10.77.0.101/32`."""
        return [address for group in self.virtual_interfaces for address in group]


def _bracketed(address: str) -> str:
    plain, slash, length = address.partition("/")
    return f"[{plain}]{slash}{length}" if ":" in plain else address


def text(settings: Settings, node: str, directory: Path) -> str:
    """The configuration of one node, with its control socket and state below `directory`."""
    groups = [
        [f"{settings.interfaces.get(address, INTERFACE)}:{_bracketed(address)}" for address in group]
        for group in settings.virtual_interfaces
    ]
    interfaces = [
        group[0] if len(group) == 1 else "{ " + " ".join(group) + " }" for group in groups
    ]
    backend = _session(settings, directory) if settings.backend == "spread" else _engine(settings, node, directory)
    lines = [
        *backend,
        f"Group = {settings.group}",
        f"Control = {directory / 'control'}",
        f"Mature = {settings.mature}",
        f"Balance {{ Interval = {settings.balance} AcquisitionsPerRound = all }}",
        *(line.replace("DIRECTORY", str(directory)) for line in settings.statements),
        "VirtualInterfaces {",
        *(f"    {interface}" for interface in interfaces),
        "}",
    ]
    return "\n".join(lines) + "\n"


def _engine(settings: Settings, node: str, directory: Path) -> list[str]:
    peers = " ".join(f"{name}:{address}" for name, address in settings.peers.items())
    return [
        "Spread = embedded",
        "Engine {",
        f"    Node = {node}",
        f"    Peers {{ {peers} }}",
        f"    Port = {PORT}",
        f"    Key = {settings.key}",
        f"    Multicast = {settings.multicast}",
        f"    Profile = {settings.profile}",
        f"    State = {directory / 'state'}",
        "}",
    ]


def _session(settings: Settings, directory: Path) -> list[str]:
    key = [] if settings.payload_key == "none" else [f"Engine {{ Key = {settings.payload_key} }}"]
    return [
        *key,
        f"Spread = {directory / 'spread'}",
        "SpreadRetryInterval = 100ms",
        f"StateDirectory = {directory / 'state'}",
    ]


def spread(settings: Settings, directory: Path) -> str:
    """The spread.conf of one node, with its sockets and state below `directory`."""
    lines = [
        f"Spread_Segment 10.77.0.255:{SPREAD_PORT} {{",
        *(f"    {name} {address}" for name, address in settings.peers.items()),
        "}",
        f"Key = {settings.key}",
        f"Profile = {settings.profile}",
        f"UnixSocket = {directory / 'spread'}",
        f"ControlSocket = {directory / 'spread-control'}",
        f"StateDir = {directory / 'spread-state'}",
        f"RuntimeDir = {directory}",
        "DaemonUser = root",
        "DaemonGroup = root",
    ]
    return "\n".join(lines) + "\n"
