# SPDX-License-Identifier: Apache-2.0
"""Running daemons, one on the loopback or several in namespaces, with their control sockets."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from contextlib import ExitStack
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from lab import lifetime
from lab.network import Network
from lab.process import SCRIPTS

from wire import Client, until


def free_port() -> int:
    """A port that nobody uses on the loopback by TCP or UDP, so that runs beside each other do not meet."""
    while True:
        with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
            stream.bind(("127.0.0.1", 0))
            port = int(stream.getsockname()[1])
            try:
                datagrams.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


PORT = free_port()


def binary(name: str = "spreadd") -> Path:
    folder = os.environ.get("WACKAMOLE_BINARIES") or SCRIPTS.parent / ".build" / "release"
    return Path(folder) / name


class Daemon:
    """One process, its files below a directory, its clients by unix socket and, on the loopback, TCP."""

    def __init__(self, directory: Path, name: str, segments: str, settings: str, prefix: list[str]) -> None:
        self.directory = directory
        self.name = name
        self.path = str(directory / name)
        self.control = str(directory / f"{name}.control")
        self.tcp = ("127.0.0.1", PORT)
        self._prefix = prefix
        self._segments = segments
        self.process: subprocess.Popen[bytes] | None = None
        self.log = directory / f"{name}.log"
        self._configuration = directory / f"{name}.conf"
        self.configure(settings)

    def configure(self, settings: str, without: str = "") -> None:
        """Writes the configuration, without the daemon of that name."""
        lines = self._segments.splitlines()
        segments = "\n".join(line for line in lines if not without or without not in line.split())
        self._configuration.write_text(
            f"{segments}\nUnixSocket = {self.path}\nControlSocket = {self.control}\n"
            f"StateDir = {self.directory / (self.name + '.state')}\nRuntimeDir = {self.directory}\n"
            f"DaemonUser = root\nDaemonGroup = root\n{settings}\n"
        )

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log)
        until(lambda: self._answers(), 30)

    @property
    def command(self) -> list[str]:
        program = [str(binary()), "-f", "-n", self.name, "-c", str(self._configuration)]
        return [*self._prefix, *program]

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"{self.name} ended:\n{self.log.read_text()}"
        try:
            return self.status()["ring"]["phase"] == "operational"
        except OSError:
            return False

    def ask(self, line: str) -> Any:
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(10)
            control.connect(self.control)
            control.sendall(line.encode() + b"\n")
            answer = b""
            while more := control.recv(1 << 16):
                answer += more
        return json.loads(answer)

    def status(self) -> Any:
        return self.ask("status")

    @property
    def members(self) -> list[str]:
        return list(self.status()["ring"]["members"])

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def memory(self) -> int:
        """The anonymous resident memory, in KiB."""
        assert self.process is not None
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("RssAnon"):
                return int(line.split()[1])
        raise AssertionError("no RssAnon")

    def client(self, name: bytes, membership: bool = True) -> Client:
        return Client(self.path).open(name, membership)

    def reload(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGHUP)

    def end(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(20)


class Alone:
    """One daemon, `dA`, on 127.0.0.1."""

    def __init__(self, settings: str = "") -> None:
        self.identity, directory = lifetime.create()
        segments = f"Spread_Segment 127.0.0.255:{PORT} {{\n dA 127.0.0.1\n}}"
        self.daemon = Daemon(directory, "dA", segments, settings, [])

    def __enter__(self) -> Daemon:
        self.daemon.start()
        return self.daemon

    def __exit__(self, *_: object) -> None:
        if self.daemon.is_running:
            self.daemon.end(signal.SIGKILL)
        lifetime.remove(self.identity)


class Ring:
    """Three daemons in namespaces: `dB`, `dA` and `dC`, in this order of the configuration."""

    NAMES = ("dB", "dA", "dC")

    @classmethod
    def address(cls, name: str) -> int:
        """The address of a daemon as a number."""
        return 0x0A4D0901 + cls.NAMES.index(name)

    def __init__(self, settings: str = "") -> None:
        self.identity, directory = lifetime.create()
        self.network = Network(self.identity, lambda *_: None)
        addresses = {name: str(ip_address(self.address(name))) for name in self.NAMES}
        lines = "\n".join(f" {name} {address}" for name, address in addresses.items())
        segments = f"Spread_Segment 10.77.9.255:{PORT} {{\n{lines}\n}}\nKey = none"
        self.daemons: dict[str, Daemon] = {}
        for number, (name, address) in enumerate(addresses.items(), 1):
            host = self.network.attach(name, f"{address}/24", number)
            prefix = host.command()
            self.daemons[name] = Daemon(directory, name, segments, settings, prefix)

    def __enter__(self) -> Ring:
        with ExitStack() as stack:
            stack.callback(lifetime.remove, self.identity)
            for daemon in self.daemons.values():
                daemon.start()
            self.wait(self.NAMES)
            stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        for daemon in self.daemons.values():
            if daemon.is_running:
                daemon.end(signal.SIGKILL)
        lifetime.remove(self.identity)

    def __getitem__(self, name: str) -> Daemon:
        return self.daemons[name]

    def wait(self, *parts: tuple[str, ...]) -> None:
        """Waits until the daemons of each part form one ring."""
        for part in parts:
            for name in part:
                until(lambda name=name, part=part: self[name].members == list(part), 30)

    def part(self, *parts: tuple[str, ...]) -> None:
        self.network.partition(*parts)
        self.wait(*parts)

    def heal(self) -> None:
        self.network.rejoin()
        self.wait(self.NAMES)
        time.sleep(0.1)
