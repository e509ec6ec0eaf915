# SPDX-License-Identifier: Apache-2.0
"""Adds up the runs of a campaign: lines that `scripts/simulate --json` has written."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path


def sum_up(lines: Iterable[str]) -> tuple[list[str], bool]:
    """Returns what to print, and whether the runs make up a campaign without a violation."""
    runs = [json.loads(line) for line in lines if line.startswith("{")]
    if not runs:
        return ["no runs: nothing to add up"], False
    text: list[str] = []
    problems = list(contradictions(runs))
    worlds = sum(run["seeds"] for run in runs)
    rows = {name: 0 for name in runs[0]["counters"]}
    for run in runs:
        for name, value in run["counters"].items():
            rows[name] = rows.get(name, 0) + value
    width = max(map(len, rows))
    for name, value in rows.items():
        text.append(f"{name:<{width}}  {value}" + note(value, runs[0]["minimums"].get(name, 0) * worlds // 1000))
    seconds = sum(run["seconds"] for run in runs)
    slowest = max(run["slowestSettling"] for run in runs)
    violations = [line for run in runs for line in run["violations"]]
    text.append(f"slowest settling: {slowest} ms of virtual time")
    text.append(
        f"{len(runs)} runs, {worlds} worlds in {seconds:.0f} s, {worlds / max(seconds, 0.001):.0f} seeds per second "
        f"of each process, {len(violations)} violations"
    )
    return text + violations + problems, not violations and not problems


def note(value: int, minimum: int) -> str:
    if not minimum:
        return ""
    return f"  (at least {minimum})" + ("" if value >= minimum else "  TOO FEW")


def contradictions(runs: list[dict]) -> Iterable[str]:
    """Yields why runs cannot be added: other worlds, other programs, or the same seeds twice."""
    for field in ("layer", "nodes", "commit"):
        values = sorted({str(run[field]) for run in runs})
        if len(values) > 1:
            yield f"runs differ in {field}: {', '.join(values)}"
    end = None
    for run in sorted(runs, key=lambda run: run["seed"]):
        if end is not None and run["seed"] < end:
            yield f"seeds from {run['seed']} on are counted twice"
        end = max(end or 0, run["seed"] + run["seeds"])


def main(paths: list[str]) -> int:
    if not paths:
        print("usage: scripts/simulate --sum FILE...", file=sys.stderr)
        return 2
    try:
        lines = [line for path in paths for line in Path(path).read_text().splitlines()]
        text, is_clean = sum_up(lines)
    except (OSError, ValueError, KeyError) as error:
        print(f"scripts/simulate: cannot read the runs: {error!r}", file=sys.stderr)
        return 1
    print("\n".join(text))
    return 0 if is_clean else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
