# SPDX-License-Identifier: Apache-2.0
"""Hostile clients: the daemon stays up, serves others meanwhile, and its memory is bounded.

What others pay is printed and not asserted: the hostile run on the same processors.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

from covering import covers
from hostility import KINDS
from support import AloneTest
from wire import NULL, SERVICES, Client, connect_bytes, message, until

MEMORY = 128 << 10
"""How much memory (KiB) the hostile may cost: queues of 20 clients have 16 MiB each at most, and mostly share it."""


def milliseconds(times: list[float], share: float) -> float:
    """The time that so large a share of the sorted times stays within."""
    return times[min(int(len(times) * share), len(times) - 1)] * 1_000


class HostileTest(AloneTest):
    """What measures the service of a client that minds its own business."""

    def echo(self, client: Client) -> float:
        """How long a message of a client to itself takes, in seconds."""
        begin = time.perf_counter()
        client.cast([client.private], b"x" * 100)
        client.receive()
        return time.perf_counter() - begin

    def echoes(self, client: Client, duration: float) -> list[float]:
        """How long messages take for a while, in ascending order; 500 a second at most."""
        times = []
        end = time.monotonic() + duration
        while time.monotonic() < end:
            times.append(self.echo(client))
            time.sleep(0.002)
        return sorted(times)

    @contextmanager
    def attacked(self, kinds: list[str], seed: int = 1) -> Iterator[list[int]]:
        """While attacks of these kinds are going on; gives afterwards how often each struck."""
        program = [sys.executable, str(Path(__file__).parent / "hostility.py")]
        running = [
            subprocess.Popen([*program, kind, self.daemon.path, str(seed + number)], stdout=subprocess.PIPE, text=True)
            for number, kind in enumerate(kinds)
        ]
        strikes: list[int] = []
        try:
            for each in running:
                assert each.stdout is not None
                self.assertEqual(each.stdout.readline(), "at it\n")
            yield strikes
            for each in running:
                self.assertIsNone(each.poll(), "an attacker ended by itself")
                each.terminate()
                strikes.append(int(each.communicate(timeout=20)[0]))
        finally:
            for each in running:
                each.kill()
                each.wait()

    def compare(self, client: Client, kinds: list[str], duration: float, quiet: list[float]) -> None:
        """Measures a client under attack, prints what it pays, and holds the memory against its bound."""
        before = self.daemon.memory()
        with self.attacked(kinds) as strikes:
            times = self.echoes(client, duration)
            peak = self.daemon.memory()
        name = "+".join(kinds) if len(kinds) < len(KINDS) else "all at once"
        self.say(name, times, quiet, f"{peak / 1024:5.1f} MiB, {'+'.join(f'{n:,}' for n in strikes)} strikes")
        for count, kind in zip(strikes, kinds):
            self.assertGreater(count, 0, f"{kind} did nothing")
        self.assertLess(peak, before + MEMORY)
        until(lambda: self.daemon.status()["sessions"]["open"] == 1, 30)
        until(lambda: self.daemon.status()["sessions"]["handshakes"] == 0, 30)

    def say(self, name: str, times: list[float], quiet: list[float], more: str) -> None:
        p50, p99 = milliseconds(times, 0.5), milliseconds(times, 0.99)
        ratio = p99 / milliseconds(quiet, 0.99)
        print(
            f"          {name:14} median {p50:6.2f} ms, p99 {p99:6.2f} ms (x {ratio:4.1f}), "
            f"longest {times[-1] * 1_000:6.1f} ms, {more}",
            flush=True,
        )


class Hostile(HostileTest):
    DURATION = 1.0

    @covers("2.1l", "2.1m", "6c", "6d", "10c", "11a", "11b")
    def test_every_kind(self) -> None:
        client = self.client(b"client")
        quiet = self.echoes(client, self.DURATION)
        self.say("quiet", quiet, quiet, f"{self.daemon.memory() / 1024:5.1f} MiB")
        for kind in KINDS:
            with self.subTest(kind):
                self.compare(client, [kind], self.DURATION, quiet)
        self.client(b"another").joined(b"g", 1)

    @covers("2.1l", "2.1m")
    def test_half_open_thousand(self) -> None:
        client = self.client(b"client")
        with self.attacked(["half-open"]):
            until(lambda: self.daemon.status()["sessions"]["handshakes"] >= 1_000, 30)
            for _ in range(100):
                self.echo(client)
            self.client(b"another").joined(b"g", 1)

    @covers("2.1f", "10c")
    def test_byte_by_byte(self) -> None:
        client = self.client(b"client")
        client.joined(b"slow", 1)
        slow = self.raw(tcp=True)
        stream = connect_bytes(b"bytes") + NULL + message(SERVICES["agreed"], b"#bytes#dA", [b"slow"], b"done")
        for at in range(len(stream)):
            slow.send(stream[at : at + 1])
            if at % 20 == 0:
                self.echo(client)
        self.assertEqual(client.receive().data, b"done")


class Flood(HostileTest):
    # The member reads slower than a flood is delivered to it.
    SETTINGS = "MaxSessionMessages = 100000\nMaxSessionBytes = 64M"

    @covers("7h", "10c")
    def test_flood_and_end(self) -> None:
        # More than the ring takes at once: the end of the stream waits behind what is unread.
        count, size = 5_000, 1_000
        member, bystander = self.client(b"member"), self.client(b"bystander")
        member.joined(b"flood", 1)

        def flood() -> None:
            with self.client(b"flooder") as flooder:
                for number in range(count):
                    flooder.cast([b"flood"], number.to_bytes(4, "big") + bytes(size))

        sender = threading.Thread(target=flood)
        sender.start()
        for number in range(count):
            self.assertEqual(int.from_bytes(member.receive().data[:4], "big"), number)
            if number % 500 == 0:
                self.echo(bystander)
        sender.join()
        until(lambda: self.daemon.status()["sessions"]["open"] == 2)
