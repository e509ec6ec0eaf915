// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// Each file of `Scenarios` records what members do when something happens to them.
///
/// `UPDATE_SCENARIOS=1 swift test --filter ScenarioTests` writes the records anew: what changed is
/// then to be judged by the rules of Extended Virtual Synchrony, line by line.
@Suite("Scenarios")
struct ScenarioTests {
  private static let place = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "Scenarios")

  static let names: [String] = {
    let files = try? FileManager.default.contentsOfDirectory(atPath: place.path())
    return (files ?? []).filter { $0.hasSuffix(".txt") }.sorted()
  }()

  @Test("There are scenarios, and each says why it is there")
  func explained() throws {
    #expect(Self.names.count >= 13)
    for name in Self.names {
      let text = try String(contentsOf: Self.place.appending(path: name), encoding: .utf8)
      #expect(text.hasPrefix("# "), "\(name)")
    }
  }

  @Test("What happens is what was recorded, and breaks no rule", arguments: names)
  func recorded(name: String) throws {
    let file = Self.place.appending(path: name)
    let scenario = try String(contentsOf: file, encoding: .utf8)
    let transcript = try Transcript(running: scenario)
    if ProcessInfo.processInfo.environment["UPDATE_SCENARIOS"] == "1" {
      try transcript.text.write(to: file, atomically: true, encoding: .utf8)
    } else {
      let (old, new) = (scenario.split(separator: "\n"), transcript.text.split(separator: "\n"))
      for (line, (was, now)) in zip(old, new).enumerated() where was != now {
        Issue.record("\(name): '\(was)' is now '\(now)', in line \(line + 1) that is not empty")
        break
      }
      #expect(scenario == transcript.text)
    }
    var checker = Checker(transcript.cluster)
    checker.checkSurvivors(transcript.cluster)
    #expect(checker.violations.isEmpty, "\(checker.violations)")
  }
}
