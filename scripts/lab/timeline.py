# SPDX-License-Identifier: Apache-2.0
"""Who held which address when, computed from recorded kernel events.

Times are nanoseconds of CLOCK_MONOTONIC. An address is *held* by a node while it is configured on one of
its interfaces. A node counts as *reachable* while the client can reach it; what an unreachable node holds
serves nobody, and does no harm on a wire it has no part in.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Span:
    """A stretch of time in which neither the holders nor the reachable ones of them changed."""

    start: int
    end: int
    holders: frozenset[str]
    reachable: frozenset[str]

    @property
    def length(self) -> int:
        return self.end - self.start


@dataclass
class Toggles:
    """A set of names over time, told by changes that arrive in order."""

    times: list[int] = field(default_factory=list)
    states: list[frozenset[str]] = field(default_factory=list)

    def change(self, time: int, name: str, present: bool) -> None:
        now = self.latest()
        then = now | {name} if present else now - {name}
        if then != now:
            self.times.append(max(time, self.times[-1]) if self.times else time)
            self.states.append(then)

    def at(self, time: int) -> frozenset[str]:
        index = bisect.bisect_right(self.times, time)
        return self.states[index - 1] if index else frozenset()

    def latest(self) -> frozenset[str]:
        return self.states[-1] if self.states else frozenset()


class Timeline:
    """The holders of every address, and the nodes the client cannot reach, over time."""

    def __init__(self) -> None:
        self._held: dict[str, Toggles] = {}
        self._unreachable = Toggles()

    def hold(self, time: int, node: str, address: str, held: bool) -> None:
        """Records that a node got or lost an address; telling it again changes nothing."""
        self._held.setdefault(address, Toggles()).change(time, node, held)

    def reach(self, time: int, node: str, reachable: bool) -> None:
        """Records that the client lost or regained a node."""
        self._unreachable.change(time, node, not reachable)

    def holders(self, address: str) -> frozenset[str]:
        """The nodes that hold an address now."""
        return self._held.get(address, Toggles()).latest()

    def released(self, address: str, node: str) -> int:
        """When a node that does not hold an address last ceased to, in nanoseconds."""
        held = self._held.get(address, Toggles())
        index = len(held.states)
        while index > 1 and node not in held.states[index - 2]:
            index -= 1
        if index < 2 or node in held.states[-1]:
            raise ValueError(f"{node} did not release {address}")
        return held.times[index - 1]

    def unreachable(self) -> frozenset[str]:
        return self._unreachable.latest()

    def spans(self, address: str, start: int, end: int) -> list[Span]:
        """The history of an address from `start` to `end`, without gaps."""
        held = self._held.get(address, Toggles())
        times = {start, end}
        times.update(t for t in held.times + self._unreachable.times if start < t < end)
        edges = sorted(times)
        result = []
        for here, there in zip(edges, edges[1:]):
            holders = held.at(here)
            result.append(Span(here, there, holders, holders - self._unreachable.at(here)))
        return result

    def uncovered(self, address: str, start: int, end: int) -> int:
        """Nanoseconds in which no reachable node held the address."""
        return sum(span.length for span in self.spans(address, start, end) if not span.reachable)

    def doubled(self, address: str, start: int, end: int) -> int:
        """Nanoseconds in which two or more reachable nodes held the address."""
        spans = self.spans(address, start, end)
        return sum(span.length for span in spans if len(span.reachable) > 1)

    def apart(self, address: str, start: int, end: int) -> int:
        """Nanoseconds in which a reachable and an unreachable node held the address."""
        spans = self.spans(address, start, end)
        return sum(span.length for span in spans if span.reachable and span.holders - span.reachable)

    def longest_uncovered(self, address: str, start: int, end: int) -> int:
        """Length in nanoseconds of the longest stretch without a reachable holder."""
        longest = current = 0
        for span in self.spans(address, start, end):
            current = 0 if span.reachable else current + span.length
            longest = max(longest, current)
        return longest
