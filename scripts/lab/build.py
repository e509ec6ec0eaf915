# SPDX-License-Identifier: Apache-2.0
"""Sets up the machine and builds the release binaries that demo and integration tests run."""

from __future__ import annotations

import fcntl
import os
import sys
from pathlib import Path
from typing import Any

from . import lifetime
from .process import SCRIPTS, run_group

ROOT = SCRIPTS.parent
PRODUCTS = ("wackamole", "wackamole-guardian", "wackamole-runner", "wackatrl", "spreadctl", "spreadd")


def set_up() -> int:
    """Makes sure that everything can be built and run here, before anything takes long.

    Runs scripts/setup, or only its check without root. Gives an exit status, and has said what is wrong.
    """
    look_only = [] if os.geteuid() == 0 else ["--check"]
    status = run_group([str(SCRIPTS / "setup"), *look_only])
    if status != 0:
        return status
    refusal = unwritable(ROOT) or (lifetime.refused_namespaces() if os.geteuid() == 0 else None)
    if refusal is None:
        return 0
    print(refusal, file=sys.stderr, flush=True)
    return 1


def unwritable(root: Path) -> str | None:
    """Why nothing can be built in a checkout, if so."""
    place = root / ".build"
    for each in (root, place):
        if os.path.exists(each) and not os.access(each, os.W_OK | os.X_OK):
            return f"{each} cannot be written by this user, and the build goes to {place}: use a clone of your own"
    return None


def swift(argv: list[str], root: Path, **options: Any) -> int:
    """Runs a command of SwiftPM and gives its exit status.

    SwiftPM keeps its locks in the folder for temporary files, of which each run of ours has its own; so
    two runs on one tree take turns by a lock of ours.
    """
    place = root / ".build"
    place.mkdir(exist_ok=True)
    with (place / "scripts.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Waiting for another run that builds here.", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        return run_group(argv, cwd=root, **options)


def release_command(product: str) -> list[str]:
    """The command that builds one product as it is shipped: optimised, with a static runtime."""
    return ["swift", "build", "-c", "release", "--static-swift-stdlib", "--product", product]


def build_release() -> int:
    """Builds the products, showing the progress; gives the exit status of the first that fails."""
    for product in PRODUCTS:
        status = swift(release_command(product), ROOT)
        if status != 0:
            return status
    return 0
