# SPDX-License-Identifier: Apache-2.0
"""Runs commands that leave orphans, sessions and files behind, until a signal ends it.

    python3 -m lab.shed [--once]
"""

from __future__ import annotations

import sys

from . import lifetime
from .process import run_group

COMMAND = """
mktemp >"${TMPDIR:?}/name"
setsid sleep 1000 &
(setsid sh -c 'sleep 999 & exec sleep 998' &)
sleep 0.05
"""


def main() -> int:
    print("up", flush=True)
    while True:
        status = run_group(["sh", "-c", COMMAND])
        if status != 0 or "--once" in sys.argv:
            return status


if __name__ == "__main__":
    sys.exit(lifetime.guarded(main))
