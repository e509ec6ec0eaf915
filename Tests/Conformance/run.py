#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds a running spreadd against what clients of Spread 4 rely on, over raw sockets.

    Tests/Conformance/run.py [--list | --long] [--results FILE] [WORD ...]

Runs all tests, or those whose name contains a given word. --long runs the long ones instead (an hour;
HOSTILE_MINUTES in the environment shortens the mutated streams from 30 minutes). --list prints every statement with the tests
that cover it, and runs nothing. A statement without a test is a failure. The daemon is that of the release
build (WACKAMOLE_BINARIES names another folder); the tests with three daemons need root.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import unittest
from pathlib import Path
from typing import Any, Iterator

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(HERE.parent.parent / "scripts"), str(HERE)]

import covering  # noqa: E402  (the path has to be set first)
from lab import lifetime  # noqa: E402


class Results(unittest.TestResult):
    """Says what each test did, and how long it took."""

    def startTest(self, test: unittest.TestCase) -> None:
        super().startTest(test)
        self._begin = time.monotonic()

    def _say(self, word: str, test: unittest.TestCase, why: str = "") -> None:
        took = time.monotonic() - getattr(self, "_begin", time.monotonic())
        print(f"   {word:5} {took:6.1f} s  {test.id()}{why}", flush=True)

    def addSuccess(self, test: unittest.TestCase) -> None:
        super().addSuccess(test)
        self._say("ok", test)

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        super().addSkip(test, reason)
        self._say("skip", test, f": {reason}")

    def addFailure(self, test: unittest.TestCase, error: Any) -> None:
        super().addFailure(test, error)
        self._say("FAIL", test, "\n" + self.failures[-1][1])

    def addError(self, test: unittest.TestCase, error: Any) -> None:
        super().addError(test, error)
        self._say("FAIL", test, "\n" + self.errors[-1][1])


def tests(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    for part in suite:
        if isinstance(part, unittest.TestSuite):
            yield from tests(part)
        else:
            yield part


def listing(suite: unittest.TestSuite) -> str:
    """Every statement with its tests, and on how many daemons each of them runs."""
    places: dict[str, set[int]] = {}
    for test in tests(suite):
        method = getattr(type(test), test.id().rpartition(".")[2], None)
        if method is not None:
            places.setdefault(method.__qualname__, set()).add(getattr(test, "DAEMONS", 1))

    def shown(name: str) -> str:
        return f"{name} (on {' and '.join(str(count) for count in sorted(places[name]))})"

    lines = []
    for name, text in covering.statements().items():
        found = ", ".join(shown(test) for test in covering.covering.get(name, [])) or "NO TEST"
        lines.append(f"{name:6} {text}\n       {found}")
    both = sum(
        {1, 3} <= set().union(*(places[test] for test in covering.covering.get(name, [])))
        for name in covering.statements()
    )
    lines.append(f"{len(covering.statements())} statements, {both} of them on one daemon and on three")
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--list", action="store_true", help="print statements and tests, run nothing")
    parser.add_argument("--long", action="store_true", help="run the long tests instead")
    parser.add_argument("--results", metavar="FILE", help="write the numbers as JSON")
    parser.add_argument("words", nargs="*", metavar="WORD")
    options = parser.parse_args(arguments)
    suite = unittest.defaultTestLoader.discover(str(HERE), pattern="test_*.py")
    problems = covering.problems()
    if options.long:
        suite = unittest.defaultTestLoader.discover(str(HERE), pattern="long_*.py")
    if options.list:
        print(listing(suite))
        return 1 if problems else 0
    chosen = unittest.TestSuite(
        test for test in tests(suite) if not options.words or any(w in test.id() for w in options.words)
    )
    results = Results()
    chosen.run(results)
    for problem in problems:
        print(f"   FAIL   {problem}")
    failed = len({test.id() for test, _ in results.failures + results.errors}) + len(problems)
    skipped = len(results.skipped)
    passed = max(results.testsRun + len(problems) - failed - skipped, 0)
    print(f"   {len(covering.statements())} statements, {len(problems)} without a test")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    if options.results:
        numbers = {"passed": passed, "failed": failed, "skipped": skipped}
        Path(options.results).write_text(json.dumps(numbers))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(lifetime.guarded(lambda: main(sys.argv[1:])))
