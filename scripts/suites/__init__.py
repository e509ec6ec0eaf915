# SPDX-License-Identifier: Apache-2.0
"""What scripts/test runs: the suites, the counting of their tests, and the mutants."""
