# SPDX-License-Identifier: Apache-2.0
"""Builds a cluster, says `up` when it runs, and stays until a signal ends it.

    python3 -m lab.stay
"""

from __future__ import annotations

import signal
import sys

from . import lifetime
from .cluster import Cluster


def main() -> int:
    with Cluster(nodes=2, vips=2) as cluster:
        cluster.probe(cluster.settings.addresses[0])
        cluster.start()
        cluster.wait_settled("after the start")
        print("up", flush=True)
        while True:
            signal.pause()


if __name__ == "__main__":
    sys.exit(lifetime.guarded(main))
