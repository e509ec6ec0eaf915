# SPDX-License-Identifier: Apache-2.0
"""spread.conf(5): what each statement does to a running daemon, by its effect and not by its parsing."""

from __future__ import annotations

import os
import re
import resource
import signal
import socket
import subprocess
import tempfile
import time
import unittest
from pathlib import Path
from typing import Iterator

from daemons import Daemon, binary, free_port
from lab import lifetime
from wire import NULL, SERVICES, Client, Refused, connect_bytes, until


class ConfiguredTest(unittest.TestCase):
    """Makes daemons of files that the tests write."""

    def setUp(self) -> None:
        self.identity, self.directory = lifetime.create()
        self.addCleanup(lifetime.remove, self.identity)
        self.port = free_port()
        # Where clients find a daemon by default; one that is killed leaves it.
        self.addCleanup(Path(f"/tmp/{self.port}").unlink, missing_ok=True)

    def daemon(self, settings: str, name: str = "dA", segment: str = "dA 127.0.0.1", sockets: bool = True) -> Daemon:
        """A daemon that is not started yet; without `sockets` its unix sockets are where the settings say."""
        daemon = Daemon(self.directory, name, f"Spread_Segment unicast:{self.port} {{ {segment} }}", settings, [])
        if not sockets:
            path = self.directory / f"{name}.conf"
            text = path.read_text().replace(f"UnixSocket = {daemon.path}\n", "")
            path.write_text(text.replace(f"RuntimeDir = {self.directory}\n", ""))
        self.addCleanup(lambda: daemon.end(signal.SIGKILL) if daemon.is_running else None)
        return daemon

    def started(self, settings: str, **options: object) -> Daemon:
        daemon = self.daemon(settings, **options)  # type: ignore[arg-type]
        daemon.start()
        return daemon

    def pair(self, settings: str, other: str | None = None) -> tuple[Daemon, Daemon]:
        """Two daemons of one ring on the loopback, each with a unix socket only."""
        segment = "dA 127.0.0.1\n dB 127.0.0.2\n"
        one = self.started("ClientListen = none\n" + settings, segment=segment)
        two = self.daemon("ClientListen = none\n" + (settings if other is None else other), "dB", segment)
        two.start()
        return one, two

    def check(self, settings: str, status: int = 0) -> str:
        """What the daemon says of a file."""
        daemon = self.daemon(settings)
        done = subprocess.run([*daemon.command, "-t"], capture_output=True, text=True, timeout=20)
        self.assertEqual(done.returncode, status, done.stderr)
        return done.stderr

    def refuses(self, place: tuple[str, int] | str) -> bool:
        """Whether nobody listens there."""
        try:
            Client(place).close()
            return False
        except (ConnectionRefusedError, FileNotFoundError):
            return True


class Log(ConfiguredTest):
    def lines(self, settings: str) -> list[str]:
        path = self.directory / f"spread.{socket.gethostname()}.log"
        daemon = self.started(f"EventLogFile = {self.directory}/spread.%h.log\n{settings}")
        daemon.client(b"client").close()
        until(lambda: daemon.status()["counters"]["closed_ended"] == 1)
        daemon.end()
        lines = path.read_text().splitlines()
        path.unlink()
        return lines

    def test_priority(self) -> None:
        every = self.lines("EventPriority = INFO\nMaxSessions = 10\nMaxSessions = 11")
        self.assertTrue(any("session #client#dA from user" in line for line in every), every)
        few = self.lines("EventPriority = WARNING\nMaxSessions = 10\nMaxSessions = 11")
        self.assertTrue(any("MaxSessions is given again" in line for line in few), few)
        self.assertFalse(any("session #client#dA" in line for line in few), few)
        self.assertEqual(self.lines("EventPriority = CRITICAL\nMaxSessions = 10\nMaxSessions = 11"), [])

    def test_times(self) -> None:
        for settings, pattern in (
            ("EventTimeStamp", r"\d\d/\d\d/\d\d \d\d:\d\d:\d\d [a-z]"),
            ("EventTimeStamp = '<%Y>'", r"<20\d\d> [a-z]"),
            ("EventTimeStamp = '<%Y>'\nEventPreciseTimeStamp", r"<20\d\d>\.\d{6} [a-z]"),
            ("EventPreciseTimeStamp", r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6} [a-z]"),
        ):
            for line in self.lines(settings):
                self.assertIsNotNone(re.match(pattern, line), (settings, line))


    def test_reload(self) -> None:
        log = self.directory / "spread.log"
        settings = f"EventLogFile = {log}\nEventPriority = WARNING\nUnixSocketMode = 0600"
        daemon = self.started(settings)
        path = self.directory / "dA.conf"
        text = path.read_text()
        before = log.read_text()
        # As logrotate does.
        log.rename(self.directory / "spread.log.1")
        path.write_text(text.replace("WARNING", "INFO").replace("0600", "0640") + "\nEventTimeStamp = '<%Y>'\n")
        daemon.reload()
        until(lambda: log.exists() and "were read again" in log.read_text())
        daemon.client(b"client").close()
        until(lambda: "session #client#dA from user" in log.read_text())
        for line in log.read_text().splitlines():
            self.assertIsNotNone(re.match(r"<20\d\d> [a-z]", line), line)
        self.assertEqual((self.directory / "spread.log.1").read_text(), before)
        self.assertEqual(Path(daemon.path).stat().st_mode & 0o777, 0o640)
        # A log that cannot be opened changes nothing, and is told where the log is.
        path.write_text(text.replace(str(log), str(self.directory / "none" / "log")).replace("0600", "0666"))
        daemon.reload()
        until(lambda: "the configuration stays as it was" in log.read_text())
        self.assertIn(f"{self.directory}/none/log", log.read_text())
        self.assertEqual(Path(daemon.path).stat().st_mode & 0o777, 0o640)


    def test_clients_do_not_fill_it(self) -> None:
        log = self.directory / "spread.log"
        daemon = self.started(f"EventLogFile = {log}")
        for _ in range(1_500):
            daemon.client(b"").close()
        until(lambda: daemon.status()["sessions"]["open"] == 0)
        lines = log.read_text().splitlines()
        self.assertGreater(len(lines), 1_900)
        self.assertLess(len(lines), 2_500)
        time.sleep(1.1)
        daemon.client(b"late").close()
        until(lambda: "session #late#dA from user" in log.read_text())
        self.assertRegex(log.read_text(), r"\d+ lines about clients were left out")


class Doors(ConfiguredTest):
    def test_default_places(self) -> None:
        runtime = self.directory / "runtime"
        self.started(f"RuntimeDir = {runtime}\nUnixSocketMode = 0640", sockets=False)
        for path in (runtime / str(self.port), Path(f"/tmp/{self.port}")):
            self.assertEqual(path.stat().st_mode & 0o777, 0o640)
            Client(str(path)).open(b"").close()
        for host in ("127.0.0.1", "127.0.0.9"):
            Client((host, self.port)).open(b"").close()

    @unittest.skipUnless(os.geteuid() == 0, "needs root for a /run of its own")
    def test_usual_control_socket(self) -> None:
        """It does not move with RuntimeDir, so that spreadctl finds it; its directory is made."""
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        daemon = Daemon(folder, "dA", f"Spread_Segment unicast:{self.port} {{ dA 127.0.0.1 }}", "", [])
        path = folder / "dA.conf"
        path.write_text(path.read_text().replace(f"ControlSocket = {daemon.control}\n", ""))
        shell = 'mount -t tmpfs none /run && exec "$@"'
        process = subprocess.Popen(["unshare", "-m", "sh", "-c", shell, "sh", *daemon.command])
        self.addCleanup(process.wait, 20)
        self.addCleanup(process.terminate)
        until(lambda: Path(f"/proc/{process.pid}/root/run/spread/control").is_socket())

    def test_none(self) -> None:
        daemon = self.started("ClientListen = none\nUnixSocket = none", sockets=False)
        for place in (("127.0.0.1", self.port), daemon.path, f"/tmp/{self.port}"):
            self.assertTrue(self.refuses(place), place)

    def test_listeners(self) -> None:
        other = free_port()
        second = self.directory / "second"
        self.started(f"ClientListen = 127.0.0.5\nClientListen = any:{other}\nUnixSocket = {second}")
        for place in (("127.0.0.5", self.port), ("127.0.0.7", other), str(second), str(self.directory / "dA")):
            Client(place).open(b"").close()
        self.assertTrue(self.refuses(("127.0.0.1", self.port)))

    def test_interfaces(self) -> None:
        self.started("", segment="dA 127.0.0.1 { D 127.0.0.1 C 127.0.0.5 C 127.0.0.6 }")
        for host in ("127.0.0.5", "127.0.0.6"):
            Client((host, self.port)).open(b"").close()
        self.assertTrue(self.refuses(("127.0.0.1", self.port)))
        bound = [line.split()[1] for line in Path("/proc/net/udp").read_text().splitlines()]
        self.assertIn(f"0100007F:{self.port:04X}", bound)

    def test_port_reuse(self) -> None:
        for setting, is_possible in (("on", True), ("auto", True), ("off", False)):
            self.port = free_port()
            daemon = self.started(f"SocketPortReuse = {setting}")
            client = Client(("127.0.0.1", self.port)).open(b"client")
            daemon.end()
            # The daemon's side ended first, so that its end of the connection lingers.
            client.rest()
            client.close()
            if is_possible:
                daemon.start()
                daemon.end()
            else:
                with self.assertRaisesRegex(AssertionError, "Address already in use"):
                    daemon.start()


class Limits(ConfiguredTest):
    def test_message_size(self) -> None:
        for setting, limit in (("2K", 2 << 10), ("1M", 1 << 20), ("5000", 5_000)):
            daemon = self.started(f"MaxMessageSize = {setting}\nMaxSessionBytes = 64M")
            with daemon.client(b"client") as client:
                client.cast([client.private], bytes(limit - 32))
                self.assertEqual(len(client.receive().data), limit - 32)
                client.say(SERVICES["agreed"], [client.private], datalen=limit - 31)
                self.assertTrue(client.is_ended())
            daemon.end()

    def test_sessions_per_address(self) -> None:
        daemon = self.started("MaxSessionsPerAddress = 2")

        def connect(source: str) -> Client:
            return self.enterContext(Client(("127.0.0.1", self.port), source))

        for source in ("127.0.0.1", "127.0.0.2"):
            for _ in range(2):
                connect(source).open(b"")
            with self.assertRaises(Refused) as refused:
                connect(source).open(b"")
            self.assertEqual(refused.exception.code, -3)
        self.assertEqual(daemon.status()["sessions"]["open"], 4)

    def test_sessions_leave_files(self) -> None:
        """More sessions than the system allows open files for are refused, and do not take the last file."""
        daemon = self.daemon("MaxSessions = 1000")
        daemon._prefix = ["prlimit", "--nofile=330:330"]
        daemon.start()
        self.assertEqual(daemon.status()["sessions"]["limit"], 10)
        for number in range(10):
            self.enterContext(daemon.client(b"c%d" % number))
        for _ in range(300):
            self.assertEqual(self.enterContext(Client(daemon.path)).code(), -3)
        self.assertIn("MaxSessions = 1000 is 10; raise LimitNOFILE", daemon.log.read_text())
        self.assertNotIn("cannot accept", daemon.log.read_text())
        daemon.reload()
        until(lambda: "read again" in daemon.log.read_text())
        self.assertEqual(daemon.status()["sessions"]["limit"], 10)

    def test_status_of_many_sessions(self) -> None:
        """What an answer holds is limited, so that there is one, and the ring does not wait for it."""
        count = 12_000
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        if limits[1] < count + 500:
            self.skipTest("needs more open files")
        resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, limits)
        daemon = self.started(f"MaxSessions = {count}")
        clients = [self.enterContext(daemon.client(b"", membership=False)) for _ in range(count)]
        sessions = daemon.status()["sessions"]
        self.assertEqual((sessions["open"], len(sessions["list"])), (count, 1_000))
        for client in clients[:1_100]:
            client.join(b"all")
        until(lambda: daemon.ask("groups") == [{"name": "all", "members": 1_100}], 30)
        self.assertEqual(len(daemon.ask("members all")), 1_000)
        command = [str(binary("spreadctl")), "members", "--control", daemon.control, "all"]
        members = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        self.assertEqual(len(members), 1_100, "spreadctl asks for all pages")
        self.assertEqual(members, sorted(set(members)), "each once, in the order of views")
        # A view of so many keeps the daemon from reading clients for a moment, and nothing else wakes it.
        for client in clients[:1_100]:
            client.close()
        until(lambda: daemon.ask("groups") == [], 60)

    def test_idle_connections_are_asked(self) -> None:
        """A client whose machine is gone is known soon: the kernel asks after half a minute, not after two hours."""
        self.started("")
        with Client(("127.0.0.1", self.port)).open(b"idle") as client:
            place = client.socket.getsockname()[1]
            command = ["ss", "-tnoH", f"dport = {place}"]

            def is_asked() -> bool:
                shown = subprocess.run(command, check=True, capture_output=True, text=True, timeout=20)
                return re.search(r"timer:\(keepalive,\d\d?sec,0\)", shown.stdout) is not None

            until(is_asked)

    def test_handshake_time(self) -> None:
        daemon = self.started("HandshakeTimeout = 300ms")
        with Client(daemon.path) as client:
            begin = time.monotonic()
            self.assertTrue(client.is_ended())
            self.assertGreater(time.monotonic() - begin, 0.29)

    def test_methods(self) -> None:
        daemon = self.started('AllowedAuthMethods = "NULL"\nAccessControlPolicy = "PERMIT"')
        with Client(daemon.path) as client:
            client.send(connect_bytes(b"a") + NULL)
            self.assertEqual(client.read(6), b"\x05NULL ")


class Rings(ConfiguredTest):
    def are_one(self, one: Daemon, two: Daemon) -> bool:
        return one.members == two.members == ["dA", "dB"]

    def stay_apart(self, one: Daemon, two: Daemon) -> None:
        time.sleep(1)
        self.assertEqual((one.members, two.members), (["dA"], ["dB"]))

    def test_cluster(self) -> None:
        one, two = self.pair("Cluster = left", "Cluster = right")
        self.stay_apart(one, two)
        two.end()
        two.configure("ClientListen = none\nCluster = left")
        two.start()
        until(lambda: self.are_one(one, two), 30)

    def test_key(self) -> None:
        for name in ("first", "second"):
            subprocess.run([str(binary("spreadctl")), "keygen", str(self.directory / name)], check=True, timeout=20, stdout=subprocess.DEVNULL)
        settings = [f"Key = {self.directory / name}" for name in ("first", "second")]
        one, two = self.pair(*settings)
        self.stay_apart(one, two)
        two.end()
        two.configure("ClientListen = none\n" + settings[0])
        two.start()
        until(lambda: self.are_one(one, two), 30)
        self.assertEqual(one.status()["ring"]["members"], ["dA", "dB"])

    def loss(self, settings: str) -> float:
        """How long it takes that the loss of a daemon is noticed, in seconds."""
        one, two = self.pair(settings)
        until(lambda: self.are_one(one, two), 60)
        begin = time.monotonic()
        two.end(signal.SIGKILL)
        until(lambda: one.members == ["dA"], 30)
        took = time.monotonic() - begin
        one.end()
        return took

    def test_time_outs(self) -> None:
        names = ("Token", "Hurry", "Alive", "Join", "Rep", "Seg", "Gather", "Form", "Lookup")
        values = (3_000, 500, 250, 250, 625, 500, 3_600, 1_250, 1_000)
        spreads = "\n".join(f"{name}Timeout = {value}" for name, value in zip(names, values))
        # A loss is never noticed before the token counts as lost.
        for settings, least in (
            (spreads, 2.5),
            ("TokenLoss = 2s\nConsensus = 2500ms", 1.5),
            ("Profile = wan", 1.5),
            ("Profile = fast", 0.0),
        ):
            self.port = free_port()
            took = self.loss(settings)
            print(f"          {settings.splitlines()[0]:22} a loss is noticed after {took * 1_000:6.0f} ms", flush=True)
            self.assertGreater(took, least)

    def test_windows(self) -> None:
        """Whatever the windows, all is delivered; the ring's window is never above what the file says."""
        for settings, most in (
            ("Window = 6\nPersonalWindow = 1\nAcceleratedWindow = 0", 6),
            ("Window = 40\nPersonalWindow = 3\nAcceleratedRing = no", 40),
            ("Window = 1000\nPersonalWindow = 500\nAcceleratedWindow = 400", 1_000),
        ):
            self.port = free_port()
            one, two = self.pair(settings)
            until(lambda: self.are_one(one, two), 30)
            with one.client(b"a") as a, two.client(b"b") as b:
                a.joined(b"g", 1)
                for number in range(300):
                    b.cast([b"g"], number.to_bytes(2, "big") + bytes(3_000))
                for number in range(300):
                    self.assertEqual(a.receive().data[:2], number.to_bytes(2, "big"))
            self.assertLessEqual(one.status()["ring"]["window"], most)
            for daemon in (one, two):
                daemon.end()

    @unittest.skipUnless(os.geteuid() == 0, "needs root to see packets")
    def test_mtu(self) -> None:
        """Packets of messages are as long as the network carries, and no longer."""
        for settings, least, most in (("MTU = 1280", 1_200, 1_280), ("", 1_400, 1_500), ("MTU = 9000", 8_500, 9_000)):
            self.port = free_port()
            one, two = self.pair(settings)
            until(lambda: self.are_one(one, two), 30)
            with self.wire() as wire, one.client(b"a") as a, two.client(b"b") as b:
                a.joined(b"g", 1)
                b.cast([b"g"], bytes(100_000))
                self.assertEqual(len(a.receive().data), 100_000)
                longest = max(self.lengths(wire))
            self.assertTrue(least <= longest <= most, (settings, longest))
            for daemon in (one, two):
                daemon.end()

    def wire(self) -> socket.socket:
        """Sees all packets on the loopback from now on."""
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        # The kernel cuts what was sent in one call; this tells at which length.
        sol_packet, packet_vnet_hdr = 263, 15
        wire.setsockopt(sol_packet, packet_vnet_hdr, 1)
        wire.bind(("lo", 0x0800))
        wire.setblocking(False)
        return wire

    def lengths(self, wire: socket.socket) -> Iterator[int]:
        """Of the IP packets that were sent between the daemons."""
        while True:
            try:
                frame = wire.recv(1 << 17)
            except BlockingIOError:
                return
            payload, packet = int.from_bytes(frame[4:6], "little"), frame[24:]
            header = (packet[0] & 15) * 4
            if packet[9] == socket.IPPROTO_UDP and int.from_bytes(packet[header + 2 : header + 4], "big") == self.port:
                yield header + 8 + payload if payload else len(packet)

    def test_no_state(self) -> None:
        path = self.directory / "dA.conf"
        daemon = self.daemon("")
        path.write_text(re.sub(r"StateDir = .*", "StateDir = none", path.read_text()))
        daemon.start()
        self.assertIn("no StateDir: ring ids start from the clock", daemon.log.read_text())
        self.assertFalse((self.directory / "dA.state").exists())
        daemon.end()
        kept = self.started("")
        kept.end()
        self.assertTrue((self.directory / "dA.state" / "ring-sequence").exists())


class Lookups(ConfiguredTest):
    @unittest.skipUnless(os.geteuid() == 0, "needs root for an /etc/hosts of its own")
    def test_reload_looks_up_nothing(self) -> None:
        """A look-up may take long, and the ring does not wait for it: SIGHUP keeps what was found at the start."""
        hosts = self.directory / "hosts"
        hosts.write_text("127.0.0.1 here\n127.0.0.2 there\n")
        daemon = self.daemon("", "here", "here")
        daemon._prefix = ["unshare", "-m", "sh", "-c", f'mount --bind {hosts} /etc/hosts && exec "$@"', "sh"]
        daemon.start()
        path = self.directory / "here.conf"
        text = path.read_text()
        path.write_text(f"{text}MaxSessions = 7\n")
        daemon.reload()
        until(lambda: daemon.status()["sessions"]["limit"] == 7)
        path.write_text(text.replace("{ here }", "{\n here\n there\n }"))
        daemon.reload()
        until(lambda: "there has no address" in daemon.log.read_text())
        path.write_text(text.replace("{ here }", "{\n here\n there 127.0.0.2\n }"))
        daemon.reload()
        until(lambda: [each["node"] for each in daemon.status()["ring"]["configured"]] == ["here", "there"])


class Words(ConfiguredTest):
    def places(self, said: str) -> Iterator[str]:
        for line in said.splitlines():
            if match := re.match(r"\S+dA\.conf:(\d+:\d+): (.*)", line):
                yield match[2]

    def test_no_effect_is_said(self) -> None:
        said = list(
            self.places(
                self.check(
                    "DebugFlags = { PRINT !MEMORY }\nLinkProtocol = Hop\nRouteMatrix {\n 0 10\n 10 0\n}\n"
                    "DangerousMonitor = false\nWindow = 50\nWindow = 60"
                )
            )
        )
        for begin in ("DebugFlags has no effect", "LinkProtocol has no effect", "RouteMatrix has no effect"):
            self.assertEqual(sum(text.startswith(begin) for text in said), 1, said)
        self.assertTrue(any(text.startswith("Window is given again") for text in said))

    def test_refusals(self) -> None:
        for settings, reason in (
            ("DangerousMonitor = true", "DangerousMonitor is not possible"),
            ("DebugInitialSequence", "DebugInitialSequence is not possible"),
            ("AccessControlPolicy = STRICT", "unknown access control policy"),
            ("Windwo = 5", "unknown statement"),
            ("TokenTimeout = 100", "all nine are given, or none"),
        ):
            said = list(self.places(self.check(settings, status=2)))
            self.assertTrue(any(reason in text for text in said), said)

    def test_unreadable_files(self) -> None:
        rules = self.directory / "rules"
        rules.write_text("local\n10.0.0.0/99\n")
        for settings, reason in (
            ("Key = /nonexistent/key", "/nonexistent/key"),
            ('AllowedAuthMethods = "IP"\nAccessFile = /nonexistent/rules', "cannot read who may connect"),
            (f'AllowedAuthMethods = "IP"\nAccessFile = {rules}', "rules:2:1: .* is not a rule"),
        ):
            daemon = self.daemon(settings)
            with self.assertRaisesRegex(AssertionError, reason):
                daemon.start()
            # Nothing of that heals by itself, and none is a good configuration.
            assert daemon.process is not None
            self.assertEqual(daemon.process.returncode, 2)
            self.assertRegex(self.check(settings, status=2), reason)
        with self.assertRaisesRegex(AssertionError, "/nonexistent/log"):
            self.daemon("EventLogFile = /nonexistent/log").start()

    @unittest.skipUnless(os.geteuid() == 0, "needs root to become somebody else")
    def test_unknown_identities(self) -> None:
        for settings, reason in (
            ("DaemonUser = nobody-of-that-name", "no user nobody-of-that-name"),
            ("DaemonUser = nobody\nDaemonGroup = none-of-that-name", "no group none-of-that-name"),
        ):
            self.assertIn(reason, self.check(settings, status=2))
