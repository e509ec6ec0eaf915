# SPDX-License-Identifier: Apache-2.0
"""Benchmarks in network namespaces, against peers from Debian in the same run.

- `peers` builds and starts what is measured: our ring and corosync, three members each;
- `ring` measures ordered multicast: throughput, latency, the idle cluster, changes of membership;
- `figures` computes medians and prints tables;
- `cpg.c` is the client of corosync, the counterpart of Sources/Programs/ringbench.
"""
