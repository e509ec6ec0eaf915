# SPDX-License-Identifier: Apache-2.0
"""The result of a suite as numbers of single tests."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

_TEST = r"Test (?!run with |case passing )"
_PASSED = re.compile(rf"^\S {_TEST}.* passed after ", re.MULTILINE)
_FAILED = re.compile(rf"^\S {_TEST}.* failed after ", re.MULTILINE)
_SKIPPED = re.compile(rf"^\S {_TEST}.*[\")] skipped[.:]", re.MULTILINE)
_TOTAL = re.compile(r"^\S Test run with (\d+) tests? ", re.MULTILINE)


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


def of_swift_tests(status: int, output: str) -> Outcome:
    """Counts the tests of a `swift test` run from what it printed.

    The total is that of the last line, `Test run with N tests ...`. A run without that line (it crashed),
    with an error that no test accounts for, or without any test counts as one more failure.
    """
    failed = len(_FAILED.findall(output))
    skipped = len(_SKIPPED.findall(output))
    if total := _TOTAL.search(output):
        counted = Outcome(max(int(total[1]) - failed - skipped, 0), failed, skipped)
        explained = failed > 0 if status != 0 else counted != Outcome()
    else:
        counted = Outcome(len(_PASSED.findall(output)), failed, skipped)
        explained = False
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
