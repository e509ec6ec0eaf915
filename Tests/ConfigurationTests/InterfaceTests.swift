// SPDX-License-Identifier: Apache-2.0

import Configuration
import Testing

@Suite("Statements on interfaces")
struct InterfaceTests {
  private let base = """
    Engine { Node = a Key = none Peers { a:10.0.0.1 } PROFILE } VIFs { eth0:10.0.0.101/32 }

    """

  private func settings(_ text: String, profile: String = "") throws -> InterfaceSettings {
    try parse(base.replacing("PROFILE", with: profile) + text).interfaces
  }

  private func refusals(_ text: String) -> [String] {
    problems(in: base.replacing("PROFILE", with: "") + text)
  }

  @Test("What is not said has the defaults, and an obituary needs a key")
  func defaults() throws {
    let plain = try settings("")
    #expect(!plain.sendsObituary)
    #expect(plain.lease == .seconds(10))
    #expect(plain.conflict == .defend)
    #expect(plain.announce.times.count == 5 && plain.announce.refresh == nil)
    #expect(plain.process.realTime == nil && !plain.process.lockMemory)
    #expect(try settings("", profile: "Profile = fast").lease == .seconds(3))
    #expect(try settings("Guardian = Obituary").sendsObituary)
  }

  @Test("Everything can be said")
  func everything() throws {
    let settings = try settings(
      """
      Guardian = silent
      Lease = 1m
      Conflict = report
      Announce { Times { 0ms 1s } Refresh = 30s Rate = 50 Burst = 5 }
      Process { RealTime = 10 LockMemory = on }
      """
    )
    #expect(!settings.sendsObituary)
    #expect(settings.lease == .seconds(60))
    #expect(settings.conflict == .report)
    #expect(settings.announce.times == [.zero, .seconds(1)])
    #expect(settings.announce.refresh == .seconds(30))
    #expect((settings.announce.rate, settings.announce.burst) == (50, 5))
    #expect(settings.process.realTime == 10 && settings.process.lockMemory)
    #expect(try self.settings("Lease = off").lease == nil)
  }

  @Test(
    "What is wrong is said, with its place",
    arguments: [
      ("Lease = 1500ms", "2:9: a lease has whole seconds"),
      ("Lease = 1s", "2:9: a lease has whole seconds"),
      ("Guardian = loud", "2:12: unknown value of Guardian"),
      ("Conflict = fight", "2:12: unknown value of Conflict"),
      ("Announce { }", "2:10: the braces of Announce are empty"),
      ("Announce { Times { } }", "2:18: the braces of Times are empty"),
      ("Announce { Times { 1s 1s } }", "2:23: the times of Announce must ascend"),
      ("Announce { Refresh = 10ms }", "2:22: "),
      ("Process { RealTime = 100 }", "2:22: "),
      ("Process { Nice = 1 }", "2:11: unknown parameter of Process"),
    ]
  )
  func wrong(text: String, problem: String) {
    let found = refusals(text)
    #expect(found.count == 1, "\(found)")
    #expect(found.first?.hasPrefix(problem) ?? false, "\(found)")
  }

  @Test("A lease that could end while the ring is formed anew is refused")
  func shortLease() {
    let text = base.replacing("PROFILE", with: "Profile = wan") + "Lease = 5s"
    #expect(problems(in: text).first?.hasPrefix("2:9: the lease ends before") ?? false)
  }
}
