// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

/// Measures engines without a network; the figures are of this machine.
struct Benchmark: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "benchmark",
    abstract: "Measures engines without a network.",
    subcommands: [GroupsBenchmark.self, AnnouncementsBenchmark.self]
  )
}

Benchmark.main()
