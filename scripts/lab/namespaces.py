# SPDX-License-Identifier: Apache-2.0
"""Network namespaces by name, as `ip netns` keeps them."""

from __future__ import annotations

import contextlib
import ctypes
import os
from pathlib import Path
from typing import Iterator

from .process import run

NETNS = Path("/run/netns")
CLONE_NEWNET = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)


def add(name: str) -> None:
    run("ip", "netns", "add", name)


def delete(name: str) -> None:
    run("ip", "netns", "delete", name, check=False)


def names() -> list[str]:
    """The namespaces of this machine, other programs' included."""
    return sorted(path.name for path in NETNS.iterdir()) if NETNS.is_dir() else []


def pids(name: str) -> list[int]:
    """The processes inside a namespace; none when it is gone."""
    listed = run("ip", "netns", "pids", name, check=False)
    return [int(word) for word in listed.stdout.split()]


def command(name: str, *argv: str) -> list[str]:
    """The command line that runs a program inside a namespace, under its own process id."""
    return ["nsenter", f"--net={NETNS / name}", "--", *argv]


@contextlib.contextmanager
def entered(name: str) -> Iterator[None]:
    """Moves the calling thread into a namespace; sockets opened here stay there afterwards."""
    with open("/proc/thread-self/ns/net", "rb") as home, open(NETNS / name, "rb") as there:
        _set_namespace(there.fileno())
        try:
            yield
        finally:
            _set_namespace(home.fileno())


def _set_namespace(descriptor: int) -> None:
    if _libc.setns(descriptor, CLONE_NEWNET) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"setns: {os.strerror(error)}")
