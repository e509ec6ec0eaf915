# SPDX-License-Identifier: Apache-2.0
"""spreadd as a process: privileges, signals, files, who may connect."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import unittest
from pathlib import Path

from covering import covers
from daemons import Alone, Ring, binary
from support import AloneTest
from wire import NULL, Client, connect_bytes, until


class Signals(AloneTest):
    SETTINGS = "MaxSessions = 1"

    def test_reload(self) -> None:
        first = self.client(b"first")
        self.assertEqual(self.raw().code(), -3)
        self.daemon.configure("MaxSessions = 2")
        self.daemon.reload()
        until(lambda: self.daemon.status()["sessions"]["limit"] == 2)
        second = self.client(b"second")
        first.joined(b"g", 1)
        # Whoever is let in only now is a client like any other.
        second.joined(b"g", 2)
        first.receive()
        # A file with a mistake changes nothing.
        self.daemon.configure("MaxSessions = many")
        self.daemon.reload()
        until(lambda: "stays as it was" in self.daemon.log.read_text())
        self.assertEqual(self.raw().code(), -3)
        first.cast([b"g"], b"still here")
        for client in (first, second):
            self.assertEqual(client.receive().data, b"still here")


class Changes(AloneTest):
    def test_what_takes_a_restart(self) -> None:
        """It is named each time that the file is read, until it is taken back."""

        def said(settings: str) -> str:
            before = len(self.daemon.log.read_text())
            self.daemon.configure(settings)
            self.daemon.reload()
            until(lambda: "read again" in self.daemon.log.read_text()[before:])
            self.daemon.status()
            return self.daemon.log.read_text()[before:]

        other = f"UnixSocket = {self.daemon.path}.2"
        for settings in (other, f"{other}\nMaxSessions = 9"):
            self.assertIn("at a restart only: listeners", said(settings))
        self.assertNotIn("restart", said(""))

    def test_what_has_no_effect(self) -> None:
        self.daemon.configure("LinkProtocol = Hop")
        self.daemon.reload()
        until(lambda: "LinkProtocol has no effect" in self.daemon.log.read_text())


@unittest.skipUnless(os.geteuid() == 0, "needs root for network namespaces")
class Members(unittest.TestCase):
    def test_a_daemon_is_added_while_the_others_run(self) -> None:
        ring = Ring()
        self.addCleanup(ring.__exit__, None, None, None)
        old, new = (ring["dB"], ring["dA"]), ring["dC"]
        for daemon in old:
            daemon.configure("", without="dC")
            daemon.start()
        ring.wait(("dB", "dA"))
        first = self.enterContext(old[0].client(b"first"))
        first.joined(b"g", 1)
        for daemon in old:
            daemon.configure("TokenLoss = 280ms")
            daemon.reload()
            until(lambda: "taken on" in daemon.log.read_text())
            ring.wait(("dB", "dA"))
        new.configure("TokenLoss = 280ms")
        new.start()
        ring.wait(Ring.NAMES)
        # Nobody was disconnected, and all are in one order.
        self.enterContext(new.client(b"late", membership=False)).cast([b"g"], b"hello")
        until(lambda: first.receive().data == b"hello")
        # Who is in the ring is not taken off.
        old[0].configure("TokenLoss = 280ms", without="dC")
        old[0].reload()
        until(lambda: "stays as it was: it does not have {dC}" in old[0].log.read_text())
        ring.wait(Ring.NAMES)


class Ending(unittest.TestCase):
    def test_graceful(self) -> None:
        with Alone() as daemon:
            client = daemon.client(b"client")
            self.assertEqual(daemon.end(signal.SIGTERM), 0)
            self.assertTrue(client.is_ended())
            self.assertFalse(Path(daemon.path).exists())
            self.assertFalse(Path(daemon.control).exists())

    def test_background(self) -> None:
        """It has its name, is no burden to the directory it was started in, and reads its file again."""
        with Alone() as daemon:
            log = daemon.directory / "own.log"
            daemon.end()
            daemon.configure(f"EventLogFile = {log}")
            command = [word for word in daemon.command if word != "-f"]
            file = Path(command[-1])
            subprocess.run([*command[:-1], file.name], cwd=file.parent, check=True, timeout=20)
            number = int((daemon.directory / "dA.state" / "lock").read_text())
            try:
                process = Path(f"/proc/{number}")
                self.assertEqual((process / "comm").read_text(), "spreadd\n")
                self.assertEqual(os.readlink(process / "cwd"), "/")
                os.kill(number, signal.SIGHUP)
                until(lambda: "SIGHUP: members" in log.read_text())
            finally:
                os.kill(number, signal.SIGTERM)
            until(lambda: not Path(daemon.path).exists())

    def test_sockets_that_are_others_by_now(self) -> None:
        """The permissions of what is no socket are not changed."""
        with Alone("UnixSocketMode = 0600") as daemon:
            os.unlink(daemon.path)
            file = daemon.directory / "file"
            file.touch(0o600)
            os.symlink(file, daemon.path)
            daemon.configure("UnixSocketMode = 0666")
            daemon.reload()
            until(lambda: "keeps its permissions" in daemon.log.read_text())
            self.assertEqual(file.stat().st_mode & 0o777, 0o600)

    def test_kill_and_return(self) -> None:
        with Alone() as daemon:
            client = Client(daemon.tcp).open(b"client")
            daemon.end(signal.SIGKILL)
            self.assertTrue(client.is_ended())
            # Neither the files it left nor old connections are in the way.
            daemon.start()
            daemon.client(b"client").joined(b"g", 1)

    def test_second_daemon(self) -> None:
        with Alone() as daemon:
            again = subprocess.run(daemon.command, capture_output=True, text=True, timeout=20)
            self.assertEqual(again.returncode, 1)
            self.assertIn("is running with the state directory", again.stderr)
            daemon.client(b"client")


@unittest.skipUnless(os.geteuid() == 0, "needs root to give it up")
class Privileges(unittest.TestCase):
    SETTINGS = "DaemonUser = nobody\nDaemonGroup = nogroup"
    NOBODY = pwd.getpwnam("nobody")

    def alone(self) -> Alone:
        """A daemon that is not started yet, in a directory that everybody may look into."""
        alone = Alone(self.SETTINGS)
        alone.daemon.directory.chmod(0o755)
        return alone

    def key(self, path: Path, *options: str) -> None:
        command = [str(binary("spreadctl")), "keygen", *options, str(path)]
        subprocess.run(command, check=True, timeout=20, stdout=subprocess.DEVNULL)

    def test_given_up(self) -> None:
        with self.alone() as daemon:
            assert daemon.process is not None
            status = Path(f"/proc/{daemon.process.pid}/status").read_text()
            fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
            self.assertEqual(set(fields["Uid"].split()), {str(self.NOBODY.pw_uid)})
            self.assertEqual(set(fields["Gid"].split()), {str(self.NOBODY.pw_gid)})
            self.assertEqual(fields["Groups"].split(), [])
            self.assertEqual(int(fields["CapEff"], 16), 0)
            self.assertEqual(Path(daemon.path).stat().st_mode & 0o777, 0o666)
            self.assertEqual(Path(daemon.control).stat().st_mode & 0o777, 0o600)
            daemon.client(b"client").joined(b"g", 1)

    def test_unknown_user(self) -> None:
        with self.assertRaisesRegex(AssertionError, "no user nobody-of-that-name"):
            with Alone("DaemonUser = nobody-of-that-name"):
                pass

    def test_reload(self) -> None:
        """What SIGHUP reads and opens again is the daemon's, also after its key was exchanged by root."""
        alone = self.alone()
        directory = alone.daemon.directory
        key, log = directory / "key", directory / "spread.log"
        self.key(key)
        os.chown(key, self.NOBODY.pw_uid, self.NOBODY.pw_gid)
        settings = f"{self.SETTINGS}\nKey = {key}\nEventLogFile = {log}"
        alone.daemon.configure(settings)
        with alone as daemon:
            self.assertNotIn("SIGHUP will be refused", log.read_text())
            self.key(key, "--add")
            self.assertEqual((key.stat().st_uid, key.stat().st_mode & 0o777), (self.NOBODY.pw_uid, 0o600))
            daemon.configure(f"{settings}\nMaxSessions = 7")
            daemon.reload()
            until(lambda: daemon.status()["sessions"]["limit"] == 7)
            self.assertIn("were read again", log.read_text())

    def test_unreadable(self) -> None:
        """Where the key stays root's, the daemon says at once what becomes of that."""
        alone = self.alone()
        key = alone.daemon.directory / "key"
        self.key(key)
        alone.daemon.configure(f"{self.SETTINGS}\nKey = {key}")
        with alone as daemon:
            self.assertIn(f"{key} cannot be read by the user that the daemon runs as", daemon.log.read_text())
            daemon.reload()
            until(lambda: "stays as it was" in daemon.log.read_text())
            self.assertIn("it must belong to the user that the daemon runs as", daemon.log.read_text())

    def test_directories_of_others(self) -> None:
        """A runtime directory that was there is not taken away from others."""
        alone = self.alone()
        shared = alone.daemon.directory / "shared"
        shared.mkdir()
        shared.chmod(0o1777)
        alone.daemon.configure(f"{self.SETTINGS}\nRuntimeDir = {shared}\nUnixSocket = {shared}/socket")
        with alone as daemon:
            self.assertEqual((shared.stat().st_uid, shared.stat().st_mode & 0o7777), (0, 0o1777))
            Client(f"{shared}/socket").open(b"client").close()
            self.assertEqual(daemon.end(), 0)
            self.assertEqual(list(shared.iterdir()), [])

    def test_own_directory(self) -> None:
        alone = self.alone()
        own = alone.daemon.directory / "own"
        alone.daemon.configure(f"{self.SETTINGS}\nRuntimeDir = {own}\nUnixSocket = {own}/socket")
        with alone as daemon:
            self.assertEqual((own.stat().st_uid, own.stat().st_mode & 0o7777), (self.NOBODY.pw_uid, 0o755))
            self.assertEqual(daemon.end(), 0)
            self.assertEqual(list(own.iterdir()), [])


class Access(unittest.TestCase):
    @covers("2.3g", "2.3h")
    def test_old_clients(self) -> None:
        """Clients before 3.16 choose no method: NULL must be enabled, or the address be admitted."""
        for methods, rules, codes in (
            ("NULL", "", {"unix": 1, "tcp": 1}),
            ("NULL IP", "local", {"unix": -9, "tcp": 1}),
            ("IP", "unix", {"unix": 1, "tcp": -9}),
        ):
            alone = Alone()
            access = alone.daemon.directory / "access"
            access.write_text(rules + "\n")
            alone.daemon.configure(f'AllowedAuthMethods = "{methods}"\nAccessFile = {access}')
            with self.subTest(methods=methods), alone as daemon:
                for transport, place in (("unix", daemon.path), ("tcp", daemon.tcp)):
                    for version in ((3, 14), (3, 15, 0)):
                        with Client(place) as client:
                            client.send(connect_bytes(b"%s%d" % (transport.encode(), version[1]), version=version))
                            first = int.from_bytes(client.read(1), "big", signed=True)
                            self.assertEqual(first, codes[transport], (transport, version))

    @covers("2.3i")
    def test_method_ip(self) -> None:
        settings = 'AllowedAuthMethods = "NULL IP"\nRequiredAuthMethods = "IP"\nAccessFile = %s'
        alone = Alone()
        rules = alone.daemon.directory / "access"
        rules.write_text("local\n")
        alone.daemon.configure(settings % rules)
        with alone as daemon:
            with Client(daemon.tcp) as client:
                client.send(connect_bytes(b"tcp"))
                self.assertEqual(client.read(9), b"\x08NULL IP ")
                client.send(b"IP".ljust(90, b"\0"))
                client.accepted()
            with Client(daemon.path) as client:
                client.send(connect_bytes(b"unix") + NULL)
                client.read(9)
                self.assertEqual(client.code(), -9)
            # The first of two methods succeeds, the second does not.
            with Client(daemon.path) as client:
                client.send(connect_bytes(b"both") + b"".join(m.ljust(30, b"\0") for m in (b"NULL", b"IP", b"")))
                client.read(9)
                self.assertEqual(client.code(), -9)
            rules.write_text("unix\n")
            daemon.reload()
            until(lambda: "read again" in daemon.log.read_text())
            with Client(daemon.path) as client:
                client.send(connect_bytes(b"unix") + NULL)
                client.read(9)
                client.accepted()
