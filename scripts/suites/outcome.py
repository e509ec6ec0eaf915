# SPDX-License-Identifier: Apache-2.0
"""The result of a suite as numbers of single tests."""

from __future__ import annotations

import json
import xml.etree.ElementTree as xml
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Outcome:
    """How many tests passed, failed and were skipped."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Outcome) -> Outcome:
        return Outcome(
            self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped
        )

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"

    @staticmethod
    def of(succeeded: bool) -> Outcome:
        """The outcome of a suite that is one single test."""
        return Outcome(passed=1) if succeeded else Outcome(failed=1)


def of_swift_tests(status: int, report: Path) -> Outcome:
    """Counts the tests of a `swift test` run from the xUnit report it wrote.

    A run that ends with an error no test accounts for (a crash writes no report), or in which no test
    ran, counts as one more failure.
    """
    counted = Outcome()
    if report.exists():
        for case in xml.parse(report).iter("testcase"):
            if case.find("failure") is not None or case.find("error") is not None:
                counted += Outcome(failed=1)
            elif case.find("skipped") is not None:
                counted += Outcome(skipped=1)
            else:
                counted += Outcome(passed=1)
    explained = counted.failed > 0 if status != 0 else counted != Outcome()
    return counted if explained else counted + Outcome(failed=1)


def of_integration(status: int, results: Path) -> Outcome:
    """Reads the numbers that Tests/Integration/run.py wrote; none written counts as a failure."""
    try:
        counted = Outcome(**json.loads(results.read_text()))
    except (OSError, ValueError, TypeError):
        return Outcome(failed=1)
    return counted if status == 0 or counted.failed else counted + Outcome(failed=1)


def load(path: Path, tree: str) -> dict[str, Outcome]:
    """The suites that passed in an earlier, unfinished run of the same tree."""
    try:
        stored = json.loads(path.read_text())
        if stored["tree"] != tree:
            return {}
        return {name: Outcome(**numbers) for name, numbers in stored["done"].items()}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def store(path: Path, tree: str, done: dict[str, Outcome]) -> None:
    path.parent.mkdir(exist_ok=True)
    numbers = {name: asdict(outcome) for name, outcome in done.items()}
    path.write_text(json.dumps({"tree": tree, "done": numbers}))
