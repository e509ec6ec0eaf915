# SPDX-License-Identifier: Apache-2.0
"""What belongs to a cluster, and how it goes away again.

All that a cluster leaves in the kernel or on disk carries its identity, `wacklab-PID-N`: network
namespaces `wacklab-PID-N-HOST` and the directory `/run/wacklab-PID-N`. So removal needs no list of what
was made: it looks for the identity. The same removal serves the normal end, an error, a signal, and the
sweep of what a killed run left behind.

A program also has a private directory for temporary files, `wacklab-PID-...` where `TMPDIR` points, and
is where its orphaned descendants go (compilers make sessions of their own): both end with it.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
import re
import shutil
import signal
import stat
import tempfile
import time
from pathlib import Path
from typing import Callable, Iterator

from . import descendants, namespaces
from .process import CommandFailed

RUN = Path("/run")
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
IDENTITY = re.compile(r"(wacklab-(\d+)-\d+)(?:-.*)?")

_numbers = itertools.count(1)
_alive: set[str] = set()
_temporary: list[Path] = []


class Interrupted(KeyboardInterrupt):
    """A signal asked this program to end; raised in the main thread so that `with` blocks unwind."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def create() -> tuple[str, Path]:
    """Gives a new identity and its directory, to be removed when this program ends."""
    pid = os.getpid()
    identity = f"wacklab-{pid}-{next(_numbers)}"
    directory = RUN / identity
    directory.mkdir(mode=0o700)
    (directory / "owner").write_text(f"{pid} {_start_time(pid)}\n")
    _alive.add(identity)
    return identity, directory


def keep(identity: str) -> None:
    """Lets a cluster outlive this program; `remove` takes it away later."""
    (RUN / identity / "kept").touch()
    _alive.discard(identity)


def remove(identity: str) -> None:
    """Ends the processes, namespaces and directory of a cluster; what is gone already is no error."""
    with shielded():
        mine = [name for name in namespaces.names() if _identity(name) == identity]
        _end_processes(mine)
        for name in mine:
            namespaces.delete(name)
        shutil.rmtree(RUN / identity, ignore_errors=True)
        _alive.discard(identity)


def refused_namespaces() -> str | None:
    """Why this machine gives no network namespaces, if so."""
    identity, _ = create()
    try:
        namespaces.add(f"{identity}-probe")
    except CommandFailed as failure:
        return (
            f"this machine refuses network namespaces, in which everything runs: {failure}\n"
            "Use a virtual machine, or a container with CAP_SYS_ADMIN and CAP_NET_ADMIN"
        )
    finally:
        remove(identity)
    return None


def leftovers() -> list[str]:
    """Identities whose program has ended and that were not kept."""
    return sorted(i for i in _identities() if not _owner_lives(i) and not is_kept(i))


def kept() -> list[str]:
    """Identities of clusters that were left up on purpose."""
    return sorted(i for i in _identities() if is_kept(i))


def is_kept(identity: str) -> bool:
    return (RUN / identity / "kept").exists()


def sweep() -> list[str]:
    """Removes what ended programs left behind and gives the identities removed."""
    found = leftovers()
    for identity in found:
        remove(identity)
    return found


@contextlib.contextmanager
def shielded() -> Iterator[None]:
    """Holds the ending signals back while something is removed; they act afterwards."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def guarded(program: Callable[[], int]) -> int:
    """Runs a whole program: sweeps first, turns signals into an orderly end, removes all at the end."""

    def interrupt(number: int, _frame: object) -> None:
        _ignore_ending()  # the first is enough: nothing disturbs the removal
        raise Interrupted(number)

    status = 1
    try:
        for each in ENDING:
            signal.signal(each, interrupt)
        descendants.adopt()
        _sweep_temporary()
        with shielded():
            _make_temporary()
        if os.geteuid() == 0:
            sweep()
        status = program()
    except Interrupted as reason:
        status = 128 + reason.number
        with contextlib.suppress(OSError):  # the terminal may be what has gone
            print(f"\nInterrupted by {reason}; removing everything.", flush=True)
    finally:
        with shielded():
            _ignore_ending()
            _remove_all()
    return status


def _ignore_ending() -> None:
    for each in ENDING:
        signal.signal(each, signal.SIG_IGN)


@atexit.register
def _remove_all() -> None:
    for identity in sorted(_alive):
        remove(identity)
    if _temporary:
        descendants.end(spared=_processes_kept())
        if os.geteuid() == 0:
            sweep()  # what programs below us left that had to be killed
        while _temporary:
            shutil.rmtree(_temporary.pop(), ignore_errors=True)


# MARK: - Temporary files


def _make_temporary() -> None:
    """Points `TMPDIR` at a new directory that is removed when this program ends."""
    pid = os.getpid()
    directory = Path(tempfile.mkdtemp(prefix=f"wacklab-{pid}-"))
    (directory / "owner").write_text(f"{pid} {_start_time(pid)}\n")
    _temporary.append(directory)
    os.environ["TMPDIR"] = tempfile.tempdir = str(directory)


def _sweep_temporary() -> None:
    """Removes the temporary directories of our programs that were killed, and the processes they left."""
    for directory in Path(tempfile.gettempdir()).glob("wacklab-*-*"):
        match = re.fullmatch(r"wacklab-(\d+)-\w+", directory.name)
        # Anybody may write there: what is not ours we leave alone. A link is no directory here.
        with contextlib.suppress(OSError):
            status = directory.lstat()
            ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
            if match and ours and not _program_lives(int(match.group(1)), directory):
                descendants.end_marked(f"TMPDIR={directory}", spared=_processes_kept())
                shutil.rmtree(directory, ignore_errors=True)


def _processes_kept() -> set[int]:
    """What runs in clusters that were left up on purpose."""
    if os.geteuid() != 0:
        return set()
    left = set(kept())
    mine = [name for name in namespaces.names() if _identity(name) in left]
    return {pid for name in mine for pid in namespaces.pids(name)}


def _identities() -> set[str]:
    directories = [path.name for path in RUN.glob("wacklab-*")]
    return {found for name in directories + namespaces.names() if (found := _identity(name))}


def _identity(name: str) -> str | None:
    match = IDENTITY.fullmatch(name)
    return match.group(1) if match else None


def _owner_lives(identity: str) -> bool:
    match = IDENTITY.fullmatch(identity)
    if match is None:
        return False
    return _program_lives(int(match.group(2)), RUN / identity)


def _program_lives(pid: int, directory: Path) -> bool:
    """Whether the program that made a directory still runs."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        recorded = (directory / "owner").read_text().split()
        return _start_time(pid) == recorded[1]
    return _start_time(pid) is not None


def _start_time(pid: int) -> str | None:
    """Start time of a process in clock ticks, which tells it from a later one with the same number."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def _end_processes(mine: list[str]) -> None:
    """Kills what runs inside the given namespaces, and waits until it is gone (at most 5 s)."""
    deadline = time.monotonic() + 5
    while pids := [pid for name in mine for pid in namespaces.pids(name)]:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            return
        time.sleep(0.01)
