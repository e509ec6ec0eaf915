# SPDX-License-Identifier: Apache-2.0
"""Sets up the machine and builds the release binaries that demo and integration tests run."""

from __future__ import annotations

import os

from .process import SCRIPTS, run_group

ROOT = SCRIPTS.parent
PRODUCTS = ("wackamole", "wackamole-guardian", "spreadctl")


def set_up() -> int:
    """Runs scripts/setup, or only its check without root; gives its exit status."""
    look_only = [] if os.geteuid() == 0 else ["--check"]
    return run_group([str(SCRIPTS / "setup"), *look_only])


def release_command(product: str) -> list[str]:
    """The command that builds one product as it is shipped: optimised, with a static runtime."""
    return ["swift", "build", "-c", "release", "--static-swift-stdlib", "--product", product]


def build_release() -> int:
    """Builds the products, showing the progress; gives the exit status of the first that fails."""
    for product in PRODUCTS:
        status = run_group(release_command(product), cwd=ROOT)
        if status != 0:
            return status
    return 0
