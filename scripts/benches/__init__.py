# SPDX-License-Identifier: Apache-2.0
"""Benchmarks in network namespaces, against peers from Debian in the same run.

- `peers` builds and starts what is measured: our ring, spreadd and corosync, three members each;
- `ring` measures ordered multicast: throughput, latency, sessions, the idle cluster, changes of membership;
- `figures` computes medians and prints tables;
- `cpg.c` and `spread.c` are the clients of corosync and of spreadd, the counterparts of
  Sources/Programs/ringbench; `member.h` is what they share.
"""
