// SPDX-License-Identifier: Apache-2.0

import Reactor
import Testing

/// Which datagrams go to the kernel in one call.
@Suite struct SegmentsTests {
  private func run(_ lengths: [Int]) -> Int {
    var segments = Segments()
    return segments.run(of: lengths.map { [UInt8](repeating: 1, count: $0) }[...])
  }

  @Test("Those of one length go together, and a shorter one is the last")
  func together() {
    #expect(run([100, 100, 100]) == 3)
    #expect(run([100, 100, 50, 100]) == 3)
    #expect(run([100, 50, 50]) == 2)
    #expect(run([50, 100]) == 1)
    #expect(run([100]) == 1)
    #expect(run([100, 0, 100]) == 1)
  }

  @Test("No more go together than the kernel takes")
  func most() {
    #expect(run(Array(repeating: 10, count: 100)) == 64)
    #expect(run(Array(repeating: 9_000, count: 10)) == 7)
  }
}
