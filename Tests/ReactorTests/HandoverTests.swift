// SPDX-License-Identifier: Apache-2.0

import Glibc
import Reactor
import Testing

@Suite("Handing descriptors over")
struct HandoverTests {
  @Test("What tells the child of the end is closed first when this process is killed")
  func closedFirst() throws {
    let handover = try Handover()
    let others = try (0..<32).map { _ in try Handover().far.rawValue }
    // The kernel closes from the highest number down.
    #expect(others.allSatisfy { $0 < handover.near.rawValue })
    #expect(handover.near.rawValue > 500)
    #expect(fcntl(handover.near.rawValue, F_GETFD) == FD_CLOEXEC)
    #expect(handover.keep(nil))
  }
}
