# SPDX-License-Identifier: Apache-2.0
"""scripts/test: runs every suite, says what each took, and ends with one line of totals."""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from lab import lifetime
from lab.build import PRODUCTS, ROOT, set_up
from lab.process import CommandFailed, run, run_group

from . import commands, mutants, outcome
from .outcome import Outcome

BUILD = ROOT / ".build"
LOGS = BUILD / "test-logs"
PROGRESS = LOGS / "full.json"
SIMULATE = "simulate"
SEEDS, SEEDS_FULL = 300, 20_000
GROUP_SEEDS, GROUP_SEEDS_FULL = 200, 10_000
ROUNDS_FULL = 5
DEMO_PROFILES = ("lan", "fast", "wan")


@dataclass(frozen=True)
class Suite:
    """A named part of the tests. When one that is `vital` fails, the rest is left out."""

    name: str
    run: Callable[[], Outcome]
    vital: bool = False


def suites(full: bool) -> list[Suite]:
    root = os.geteuid() == 0
    found = [
        Suite("set-up", lambda: Outcome.of(set_up() == 0), vital=True),
        Suite("format", formatting),
        Suite("manual pages", manual_pages),
        Suite("mutants apply", mutants.all_apply),
        Suite("build", lambda: Outcome.of(commands.build_for_tests(ROOT, []) == 0), vital=True),
        Suite("unit tests", lambda: commands.swift_tests(ROOT, [], [], LOGS)),
        Suite("release build", release_build, vital=True),
    ]
    if has_simulation():
        seeds = SEEDS_FULL if full else SEEDS
        group_seeds = GROUP_SEEDS_FULL if full else GROUP_SEEDS
        found.append(Suite("simulation", lambda: simulation(seeds)))
        found.append(Suite("simulation of groups", lambda: simulation(group_seeds, "--groups")))
    if not root:
        print("Not root: the tests in network namespaces are left out.", flush=True)
    found.append(Suite("integration", lambda: integration([])))
    found.append(Suite("conformance", lambda: conformance([])))
    if full and root:
        found.append(Suite("figures", lambda: integration(["--figures"])))
        found.append(Suite("long tests", lambda: integration(["--long"])))
        found.append(Suite("hostile clients", lambda: conformance(["--long"])))
        for number in range(2, ROUNDS_FULL + 1):
            found.append(Suite(f"integration, round {number}", lambda: integration([])))
        for profile in DEMO_PROFILES:
            found.append(Suite(f"demo, {profile}", lambda profile=profile: demo(profile)))
    return found


# MARK: - The suites


def formatting() -> Outcome:
    lint = ["swift", "format", "lint", "--strict", "--recursive", "--parallel"]
    return Outcome.of(run_group([*lint, "Package.swift", "Sources", "Tests"], cwd=ROOT) == 0)


def manual_pages() -> Outcome:
    """Each page is one test: no diagnostic down to a style suggestion.

    Whether a page referred to is installed, or listed, says nothing about ours; that does not count.
    """
    total = Outcome()
    for page in sorted((ROOT / "man").glob("*.[0-9]")):
        said = run("mandoc", "-T", "lint", "-W", "style", str(page), check=False)
        lines = (said.stdout + said.stderr).splitlines()
        elsewhere = ("referenced manual not found", "outdated mandoc.db")
        found = [line for line in lines if not any(word in line for word in elsewhere)]
        print("".join(line + "\n" for line in found), end="", flush=True)
        total += Outcome.of(not found)
    return total


def release_build() -> Outcome:
    products = PRODUCTS + ((SIMULATE,) if has_simulation() else ())
    return Outcome.of(commands.build_release(ROOT, [], products) == 0)


def simulation(seeds: int, *layer: str) -> Outcome:
    argv = [str(BUILD / "release" / SIMULATE), *layer, "--seeds", str(seeds)]
    return Outcome.of(run_group(argv, cwd=ROOT) == 0)


def integration(options: list[str]) -> Outcome:
    return commands.integration(ROOT, BUILD / "release", options, LOGS / "integration.json")


def conformance(options: list[str]) -> Outcome:
    return commands.conformance(ROOT, BUILD / "release", options, LOGS / "conformance.json")


def demo(profile: str) -> Outcome:
    return Outcome.of(run_group([str(ROOT / "scripts" / "demo"), "--profile", profile]) == 0)


def has_simulation() -> bool:
    return (ROOT / "Sources" / "Simulation" / SIMULATE).is_dir()


# MARK: - Running them


def run_all(chosen: list[Suite], full: bool) -> Outcome:
    """Runs the suites. A full run remembers those that passed and, when run again on the same tree
    after an interruption or a failure, goes on with the others."""
    tree = tree_identity() if full else None
    done = outcome.load(PROGRESS, tree) if tree else {}
    total = Outcome()
    took: list[str] = []
    for suite in chosen:
        print(f"\n== {suite.name}", flush=True)
        begin = time.monotonic()
        if suite.name in done and not suite.vital:
            result, note = done[suite.name], "before"
        else:
            result = suite.run()
            note = f"{time.monotonic() - begin:.1f} s"
        took.append(f"   {suite.name:24} {note:>10}   {result}")
        print(f"   {result} ({note})", flush=True)
        total += result
        if tree and not result.failed:
            done[suite.name] = result
            outcome.store(PROGRESS, tree, done)
        if suite.vital and result.failed:
            print("   The suites after this one need it and are left out.", flush=True)
            break
    else:
        PROGRESS.unlink(missing_ok=True) if full and not total.failed else None
    print("\nWhat each suite took:\n" + "\n".join(took))
    return total


def tree_identity() -> str | None:
    """A hash of all files git knows or would add; None outside a repository."""

    def git(*arguments: str) -> bytes:
        argv = ["git", "-C", str(ROOT), *arguments]
        return subprocess.run(argv, check=True, capture_output=True).stdout

    try:
        digest = hashlib.sha256(git("rev-parse", "HEAD") + git("diff", "HEAD", "--binary"))
        for name in git("ls-files", "-z", "--others", "--exclude-standard").split(b"\0"):
            path = ROOT / os.fsdecode(name)
            if name and path.is_file():
                digest.update(name + path.read_bytes())
    except (OSError, subprocess.CalledProcessError):
        return None
    return digest.hexdigest()


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/test",
        description="Sets up, checks, builds and tests everything. Run as root it includes the tests in "
        "network namespaces. It ends with the line 'N passed, M failed, K skipped'.",
    )
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument(
        "--full",
        action="store_true",
        help="also measured figures, repeats and long simulations; run again after an interruption, it "
        "goes on where it was",
    )
    kind.add_argument(
        "--mutants",
        nargs="*",
        metavar="NAME",
        help="require that each deliberate bug of Tests/Mutants, or each named one, makes a test fail",
    )
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    begin = time.monotonic()
    try:
        if options.mutants is not None:
            total = mutants.run_all(options.mutants)
        else:
            total = run_all(suites(options.full), options.full)
    except CommandFailed as error:
        print(f"scripts/test: {error}", file=sys.stderr, flush=True)
        total = Outcome(failed=1)
    print(f"   {'all':24} {time.monotonic() - begin:>8.1f} s")
    print(total, flush=True)
    return 1 if total.failed or not total.passed else 0


if __name__ == "__main__":
    sys.exit(lifetime.guarded(lambda: main(sys.argv[1:])))
