# SPDX-License-Identifier: Apache-2.0
"""Deliberate bugs, each of which must make a test fail.

A mutant is a patch Tests/Mutants/NAME.patch. The lines before its first `diff` say what it breaks and
name, in lines of this form, the tests that have to fail:

    # kills: swift test --filter FailoverTests
    # kills: integration test_failover
    # kills: conformance test_forgery

They are applied one after the other in a throw-away worktree of the present state of the repository, with
one build directory for all, and taken back.
"""

from __future__ import annotations

import contextlib
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

from lab.build import PRODUCTS, ROOT
from lab.process import CommandFailed, run

from . import commands
from .outcome import Outcome

PATCHES = ROOT / "Tests" / "Mutants"
PLACE = ROOT / ".build-mutants"
TREE = PLACE / "tree"
SCRATCH = ["--scratch-path", str(PLACE / "build")]
BINARIES = PLACE / "build" / "release"
MARK = "# kills:"
IDENTITY = ("-c", "user.name=mutants", "-c", "user.email=mutants@localhost")


class BadMutant(Exception):
    """A patch that proves nothing: it does not apply, does not build, or names no test."""


@dataclass(frozen=True)
class Mutant:
    """One patch and the test commands that have to fail with it."""

    name: str
    patch: Path
    kills: tuple[str, ...]

    @staticmethod
    def read(patch: Path) -> Mutant:
        head = patch.read_text().partition("\ndiff ")[0].splitlines()
        kills = [line.removeprefix(MARK).strip() for line in head if line.startswith(MARK)]
        return Mutant(patch.stem, patch, tuple(kills))


def run_all(names: list[str]) -> Outcome:
    """Proves all mutants, or the named ones; each is one test."""
    mutants = [Mutant.read(patch) for patch in sorted(PATCHES.glob("*.patch"))]
    unknown = sorted(set(names) - {mutant.name for mutant in mutants})
    if unknown:
        print(f"No such mutant: {', '.join(unknown)}. There are:")
        print("".join(f"   {mutant.name}\n" for mutant in mutants), end="")
        return Outcome(failed=len(unknown))
    chosen = [mutant for mutant in mutants if not names or mutant.name in names]
    with _worktree():
        sound = _prove_sound({command for mutant in chosen for command in mutant.kills})
        if sound.failed:
            print("Without any mutant these tests fail already, so they prove nothing.")
            return sound
        return sum((_prove(mutant) for mutant in chosen), Outcome())


def all_apply() -> Outcome:
    """Whether every patch still fits the tree; to find that out costs nothing, unlike to prove one."""
    if run("git", "-C", str(ROOT), "rev-parse", "--git-dir", check=False).returncode != 0:
        print("Not a git repository: whether the mutants apply is not looked at.", flush=True)
        return Outcome(skipped=1)
    total = Outcome()
    for patch in sorted(PATCHES.glob("*.patch")):
        said = run("git", "-C", str(ROOT), "apply", "--check", str(patch), check=False)
        if said.returncode != 0:
            print(f"{patch.stem} no longer applies:\n{said.stderr}", end="", flush=True)
        total += Outcome.of(said.returncode == 0)
    return total


def _prove_sound(kills: set[str]) -> Outcome:
    print("\n== without a mutant", flush=True)
    _build(kills)
    results = {command: _run(command) for command in sorted(kills)}
    failed = [command for command, result in results.items() if result.failed]
    for command in failed:
        print(f"   fails: {command}")
    return Outcome(failed=len(failed))


def _prove(mutant: Mutant) -> Outcome:
    print(f"\n== mutant {mutant.name}", flush=True)
    try:
        if not mutant.kills:
            raise BadMutant(f"it names no test: a line '{MARK} swift test --filter NAME' is missing")
        with _applied(mutant):
            _build(set(mutant.kills))
            failing = {command: _run(command, explain=False).failed for command in mutant.kills}
    except BadMutant as reason:
        print(f"   BAD MUTANT {mutant.name}: {reason}", flush=True)
        return Outcome(failed=1)
    for command, failed in failing.items():
        verdict = f"caught ({failed} failed)" if failed else "SURVIVED"
        print(f"   {mutant.name}: {verdict}: {command}", flush=True)
    return Outcome.of(all(failing.values()))


def _build(kills: set[str]) -> None:
    """Builds what the commands need. Raises `BadMutant` when that fails."""
    if any(_is_swift(command) for command in kills) and commands.build_for_tests(TREE, SCRATCH) != 0:
        raise BadMutant("it does not build")
    if not all(_is_swift(command) for command in kills):
        if commands.build_release(TREE, SCRATCH, PRODUCTS) != 0:
            raise BadMutant("its release build fails")


def _run(command: str, explain: bool = True) -> Outcome:
    words = shlex.split(command)
    if _is_swift(command):
        return commands.swift_tests(TREE, SCRATCH, words[2:], PLACE / "logs", explain)
    if words[:1] == ["integration"]:
        return commands.integration(TREE, BINARIES, words[1:], PLACE / "logs" / "integration.json")
    if words[:1] == ["conformance"]:
        return commands.conformance(TREE, BINARIES, words[1:], PLACE / "logs" / "conformance.json")
    raise BadMutant(f"'{command}' is neither 'swift test ...' nor 'integration ...' nor 'conformance ...'")


def _is_swift(command: str) -> bool:
    return shlex.split(command)[:2] == ["swift", "test"]


@contextlib.contextmanager
def _worktree() -> Iterator[None]:
    """A worktree of the present state, changes that are not committed included."""
    PLACE.mkdir(exist_ok=True)
    _remove_worktree()
    present = _git(*IDENTITY, "stash", "create").strip() or "HEAD"
    _git("worktree", "add", "--detach", "--force", str(TREE), present)
    try:
        yield
    finally:
        _remove_worktree()


def _remove_worktree() -> None:
    with contextlib.suppress(CommandFailed):
        _git("worktree", "remove", "--force", str(TREE))
    _git("worktree", "prune")


@contextlib.contextmanager
def _applied(mutant: Mutant) -> Iterator[None]:
    try:
        _git("apply", "--whitespace=nowarn", str(mutant.patch), at=TREE)
    except CommandFailed as error:
        raise BadMutant(f"it does not apply: {error}") from error
    try:
        yield
    finally:
        _git("apply", "--reverse", "--whitespace=nowarn", str(mutant.patch), at=TREE)


def _git(*arguments: str, at: Path = ROOT) -> str:
    return run("git", "-C", str(at), *arguments).stdout
