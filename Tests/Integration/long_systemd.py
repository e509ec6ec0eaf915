# SPDX-License-Identifier: Apache-2.0
"""Three machines with a real systemd, installed by scripts/install: what its commands do to the service.

Each is a container booted by systemd-nspawn over an overlay of this machine's root file system.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
import unittest
from pathlib import Path
from typing import Any, Iterator

from lab import lifetime
from lab.build import ROOT
from lab.cluster import BINARIES
from lab.network import Network
from lab.process import run

PLACE = Path(os.environ.get("WACKAMOLE_BINARIES", BINARIES))
NAMES = {f"web{number}": f"10.77.0.{number}" for number in (1, 2, 3)}
VIPS = [f"10.77.0.{number}" for number in (101, 102, 103)]
LEASE = 3


class Machine:
    """A container, its init's process and its root."""

    def __init__(self, name: str, namespace: str, place: Path) -> None:
        self.name = name
        self.place = place
        self.root = place / "root"
        place.mkdir()
        run("mount", "-t", "tmpfs", "-o", "size=256m", "tmpfs", str(place))
        for part in ("up", "work", "root"):
            (place / part).mkdir()
        layers = f"lowerdir=/,upperdir={place}/up,workdir={place}/work"
        run("mount", "-t", "overlay", "overlay", "-o", layers, str(self.root))
        self._prepare()
        self._namespace = namespace
        self._process: subprocess.Popen[bytes] | None = None

    def boot(self) -> None:
        namespace = self._namespace
        argv = ["systemd-nspawn", "-q", "-D", str(self.root), "--register=no", "--keep-unit"]
        argv += [f"--network-namespace-path=/run/netns/{namespace}", f"--machine={namespace}"]
        # As on a machine of its own; for a network that it was given a container has less.
        argv += ["--capability=CAP_NET_ADMIN,CAP_NET_RAW,CAP_SYS_NICE,CAP_IPC_LOCK"]
        with (self.place / "console").open("wb") as console:
            self._process = subprocess.Popen(
                [*argv, "-b"], stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT
            )
        self._init = self._find_init()
        self.wait(self._has_booted, 60)

    def _has_booted(self) -> bool:
        # While it sets up, systemd-nspawn has other children.
        self._init = self._find_init()
        said = self.run("systemctl", "is-system-running", check=False).strip()
        return said in ("running", "degraded")

    def _prepare(self) -> None:
        etc = self.root / "etc"
        (etc / "machine-id").write_text("")
        (etc / "hostname").write_text(self.name + "\n")
        for folder in (etc / "systemd/system").glob("*.wants"):
            shutil.rmtree(folder)
        peers = " ".join(f"{name}:{address}" for name, address in NAMES.items())
        vips = " ".join(f"eth0:{vip}/32" for vip in VIPS)
        (etc / "wackamole").mkdir(exist_ok=True)
        (etc / "wackamole/wackamole.conf").write_text(
            f"Engine {{ Peers {{ {peers} }} Key = /etc/wackamole/ring.key }}\n"
            f"Mature = 1s\nLease = {LEASE}s\nVirtualInterfaces {{ {vips} }}\n"
        )
        (etc / "default").mkdir(exist_ok=True)
        (etc / "default/wackamole").write_text(f"WACKAMOLE_NODE={self.name}\n")

    def _find_init(self) -> int:
        assert self._process is not None
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            children = run("ps", "-o", "pid=", "--ppid", str(self._process.pid), check=False).stdout.split()
            if children:
                return int(children[0])
            time.sleep(0.1)
        raise AssertionError(f"{self.name} did not boot: " + (self.place / "console").read_text())

    def run(self, *argv: str, check: bool = True) -> str:
        return run("nsenter", "-t", str(self._init), "-a", *argv, check=check).stdout

    def wait(self, done: Any, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not done():
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.name}: not within {seconds} s\n{self.journal()}")
            time.sleep(0.1)

    def journal(self) -> str:
        return self.run("journalctl", "--no-pager", "-n", "60", "-u", "wackamole", check=False)

    def status(self) -> dict[str, Any] | None:
        said = self.run("wackamole", "-s", "--json", "--node", self.name, check=False)
        return dict(json.loads(said)) if said else None

    def held(self) -> set[str]:
        shown = self.run("ip", "-o", "address", "show", "dev", "eth0", check=False)
        return {vip for vip in VIPS if f" {vip}/" in shown}

    @property
    def is_up(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def power_off(self) -> None:
        if self.is_up and self._process is not None:
            self.run("systemctl", "poweroff", check=False)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(20)

    def close(self) -> None:
        self.power_off()
        if self.is_up and self._process is not None:
            for process in (self._init, self._process.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            self._process.wait(10)
        for mounted in (self.root, self.place):
            run("umount", "--lazy", str(mounted), check=False)


@unittest.skipUnless(os.geteuid() == 0, "needs root")
@unittest.skipUnless(shutil.which("systemd-nspawn"), "needs systemd-nspawn (package systemd-container)")
class Service(unittest.TestCase):
    def setUp(self) -> None:
        identity, self.directory = lifetime.create()
        self.addCleanup(lifetime.remove, identity)
        network = Network(identity, lambda *_: None)
        self.machines: dict[str, Machine] = {}
        key = self.directory / "ring.key"
        run(str(PLACE / "spreadctl"), "keygen", str(key))
        for number, (name, address) in enumerate(NAMES.items(), start=1):
            host = network.attach(name, f"{address}/24", number)
            machine = Machine(name, host.namespace, self.directory / name)
            self.addCleanup(machine.close)
            machine.boot()
            self.machines[name] = machine
            # Installed from outside, so that nothing is needed inside but the programs.
            environment = dict(os.environ, DESTDIR=str(machine.root))
            subprocess.run(
                [str(ROOT / "scripts/install"), "--prefix", "/usr", "--binaries", str(PLACE)],
                check=True, env=environment, stdout=subprocess.DEVNULL,
            )
            shutil.copy(key, machine.root / "etc/wackamole/ring.key")
            (machine.root / "etc/wackamole/ring.key").chmod(0o600)
            machine.run("systemctl", "daemon-reload")

    def start(self, *names: str) -> None:
        for name in names or self.machines:
            self.machines[name].run("systemctl", "start", "wackamole")

    def settle(self, what: str, *names: str) -> None:
        """Waits until the named machines, all without a name, hold each address once and say so."""
        names = names or tuple(self.machines)

        def problems() -> Iterator[str]:
            for vip in VIPS:
                held = [name for name, m in self.machines.items() if m.is_up and vip in m.held()]
                if len(held) != 1 or held[0] not in names:
                    yield f"{vip} is held by {held}"
            for name in names:
                # There is no view where no daemon runs, and null outside the group.
                view = (self.machines[name].status() or {}).get("view") or {}
                if sorted(view.get("members", [])) != sorted(names):
                    yield f"{name} does not see {names}: {view}"

        deadline = time.monotonic() + 30
        while found := list(problems()):
            if time.monotonic() > deadline:
                told = "\n".join(f"--- {name}\n{m.journal()}" for name, m in self.machines.items() if m.is_up)
                self.fail(f"{what}: {found}\n{told}")
            time.sleep(0.2)

    def owner(self) -> Machine:
        return next(m for m in self.machines.values() if VIPS[0] in m.held())

    def others(self, machine: Machine) -> list[str]:
        return [name for name in self.machines if name != machine.name]

    def test_what_systemd_does_to_the_service(self) -> None:
        self.start()
        self.settle("after the start")

        with self.subTest("stop and start"):
            machine = self.owner()
            machine.run("systemctl", "stop", "wackamole")
            self.assertEqual(machine.held(), set())
            self.settle("after the stop", *self.others(machine))
            self.assertIn("Deactivated successfully", machine.journal())
            self.start(machine.name)
            self.settle("started again")

        with self.subTest("reload moves nothing"):
            before = {name: m.held() for name, m in self.machines.items()}
            for machine in self.machines.values():
                machine.run("systemctl", "reload", "wackamole")
            time.sleep(1)
            self.assertEqual({name: m.held() for name, m in self.machines.items()}, before)
            self.assertIn("keys are read again", machine.journal())

        with self.subTest("restart"):
            machine = self.owner()
            machine.run("systemctl", "restart", "wackamole")
            self.settle("after the restart")

        with self.subTest("kill of the main process: the guardian"):
            machine = self.owner()
            machine.run("systemctl", "kill", "--kill-whom=main", "-s", "KILL", "wackamole")
            machine.wait(lambda: "wackamole has died" in machine.journal(), 10)
            self.settle("after systemd started it again")

        with self.subTest("kill of all processes: the lease, or the next run"):
            machine = self.owner()
            # Held back from starting again, so that nothing but the lease can end the addresses.
            drop = machine.root / "run/systemd/system/wackamole.service.d"
            machine.run("mkdir", "-p", "/run/systemd/system/wackamole.service.d")
            machine.run(
                "sh", "-c", "printf '[Service]\\nRestart=no\\n' >/run/systemd/system/wackamole.service.d/no.conf"
            )
            self.assertTrue(drop.parent.parent.exists())
            machine.run("systemctl", "daemon-reload")
            # Whoever of the two is killed first: what the guardian cannot do any more, the lease does. (It may
            # complain that the second was gone already.)
            machine.run("systemctl", "kill", "--kill-whom=all", "-s", "KILL", "wackamole", check=False)
            killed = time.monotonic()
            machine.wait(lambda: not machine.held(), LEASE + 5)
            self.assertLess(time.monotonic() - killed, LEASE + 1.1 + 0.5)
            self.settle("without it", *self.others(machine))
            machine.run("systemctl", "reset-failed", "wackamole")
            self.start(machine.name)
            self.settle("started again")

        with self.subTest("the watchdog"):
            machine = self.owner()
            machine.run("systemctl", "kill", "--kill-whom=main", "-s", "STOP", "wackamole")
            machine.wait(lambda: not machine.held(), LEASE + 5)
            machine.wait(lambda: "watchdog" in machine.journal().lower(), 25)

        with self.subTest("power off"):
            machine = next(m for m in self.machines.values() if VIPS[0] in m.held())
            machine.power_off()
            self.assertFalse(machine.is_up)
            left = [name for name, m in self.machines.items() if m.is_up]
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline:
                if all(sum(vip in self.machines[n].held() for n in left) == 1 for vip in VIPS):
                    break
                time.sleep(0.2)
            else:
                self.fail("not covered after the power-off")

    def test_spreadd_as_a_service(self) -> None:
        lines = "".join(f" {name} {address}\n" for name, address in NAMES.items())
        for machine in self.machines.values():
            machine.run("systemd-sysusers", "/usr/lib/sysusers.d/spread.conf")
            machine.run("install", "-d", "-m", "700", "-o", "spread", "/etc/spread")
            key = "/etc/spread/ring.key"
            machine.run("install", "-m", "600", "-o", "spread", "/etc/wackamole/ring.key", key)
            text = f"Spread_Segment unicast:4803 {{\n{lines}}}\nKey = {key}\n"
            (machine.root / "etc/spread.conf").write_text(text)
            machine.run("systemctl", "start", "spreadd")
        first = self.machines["web1"]

        def is_whole() -> bool:
            said = first.run("spreadctl", "status", "--json", check=False)
            return bool(said) and json.loads(said)["ring"]["members"] == list(NAMES)

        def pid() -> str:
            return first.run("systemctl", "show", "-P", "MainPID", "spreadd").strip()

        first.wait(is_whole)
        self.assertEqual(first.run("ps", "-o", "user=", "-p", pid()).strip(), "spread")

        with self.subTest("clients, by both sockets and from elsewhere"):
            for place in ("4803", "/tmp/4803", "/run/spread/4803", "4803@10.77.0.2"):
                first.run("sh", "-c", f"echo hello | spreadctl send --wait -s {place} group")

        with self.subTest("reload"):
            before = pid()
            first.run("systemctl", "reload", "spreadd")
            first.wait(lambda: "SIGHUP" in first.run("journalctl", "--no-pager", "-u", "spreadd"))
            self.assertEqual(pid(), before)

        with self.subTest("killed, it is started again"):
            before = pid()
            first.run("systemctl", "kill", "--kill-whom=main", "-s", "KILL", "spreadd")
            first.wait(lambda: pid() not in (before, "0"))
            first.wait(is_whole)

        with self.subTest("the watchdog"):
            before = pid()
            first.run("systemctl", "kill", "--kill-whom=main", "-s", "STOP", "spreadd")
            first.wait(lambda: pid() not in (before, "0"), 60)
            first.wait(is_whole)

        with self.subTest("stop"):
            first.run("systemctl", "stop", "spreadd")
            for path in ("tmp/4803", "run/spread/4803"):
                self.assertFalse(first.run("sh", "-c", f"test -e /{path} && echo there", check=False))
            status = json.loads(self.machines["web2"].run("spreadctl", "status", "--json", check=False))
            self.assertEqual(status["ring"]["members"], ["web2", "web3"])

        with self.subTest("a bad configuration is not tried again"):
            (first.root / "etc/spread.conf").write_text("Windwo = 5\n")
            first.run("systemctl", "start", "spreadd", check=False)
            self.assertIn("code=exited, status=2", first.run("systemctl", "status", "spreadd", check=False))
