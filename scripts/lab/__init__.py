# SPDX-License-Identifier: Apache-2.0
"""A laboratory of real daemons in network namespaces, for the demo and the integration tests.

One `Cluster` is a bridge, some nodes and a client, each in a network namespace of its own:

- `lifetime` names what belongs to a cluster, removes it on every way out, and removes what dead runs left;
- `network` builds the namespaces and cuts, heals and partitions them;
- `recorder`, `echo` and `probe` are the instruments, each a child process with one clock
  (CLOCK_MONOTONIC) for all namespaces;
- `timeline` and `arp` compute from what the instruments recorded and do no input or output;
- `cluster` starts the daemons, asks them for their status and compares it with the kernel's addresses.

Everything needs root except `timeline`, `arp` and `configuration`.
"""
