# SPDX-License-Identifier: Apache-2.0
"""The commands that the suites and the mutants run."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import IO

from lab.build import release_command, swift
from lab.process import run_group

from .outcome import Outcome, of_integration, of_swift_tests

LAST_LINES = 60


def build_for_tests(root: Path, scratch: list[str]) -> int:
    """Builds everything including the tests; an import that the layers forbid is an error."""
    check = ["--explicit-target-dependency-import-check", "error"]
    return swift(["swift", "build", "--build-tests", *check, *scratch], root)


def swift_tests(
    root: Path, scratch: list[str], options: list[str], logs: Path, explain: bool = True
) -> Outcome:
    """Runs the built Swift tests; the output goes to a log, and with `explain` what failed is printed."""
    logs.mkdir(parents=True, exist_ok=True)
    log = logs / "swift-test.log"
    with log.open("wb") as output:
        argv = ["swift", "test", "--skip-build", *scratch, *options]
        status = swift(argv, root, stdout=output, stderr=output)
    outcome = of_swift_tests(status, log.read_text(errors="replace"))
    if outcome.failed and explain:
        _show_failures(log)
    return outcome


def integration(root: Path, binaries: Path, options: list[str], results: Path) -> Outcome:
    """Runs the integration tests with the given binaries."""
    return _suite("Integration", root, binaries, options, results)


def conformance(root: Path, binaries: Path, options: list[str], results: Path) -> Outcome:
    """Holds the given spreadd against what clients rely on."""
    return _suite("Conformance", root, binaries, options, results)


def _suite(folder: str, root: Path, binaries: Path, options: list[str], results: Path) -> Outcome:
    results.parent.mkdir(parents=True, exist_ok=True)
    results.unlink(missing_ok=True)
    runner = root / "Tests" / folder / "run.py"
    argv = [sys.executable, str(runner), "--results", str(results), *options]
    environment = os.environ | {"WACKAMOLE_BINARIES": str(binaries)}
    # Ending us without a chance to clean up must end the tests in an orderly way.
    guard = ["setpriv", "--pdeathsig", "TERM", "--"] if shutil.which("setpriv") else []
    return of_integration(run_group(guard + argv, cwd=root, env=environment), results)


def build_release(root: Path, scratch: list[str], products: tuple[str, ...]) -> int:
    for product in products:
        status = swift(release_command(product) + scratch, root)
        if status != 0:
            return status
    return 0


def _show_failures(log: Path) -> None:
    """Prints the failures in a log of `swift test`, or its end when it holds none (a crash)."""
    lines = log.read_text(errors="replace").splitlines()
    failures = [line for line in lines if line.startswith("✘") or line.startswith("↳")]
    print("\n".join(failures or lines[-LAST_LINES:]))
    print(f"(whole output: {log})", flush=True)
