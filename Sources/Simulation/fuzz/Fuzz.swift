// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

/// Feeds damaged bytes to every decoder, and damaged packets to working engines.
@main
struct Fuzz: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fuzz",
    abstract: "Feed damaged bytes to decoders, parsers and working ring engines.",
    discussion: """
      Each seed is one run, and replays exactly. A trap ends the process: scripts/fuzz names the \
      seeds that were under way.
      """
  )

  @Option(help: "The first seed.")
  var seed: UInt64 = 1

  @Option(help: "The number of seeds.")
  var seeds: UInt64 = 100

  @Option(help: "The events of each run.")
  var steps = 3_000

  func run() throws {
    var (decoded, refused, delivered, accepted) = (UInt64(0), UInt64(0), UInt64(0), UInt64(0))
    var (forged, longest) = (UInt64(0), Duration.zero)
    for seed in seed..<seed + seeds {
      var ring = LiveRing(seed: seed)
      do {
        try ring.run(steps: steps)
      } catch {
        print("seed \(seed): \(error.text)")
        throw ExitCode(1)
      }
      var parsers = Parsers(seed: seed)
      parsers.run(steps: steps)
      decoded += ring.decoded
      refused += ring.refused + parsers.refused
      delivered += ring.delivered
      forged += ring.forged
      longest = max(longest, ring.formedAfter)
      accepted += parsers.accepted
    }
    print(
      "\(seeds) seeds: \(decoded) damaged and \(forged) forged packets reached engines that "
        + "delivered \(delivered), and formed a ring \(longest) later at the latest; \(accepted) "
        + "damaged texts were accepted, \(refused) refused"
    )
  }
}
