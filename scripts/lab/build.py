# SPDX-License-Identifier: Apache-2.0
"""Sets up the machine and builds the release binaries that demo and integration tests run."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Any

from .process import SCRIPTS, run_group

ROOT = SCRIPTS.parent
PRODUCTS = ("wackamole", "wackamole-guardian", "wackamole-runner", "wackatrl", "spreadctl", "spreadd")


def set_up() -> int:
    """Runs scripts/setup, or only its check without root; gives its exit status."""
    look_only = [] if os.geteuid() == 0 else ["--check"]
    return run_group([str(SCRIPTS / "setup"), *look_only])


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
