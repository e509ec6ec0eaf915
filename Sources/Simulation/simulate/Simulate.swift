// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Worlds

/// Runs many seeded worlds and reports the first violation of a rule in each.
@main
struct Simulate: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "simulate",
    abstract: "Run worlds of virtual hosts under faults, and check every rule of delivery.",
    discussion: """
      Each seed is one world; the same seed is the same world. First faults strike, and nothing
      forbidden may happen; then everything is mended, and what must come to pass has to. Exit
      status: 0 if all rules held, 1 if one was broken, 2 for bad usage.
      """
  )

  @Option(help: "The number of worlds.")
  var seeds: UInt64 = 1_000

  @Option(help: "The first seed.")
  var seed: UInt64 = 1

  @Option(help: "The hosts of each world, 1 to 31; 3 to 7 by the seed if not given.")
  var nodes: Int?

  @Flag(help: "Run process groups over the ring, with processes that use them.")
  var groups = false

  @Flag(help: "Run whole fail-over daemons instead of ring engines alone.")
  var failover = false

  @Option(help: "The worlds that run at the same time.")
  var jobs: Int = 2

  @Option(help: "Write what happened to this file; only with --seeds 1.")
  var transcript: String?

  @Flag(help: "Write one line for scripts/simulate --sum instead of the table.")
  var json = false

  @Option(help: .hidden)
  var commit = "unknown"

  func validate() throws {
    guard seeds > 0 else { throw ValidationError("--seeds must be at least 1") }
    guard seed.addingReportingOverflow(seeds).overflow == false else {
      throw ValidationError("--seed plus --seeds is beyond 64 bits")
    }
    guard (1...Cast.most).contains(nodes ?? 1) else {
      throw ValidationError("--nodes must be 1 to \(Cast.most)")
    }
    guard (1...256).contains(jobs) else { throw ValidationError("--jobs must be 1 to 256") }
    guard !(groups && failover) else {
      throw ValidationError("--groups and --failover exclude each other")
    }
    guard transcript == nil || seeds == 1 else {
      throw ValidationError("--transcript needs --seeds 1")
    }
  }

  func run() async throws {
    let campaign = Campaign(nodes: nodes, layer: layer)
    let clock = ContinuousClock()
    let began = clock.now
    var report = Report()
    if let transcript {
      let outcome = campaign.run(seed: seed, keepsTranscript: true)
      try write(outcome.transcript, to: transcript)
      report.add(outcome, seed: seed, replay: replay(seed))
    } else {
      report = await runAll(of: campaign)
    }
    let took = began.duration(to: clock.now)
    if json {
      let run = Run(seed: seed, seeds: seeds, nodes: nodes, commit: commit)
      print(report.line(of: campaign.layer, run: run, took: took))
    } else {
      print(report.text(of: campaign.layer, took: took))
    }
    if !report.failures.isEmpty { throw ExitCode(1) }
  }

  private var layer: Counters.Layer { failover ? .failover : groups ? .groups : .ring }

  /// Each job takes the next seeds as soon as it is done with its last.
  private func runAll(of campaign: Campaign) async -> Report {
    let batch: UInt64 = 16
    return await withTaskGroup(of: Report.self) { group in
      var next = seed
      let end = seed + seeds
      var total = Report()
      func launch() {
        guard next < end else { return }
        let range = next..<min(end, next + batch)
        next = range.upperBound
        group.addTask {
          var report = Report()
          for seed in range {
            report.add(campaign.run(seed: seed), seed: seed, replay: replay(seed))
          }
          return report
        }
      }
      for _ in 0..<jobs { launch() }
      for await report in group {
        if !json { for failure in report.failures { print(failure) } }
        total.add(report)
        launch()
      }
      return total
    }
  }

  private func replay(_ seed: UInt64) -> String {
    "scripts/simulate --seed \(seed) --seeds 1"
      + (nodes.map { " --nodes \($0)" } ?? "") + (failover ? " --failover" : "")
      + (groups ? " --groups" : "")
      + " --transcript seed-\(seed).txt"
  }
}
