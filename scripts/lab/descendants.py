# SPDX-License-Identifier: Apache-2.0
"""The processes below this one, also those that made sessions of their own or lost their parent."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
PATIENCE = 10.0
"""How long (s) a killed process may take to go; longer it hangs in the kernel."""

_libc = ctypes.CDLL(None, use_errno=True)


def adopt() -> None:
    """From now on, a descendant whose parent ends becomes our child instead of that of process 1."""
    if _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"prctl: {os.strerror(error)}")


def reap(mine: set[int]) -> None:
    """Takes note of the end of adopted children: those that are not `mine`."""
    for pid, (parent, state) in _table().items():
        if parent == os.getpid() and state == "Z" and pid not in mine:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


def end(spared: set[int]) -> None:
    """Kills all descendants but those `spared`, and waits until they are gone."""
    deadline = time.monotonic() + PATIENCE
    # A process may fork while we look, so one look that finds none is needed at the end.
    while found := _below(os.getpid()) - spared:
        _kill(found)
        reap(set())
        if time.monotonic() > deadline:
            return
        time.sleep(0.01)


def end_marked(variable: str, spared: set[int]) -> None:
    """Kills the processes that were started with `NAME=VALUE` in their environment."""
    deadline = time.monotonic() + PATIENCE
    while found := marked(variable) - spared - {os.getpid()}:
        _kill(found)
        if time.monotonic() > deadline:
            return
        time.sleep(0.01)


def marked(variable: str) -> set[int]:
    """The processes that were started with `NAME=VALUE` in their environment."""
    return {pid for pid in _table() if _has(pid, variable)}


def _kill(pids: set[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def _below(root: int) -> set[int]:
    """All descendants of a process that still run, or are dead children of it."""
    table = _table()
    children: dict[int, list[int]] = {}
    for pid, (parent, _) in table.items():
        children.setdefault(parent, []).append(pid)
    found: set[int] = set()
    rest = [root]
    while rest:
        for pid in children.get(rest.pop(), []):
            found.add(pid)
            rest.append(pid)
    return found


def _has(pid: int, variable: str) -> bool:
    with contextlib.suppress(OSError):
        return variable.encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return False


def _table() -> dict[int, tuple[int, str]]:
    """Parent and state of every process."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent = path.read_text(errors="replace").rpartition(")")[2].split()[:2]
            found[int(path.parent.name)] = (int(parent), state)
    return found
