#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the integration tests, all or those whose name contains a given word.

    Tests/Integration/run.py [--figures | --long] [--results FILE] [WORD ...]

They need root and the release binaries (scripts/test builds them; WACKAMOLE_BINARIES names another
folder). --figures runs the measured ones instead, which are not part of the normal suite because other
load on the machine can spoil them. --long runs those that take long, also not part of it: machines with a
real systemd.
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

from lab import lifetime  # noqa: E402  (the path has to be set first)


class Results(unittest.TestResult):
    """Says what each test did when it ends, and why when it failed."""

    def startTest(self, test: unittest.TestCase) -> None:
        super().startTest(test)
        self._begin = time.monotonic()

    def addSuccess(self, test: unittest.TestCase) -> None:
        super().addSuccess(test)
        self._say("ok", test)

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        super().addSkip(test, reason)
        print(f"   skip   {name_of(test)}: {reason}", flush=True)

    def addFailure(self, test: unittest.TestCase, error: Any) -> None:
        super().addFailure(test, error)
        self._explain(test, self.failures[-1][1])

    def addError(self, test: unittest.TestCase, error: Any) -> None:
        super().addError(test, error)
        self._explain(test, self.errors[-1][1])

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, error: Any) -> None:
        super().addSubTest(test, subtest, error)
        if error is not None:
            print(f"   part   {name_of(subtest)}", flush=True)
            print((self.errors + self.failures)[-1][1], flush=True)

    def numbers(self) -> dict[str, int]:
        failed = len({name_of(test) for test, _ in self.failures + self.errors})
        skipped = len(self.skipped)
        return {
            "passed": max(self.testsRun - failed - skipped, 0),
            "failed": failed,
            "skipped": skipped,
        }

    def _explain(self, test: unittest.TestCase, text: str) -> None:
        self._say("FAIL", test)
        print(text, flush=True)
        if cluster := getattr(test, "cluster", None):
            print(cluster.last_lines(), flush=True)

    def _say(self, word: str, test: unittest.TestCase) -> None:
        seconds = time.monotonic() - getattr(self, "_begin", time.monotonic())
        print(f"   {word:6} {name_of(test)} ({seconds:.1f} s)", flush=True)


def name_of(test: unittest.TestCase) -> str:
    return test.id()


def flat(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from flat(item)
        else:
            yield item


def main() -> int:
    parser = argparse.ArgumentParser(description="Runs the integration tests.")
    parser.add_argument("--figures", action="store_true", help="run the measured tests instead")
    parser.add_argument("--long", action="store_true", help="run the long tests instead")
    parser.add_argument("--results", type=Path, help="write the numbers to this file, as JSON")
    parser.add_argument("words", nargs="*", metavar="WORD", help="parts of names of tests to run")
    options = parser.parse_args()
    pattern = "figures_*.py" if options.figures else "long_*.py" if options.long else "test_*.py"
    found = unittest.TestLoader().discover(str(HERE), pattern, str(HERE))
    chosen = unittest.TestSuite(
        test
        for test in flat(found)
        if not options.words or any(word in name_of(test) for word in options.words)
    )
    results = Results()
    chosen.run(results)
    if options.results:
        options.results.write_text(json.dumps(results.numbers()))
    numbers = results.numbers()
    print("   " + ", ".join(f"{count} {word}" for word, count in numbers.items()), flush=True)
    return 1 if numbers["failed"] or not results.testsRun else 0


if __name__ == "__main__":
    sys.exit(lifetime.guarded(main))
