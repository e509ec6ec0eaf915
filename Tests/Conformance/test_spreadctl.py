# SPDX-License-Identifier: Apache-2.0
"""spreadctl as its user meets it: what it prints, how it ends, what it says of mistakes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

from daemons import Daemon, binary, free_port
from support import AloneTest
from wire import JOIN, NULL, message, until


class Spreadctl(AloneTest):
    def start(self, *words: str, **options: Any) -> subprocess.Popen[str]:
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen([str(binary("spreadctl")), *words], text=True, **(streams | options))
        self.addCleanup(process.kill)
        return process

    def end(self, process: subprocess.Popen[str], text: str | None = None) -> tuple[int, str, str]:
        output, errors = process.communicate(text, timeout=30)
        return process.returncode, output or "", errors or ""

    def run_(self, *words: str, text: str = "") -> tuple[int, str, str]:
        return self.end(self.start(*words, stdin=subprocess.PIPE), text)

    def client_(self, *words: str, **options: Any) -> subprocess.Popen[str]:
        return self.start(*words, "-s", self.daemon.path, **options)

    def members(self, group: str) -> list[str]:
        return list(self.daemon.ask(f"members {group}"))

    def test_what_is_said_is_heard(self) -> None:
        text = self.client_("join", "-n", "text", "talk")
        until(lambda: len(self.members("talk")) == 1)
        raw = self.client_("join", "--raw", "--count", "4", "talk")
        lines = self.client_("join", "--json", "--count", "4", "talk")
        until(lambda: len(self.members("talk")) == 3)
        self.assertEqual(self.end(self.client_("send", "-n", "me", "talk", stdin=subprocess.PIPE), "one")[0], 0)
        code, output, _ = self.end(self.client_("log", "--json", "talk", stdin=subprocess.PIPE), "two\n\nfour")
        self.assertEqual((code, json.loads(output)), (0, {"lines": 3, "bytes": 7}))
        self.assertEqual(self.end(raw), (0, "one\ntwo\n\nfour\n", ""))
        code, output, _ = self.end(lines)
        said = [event["text"] for event in map(json.loads, output.splitlines()) if event["event"] == "message"]
        self.assertEqual((code, said), (0, ["one", "two", "", "four"]))
        text.send_signal(signal.SIGINT)
        code, output, _ = self.end(text)
        self.assertEqual(code, 0)
        self.assertIn("* talk: #text#dA joined; members: #text#dA\n", output)
        self.assertIn("\n#me#dA -> talk (agreed): one\n", output)

    def test_names_that_would_upset_a_terminal(self) -> None:
        """A sender may name anything among its destinations; what is printed stays one harmless line."""
        text = self.client_("join", "-n", "text", "--count", "1", "odd")
        until(lambda: len(self.members("odd")) == 1)
        with self.client(b"sender", membership=False) as sender:
            sender.cast([b"odd", b"\x1b[31mred\n#boss#dA"], b"\x07")
            code, output, _ = self.end(text)
        self.assertEqual((code, output.splitlines()[-1]), (0, r"#sender#dA -> odd \u{1b}[31mred\u{a}#boss#dA (agreed): \u{7}"))

    def test_a_line_of_the_longest_length(self) -> None:
        """Whether its end comes with it or later, it is one message."""
        process = self.client_("log", "--json", "g", stdin=subprocess.PIPE)
        assert process.stdin is not None
        process.stdin.write("x" * (128 << 10))
        process.stdin.flush()
        time.sleep(0.5)
        code, output, _ = self.end(process, "\nnext\n")
        self.assertEqual((code, json.loads(output)), (0, {"lines": 2, "bytes": (128 << 10) + 4}))

    def test_a_configuration_with_names_to_look_up(self) -> None:
        path = self.daemon.directory / "names.conf"
        path.write_text(f"Spread_Segment unicast {{ localhost }}\nControlSocket = {self.daemon.control}\n")
        code, output, errors = self.run_("members", "-c", str(path), "nobody")
        self.assertEqual((code, output, errors), (1, "", "spreadctl: nobody has no members\n"))

    def test_a_message_of_a_file(self) -> None:
        path = self.daemon.directory / "message"
        path.write_bytes(b"\0\xff of a file")
        listener = self.client("listener".encode())
        listener.joined(b"file", 1)
        self.assertEqual(self.end(self.client_("send", "--wait", "--tag", "-5", "--service", "safe", "file", str(path)))[0], 0)
        found = listener.receive()
        self.assertEqual((found.kind, found.data, found.groups[0]), (0x20, b"\0\xff of a file", b"file"))

    def test_a_message_that_is_too_long_for_the_daemon(self) -> None:
        """What the daemon does not take is no success."""
        for words in (("send", "--json", "g"), ("send", "--wait", "g"), ("flood", "-b", "200000", "-m", "1")):
            code, output, errors = self.end(self.client_(*words, stdin=subprocess.PIPE), "x" * 200_000)
            self.assertEqual((code, output), (1, ""), words)
            self.assertRegex(errors, r"^spreadctl: .*(daemon ended the session|session is lost).*\n$")

    def test_an_interrupted_flood_says_what_it_measured(self) -> None:
        flood = self.client_("flood", "--seconds", "60", "--rate", "1000")
        until(lambda: self.daemon.status()["counters"]["multicasts"] > 20)
        flood.send_signal(signal.SIGINT)
        code, output, errors = self.end(flood)
        self.assertEqual((code, errors), (0, ""))
        self.assertRegex(output, r"(?s)sent +\d.*rate +\d.*latency +median ")

    def test_nobody_reads(self) -> None:
        for words in (("join", "-s", self.daemon.path, "g"), ("monitor", "--control", self.daemon.control)):
            reading, writing = os.pipe()
            os.close(reading)
            process = self.start(*words, stdout=writing)
            os.close(writing)
            self.assertEqual(self.end(process)[0], -signal.SIGPIPE, words)
        with open("/dev/full", "w") as full:
            code, _, errors = self.end(self.start("status", "--control", self.daemon.control, stdout=full))
        self.assertEqual(code, 1)
        self.assertIn("No space left on device", errors)

    def test_mistakes(self) -> None:
        control, there = ("--control", self.daemon.control), ("-s", self.daemon.path)
        cases = [
            (3, "spreadd is not running", "status", "--control", "/nonexistent/control"),
            (3, "cannot connect to Spread at /nonexistent/socket", "send", "-s", "/nonexistent/socket", "g"),
            (3, "cannot connect to Spread at 1@127.0.0.1", "join", "-s", "1@127.0.0.1", "g"),
            (1, "nobody has no members", "members", *control, "nobody"),
            (1, "a b is no name of a group", "members", *control, "a b"),
            (1, "cannot open /nonexistent", "send", *there, "g", "/nonexistent"),
            (2, "unreliable", "send", *there, "--service", "sure", "g"),
            (2, "'a b' is not the name of a group", "join", *there, "a b"),
            (2, "is not PORT, PORT@HOST, or an absolute path", "send", "-s", "here", "g"),
            (2, "cannot be a session's name", "send", "-n", "far-too-long", "g"),
            (2, "--config and --control exclude each other", "groups", *control, "-c", "x"),
            (2, "No such file", "status", "-c", "/nonexistent"),
            (2, "bogus", "bogus"),
        ]
        for code, text, *words in cases:
            with self.subTest(words=words):
                found, output, errors = self.run_(*words)
                self.assertEqual((found, output), (code, ""))
                self.assertIn(text, errors)
        taken = self.client(b"taken")
        code, _, errors = self.end(self.client_("send", "-n", "taken", "g"))
        self.assertEqual(code, 1)
        self.assertIn("a session of this name is open already", errors)
        taken.close()

    def test_a_daemon_that_is_gone(self) -> None:
        other = Daemon(self.daemon.directory, "dB", f"Spread_Segment unicast:{free_port()} {{\n dB 127.0.0.1\n}}", "", [])
        other.start()
        self.addCleanup(lambda: other.end(signal.SIGKILL) if other.is_running else None)
        join = self.start("join", "-s", other.path, "--count", "1", "g")
        log = self.start("log", "-s", other.path, "g", stdin=subprocess.PIPE)
        monitor = self.start("monitor", "--control", other.control)
        until(lambda: other.ask("members g") != [] and other.status()["sessions"]["open"] == 2)
        other.end(signal.SIGKILL)
        code, _, errors = self.end(monitor)
        self.assertEqual(code, 3)
        self.assertIn("spreadd is not running", errors)
        other.start()
        until(lambda: other.ask("members g") != [] and other.status()["sessions"]["open"] == 2, 30)
        self.assertEqual(self.end(log, "after all\n")[0], 0)
        code, output, errors = self.end(join)
        self.assertEqual(code, 0)
        self.assertTrue(output.endswith("(agreed): after all\n"), output)
        self.assertRegex(errors, r"(?s)the session is lost.*connected again")

    def test_a_session_that_is_lost_at_once(self) -> None:
        """A daemon that accepts and then makes no sense is tried again, and the group joined then."""
        accept = bytes([1, 4, 4, 0, 4]) + b"#a#d"
        with socket.create_server(("127.0.0.1", 0)) as daemon:
            daemon.settimeout(10)
            join = self.start("join", "-s", f"{daemon.getsockname()[1]}@127.0.0.1", "g")
            for answer in (accept + b"\xff" * 48, accept):
                client = self.enterContext(daemon.accept()[0])
                client.settimeout(10)
                client.sendall(b"\x05NULL ")
                while not client.recv(200).endswith(NULL):
                    pass
                client.sendall(answer)
            self.assertEqual(client.recv(80), message(JOIN, b"#a#d", [b"g"]))
        join.send_signal(signal.SIGINT)
        code, output, errors = self.end(join)
        self.assertEqual((code, output), (0, ""))
        self.assertRegex(errors, r"(?s)the session is lost.*connected again")

    def test_looks(self) -> None:
        client = self.client(b"client")
        client.joined(b"g", 1)
        control = ("--control", self.daemon.control)
        code, output, _ = self.run_("status", *control)
        self.assertEqual(code, 0)
        for text in ("dA: operational, 1 of 1 daemons\n", "\nSESSION", "\nclient "):
            self.assertIn(text, output)
        self.assertEqual(json.loads(self.run_("status", *control, "--json")[1])["node"], "dA")
        self.assertEqual(self.run_("groups", *control), (0, "GROUP  MEMBERS\ng            1\n", ""))
        self.assertEqual(self.run_("members", *control, "g"), (0, "#client#dA\n", ""))
        begin = time.monotonic()
        code, output, _ = self.run_("monitor", *control, "--count", "2")
        self.assertEqual((code, len(output.splitlines())), (0, 2))
        self.assertGreater(time.monotonic() - begin, 1.9, "two intervals are two seconds")

    def test_keys(self) -> None:
        path = Path(self.daemon.directory) / "key"
        self.assertEqual(self.run_("keygen", str(path))[0], 0)
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)
        first = path.read_text()
        code, _, errors = self.run_("keygen", str(path))
        self.assertEqual(code, 1)
        self.assertIn("is there already", errors)
        for option in ("--add", "--swap", "--drop"):
            self.assertEqual(self.run_("keygen", option, str(path))[0], 0)
        self.assertNotEqual(path.read_text(), first)
        self.assertEqual(self.run_("keygen", "--drop", str(path))[0], 1)
