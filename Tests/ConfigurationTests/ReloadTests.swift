// SPDX-License-Identifier: Apache-2.0

import Configuration
import GroupModel
import Testing

/// What a reload takes on, and what it says that waits for a restart.
@Suite struct ReloadTests {
  private func reload(
    to wanted: String,
    from present: String = smallest
  ) throws -> (merged: WackamoleConfiguration, later: [String]) {
    Reload.merge(try parse(wanted), into: try parse(present))
  }

  @Test("How addresses are held and how the process runs is taken on at once")
  func takenOn() throws {
    let text =
      smallest + """

        Lease = 20s
        Guardian = obituary
        Process { RealTime = 5 LockMemory = on }
        Conflict = report
        """
    let (merged, later) = try reload(to: text)
    #expect(later.isEmpty)
    #expect(try merged == parse(text))
    #expect(try reload(to: smallest, from: text).merged == parse(smallest))
    #expect(try reload(to: smallest + "\nLease = off").later.isEmpty)
  }

  @Test("What cannot change while it runs stays as it is, and is named")
  func later() throws {
    let text =
      smallest.replacing("wack1", with: "wack2").replacing("control\n", with: "control2\n")
    let (merged, later) = try reload(to: text)
    #expect(later == ["Group", "Control"])
    #expect(try merged == parse(smallest))
  }

  @Test("A lease that is too short for the present timers waits with them")
  func lease() throws {
    let wide = smallest.replacing("Profile = lan", with: "Profile = wan")
    let (merged, later) = try reload(to: smallest + "\nLease = 2s", from: wide)
    #expect(later == ["Engine, but for Peers,", "Lease"])
    #expect(merged.interfaces.lease == .seconds(10))
    #expect(
      try reload(to: smallest + "\nLease = 6s", from: wide).merged.interfaces.lease == .seconds(6)
    )
  }

  @Test("Obituaries are not believed because of a key that is not used yet")
  func guardian() throws {
    let sealed = smallest.replacing("Key = none", with: "Key = /etc/wackamole/ring.key")
    #expect(try parse(sealed).interfaces.sendsObituary)
    let (merged, later) = try reload(to: sealed)
    #expect(!merged.interfaces.sendsObituary)
    #expect(later == ["Engine, but for Peers,", "Guardian"])
  }
}
