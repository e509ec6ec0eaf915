# SPDX-License-Identifier: Apache-2.0
"""Figures of several rounds: medians, spreads, ratios of the same round, and tables of them."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Figure:
    """One measured value."""

    what: str
    peer: str
    size: int
    round: int
    value: float


class Table:
    """Measured values by what they are, whose, and at which payload."""

    def __init__(self) -> None:
        self.figures: list[Figure] = []

    def add(self, what: str, value: float, peer: str, size: int, round: int) -> None:
        figure = Figure(what, peer, size, round, value)
        self.figures.append(figure)
        print(json.dumps(asdict(figure)), flush=True)

    def values(self, what: str, peer: str, size: int) -> dict[int, float]:
        """The values of all rounds, by the number of the round."""
        return {
            f.round: f.value for f in self.figures if (f.what, f.peer, f.size) == (what, peer, size)
        }

    def text(self, reference: str) -> str:
        """One line for each figure: median (least..greatest), and the median ratio to `reference`."""
        lines = []
        keys = dict.fromkeys((f.what, f.size, f.peer) for f in sorted(self.figures, key=lambda f: (f.what, f.size)))
        for what, size, peer in keys:
            values = self.values(what, peer, size)
            line = f"{what:18} {size or '':>5} {peer:16} {spread(list(values.values()))}"
            other = self.values(what, reference, size)
            ratios = [values[r] / other[r] for r in values if other.get(r)]
            if peer != reference and ratios:
                line += f"   x {statistics.median(ratios):.2f} {reference}"
            lines.append(line)
        return "\n".join(lines)


def spread(values: list[float]) -> str:
    """The median with the least and the greatest value."""
    return f"{_short(statistics.median(values)):>8} ({_short(min(values))}..{_short(max(values))})"


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.2f}"
