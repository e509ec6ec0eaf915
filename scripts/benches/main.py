# SPDX-License-Identifier: Apache-2.0
"""The command line of scripts/bench."""

from __future__ import annotations

import argparse
import os
import sys

from lab import lifetime
from lab.process import CommandFailed

from . import failover, peers, ring


def main() -> int:
    options = _options()
    if os.geteuid() != 0:
        print("scripts/bench: run me as root: I build network namespaces", file=sys.stderr)
        return 2
    if options.what == "failover":
        return _failover(options)
    try:
        peers.prepare("ringbench" if options.what == "ring" else "spreadd")
        for service in options.services:
            plan = ring.Plan(
                rounds=options.rounds,
                peers=options.peers,
                sizes=options.sizes,
                seconds=options.seconds,
                senders=options.senders,
                service=service,
            )
            for name in options.measure:
                table = ring.MEASUREMENTS[name](plan)
                load = os.getloadavg()[0]
                print(f"\n{name}, {service}: median (least..greatest) of {plan.rounds} rounds, load {load:.1f}")
                print(table.text(options.reference) + "\n", flush=True)
    except (CommandFailed, ring.Disorder) as failure:
        print(f"scripts/bench: {failure}", file=sys.stderr)
        return 1
    return 0


def _failover(options: argparse.Namespace) -> int:
    plan = failover.Plan(options.rounds, options.vips, options.profiles, options.faults, options.backend)
    try:
        table = failover.failover(plan)
    except (CommandFailed, AssertionError) as failure:
        print(f"scripts/bench: {failure}", file=sys.stderr)
        return 1
    print(f"\nfailover: median (least..greatest) of {plan.rounds} rounds, load {os.getloadavg()[0]:.1f}")
    print(table.text("") + "\n", flush=True)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description="Measure the programs against their peers, in network namespaces."
    )
    what = parser.add_subparsers(dest="what", required=True)
    ordered = {
        "ring": (
            "ordered multicast by the ring against corosync CPG, three members",
            ["throughput", "latency", "idle"],
            ["ring", "ring-sealed", "corosync", "corosync-rt"],
        ),
        "spreadd": (
            "ordered multicast by clients of three daemons against corosync CPG",
            ["throughput", "latency", "sessions"],
            ["spreadd", "corosync"],
        ),
    }
    for name, (explanation, measured, compared) in ordered.items():
        sub = what.add_parser(
            name, help=explanation, formatter_class=argparse.ArgumentDefaultsHelpFormatter
        )
        sub.add_argument("--measure", nargs="+", choices=ring.MEASUREMENTS, default=measured)
        sub.add_argument("--peers", nargs="+", choices=ring.PEERS, default=compared)
        sub.add_argument("--reference", choices=ring.PEERS, default="corosync", help="what ratios are against")
        sub.add_argument("--rounds", type=int, default=5)
        sub.add_argument("--seconds", type=float, default=2.0, help="length of each measurement")
        sub.add_argument("--sizes", nargs="+", type=int, default=[100, 250, 1350, 8000], help="payloads in bytes")
        sub.add_argument("--senders", type=int, choices=(1, 2, 3), default=3)
        sub.add_argument("--services", nargs="+", choices=("agreed", "safe"), default=["agreed"])
    fault = what.add_parser(
        "failover",
        help="what each fault costs a client of an address, three members; needs the release build",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    fault.add_argument("--rounds", type=int, default=5)
    fault.add_argument("--vips", type=int, default=10, help="virtual addresses")
    fault.add_argument(
        "--backend", choices=("embedded", "spread"), default="embedded", help="spread: on a spreadd at each server"
    )
    fault.add_argument("--profiles", nargs="+", choices=("lan", "fast", "wan"), default=["lan", "fast"])
    fault.add_argument("--faults", nargs="+", choices=failover.FAULTS, default=list(failover.FAULTS))
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(lifetime.guarded(main))
