# SPDX-License-Identifier: Apache-2.0
"""An instrument that asks a virtual address every 5 ms who serves it, and the gaps in the answers.

    python3 -m lab.probe ADDRESS PORT

A record is a line `TIME SERVER`: an answer came at TIME (ns, CLOCK_MONOTONIC) from SERVER.
"""

from __future__ import annotations

import os
import selectors
import socket
import sys
import time
from bisect import bisect_left, bisect_right
from dataclasses import dataclass

INTERVAL = 5_000_000


@dataclass(frozen=True)
class Reply:
    """An answer of a server, and when it came (ns)."""

    time: int
    server: str


@dataclass(frozen=True)
class Gap:
    """A stretch of time without an answer (ns), and who answered before and after it."""

    start: int
    end: int
    before: str | None
    after: str | None

    @property
    def length(self) -> int:
        return self.end - self.start


def longest_gap(replies: list[Reply], start: int, end: int) -> Gap:
    """The longest time without an answer that lies in or reaches into `start` to `end`.

    It is measured from the last answer before it; with none, from `start`. Without an answer after it, it
    lasts until `end`.
    """
    times = [reply.time for reply in replies]
    first = max(bisect_left(times, start) - 1, 0)
    last = bisect_right(times, end)
    edges: list[tuple[int, str | None]] = [(r.time, r.server) for r in replies[first:last]]
    if not edges or edges[0][0] > start:
        edges.insert(0, (start, None))
    if edges[-1][0] < end:
        edges.append((end, None))
    pairs = zip(edges, edges[1:])
    gaps = [Gap(here[0], there[0], here[1], there[1]) for here, there in pairs]
    return max(gaps, key=lambda gap: gap.length, default=Gap(start, end, None, None))


def servers(replies: list[Reply], start: int, end: int) -> list[str]:
    """Who answered from `start` to `end`, in order, each run of one server once."""
    result: list[str] = []
    for reply in replies:
        if start <= reply.time <= end and result[-1:] != [reply.server]:
            result.append(reply.server)
    return result


def main() -> None:
    target = (sys.argv[1], int(sys.argv[2]))
    os.nice(-10)
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.bind(("0.0.0.0", 0))
    client.setblocking(False)
    selector = selectors.DefaultSelector()
    selector.register(client, selectors.EVENT_READ)
    selector.register(sys.stdin, selectors.EVENT_READ)
    lines: list[str] = []
    print("ready", flush=True)
    due = time.monotonic_ns()
    sequence = 0
    while True:
        now = time.monotonic_ns()
        if now >= due:
            sequence += 1
            due = max(due + INTERVAL, now)
            _ask(client, target, sequence)
        for key, _ in selector.select(max(due - time.monotonic_ns(), 0) / 1e9):
            if key.fileobj is client:
                _collect(client, target, lines)
            elif not os.read(sys.stdin.fileno(), 4096):
                return
            else:
                sys.stdout.write("".join(line + "\n" for line in lines) + "\n")
                sys.stdout.flush()
                lines.clear()


def _ask(client: socket.socket, target: tuple[str, int], sequence: int) -> None:
    try:
        client.sendto(b"%d" % sequence, target)
    except OSError:
        pass  # no route or no neighbour: a missing answer, which is what is measured


def _collect(client: socket.socket, target: tuple[str, int], lines: list[str]) -> None:
    while True:
        try:
            answer, source = client.recvfrom(64)
        except BlockingIOError:
            return
        except OSError:
            continue  # an ICMP error reported for an earlier question
        if source == target:
            lines.append(f"{time.monotonic_ns()} {answer.decode().partition(' ')[2]}")


if __name__ == "__main__":
    main()
