# SPDX-License-Identifier: Apache-2.0
"""Child processes: commands that end, programs that stay, and instruments that are asked for records."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

from . import descendants

ADOPTED_EVERY = 0.5
"""How often (s) orphans that became our children are let go, so that they do not pile up."""

SCRIPTS = Path(__file__).resolve().parent.parent


_started: set[int] = set()


class CommandFailed(Exception):
    """A command ended with an error; the text holds the command and what it said."""


def run(
    *argv: str, check: bool = True, text: str | None = None, timeout: float = 30
) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end, with `text` on its standard input.

    Raises `CommandFailed` when it cannot be run, lasts longer than `timeout` seconds or, with `check`,
    ends with another status than 0.
    """
    try:
        done = subprocess.run(
            argv, input=text or "", capture_output=True, text=True, errors="replace", timeout=timeout
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CommandFailed(f"{' '.join(argv)}: {error}") from None
    if check and done.returncode != 0:
        said = (done.stderr or done.stdout).strip()
        raise CommandFailed(f"{' '.join(argv)}: exit {done.returncode}: {said}")
    return done


def run_group(argv: list[str], **options: Any) -> int:
    """Runs a command with children of its own to its end and gives its exit status.

    It runs in a session of its own; when we are interrupted, it is ended before we go on. What makes
    sessions of its own below it ends with us: see `lifetime.guarded`.
    """
    child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, start_new_session=True, **options)
    try:
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return child.wait(timeout=ADOPTED_EVERY)
            descendants.reap(_started | {child.pid})
    except BaseException:
        _end_group(child)
        raise


def _end_group(child: subprocess.Popen[Any], patience: float = 30) -> None:
    """Asks the whole session of a child to end, and kills what has not after `patience` seconds."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout=patience)


def start(
    argv: list[str], log: IO[bytes] | int, outlives: bool = False, **streams: int
) -> subprocess.Popen[bytes]:
    """Starts a program in a session of its own, so that Ctrl-C on the terminal reaches only us.

    It is killed when we die without cleaning up, unless it `outlives` us.
    """
    guard = [] if outlives else ["setpriv", "--pdeathsig", "KILL", "--"]
    streams = {"stdin": subprocess.DEVNULL, "stdout": log} | streams
    environment = os.environ | {"PYTHONPATH": str(SCRIPTS), "PYTHONDONTWRITEBYTECODE": "1"}
    child = subprocess.Popen(
        guard + argv, stderr=log, start_new_session=True, env=environment, **streams
    )
    _started.add(child.pid)
    return child


def program(module: str, *arguments: str) -> list[str]:
    """The command line of one of our own modules as a program."""
    return [sys.executable, "-m", f"lab.{module}", *arguments]


class Instrument:
    """A recording child process; it keeps its records until it is asked for them.

    The child writes `ready` when it records, answers each line `pull` with the records since the last
    pull and an empty line, and ends when its standard input closes.
    """

    def __init__(self, argv: list[str], log: Path) -> None:
        self._log = log
        with log.open("ab") as errors:
            self._child = start(
                argv, errors.fileno(), stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
        if self._read() != "ready":
            raise CommandFailed(f"{' '.join(argv)} did not get ready")

    def pull(self) -> list[str]:
        """Records since the last pull, complete up to now."""
        assert self._child.stdin is not None
        try:
            self._child.stdin.write(b"pull\n")
            self._child.stdin.flush()
        except BrokenPipeError as error:
            raise self._ended() from error
        lines = []
        while line := self._read():
            lines.append(line)
        return lines

    def stop(self) -> None:
        if self._child.stdin is not None:
            try:
                self._child.stdin.close()
            except BrokenPipeError:
                pass
        try:
            self._child.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    def _read(self) -> str:
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        if not line:
            raise self._ended()
        return line.decode().rstrip("\n")

    def _ended(self) -> CommandFailed:
        said = self._log.read_text(errors="replace").strip()
        return CommandFailed(f"an instrument ended early: {said or 'it said nothing'}")
