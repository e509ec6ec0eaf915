// SPDX-License-Identifier: Apache-2.0

import Machine
import Testing

@testable import Sealing

@Suite("The replay window")
struct ReplayWindowTests {
  @Test("A counter is fresh once")
  func once() {
    var window = ReplayWindow()
    #expect(window.isFresh(0))
    window.take(0)
    #expect(!window.isFresh(0))
    #expect(window.isFresh(1))
  }

  @Test("The window is exactly as wide as it says")
  func width() {
    var window = ReplayWindow()
    window.take(10_000)
    #expect(window.isFresh(10_000 - ReplayWindow.width + 1))
    #expect(!window.isFresh(10_000 - ReplayWindow.width))
  }

  @Test("It agrees with a set of everything seen", arguments: 1...20 as ClosedRange<UInt64>)
  func model(seed: UInt64) {
    var random = SplitMix64(seed: seed)
    var window = ReplayWindow()
    var seen: [UInt64: Bool] = [:]
    var highest: UInt64 = 0
    var base = UInt64.random(in: 0..<(1 << 40), using: &random)
    for _ in 0..<4_000 {
      base += UInt64.random(
        in: 0..<(UInt64.random(in: 0..<50, using: &random) == 0 ? 3_000 : 4),
        using: &random
      )
      let back = UInt64.random(in: 0..<1_500, using: &random)
      let counter = base > back ? base - back : base
      let expected =
        seen.isEmpty || counter > highest
        || (highest - counter < ReplayWindow.width && seen[counter] == nil)
      #expect(window.isFresh(counter) == expected)
      if expected {
        window.take(counter)
        seen[counter] = true
        highest = max(highest, counter)
      }
    }
  }

  @Test(
    "Above a counter up to which all were taken everything is fresh, in any order",
    arguments: [0, 63, 64, 5_000]
  )
  func upTo(counter: UInt64) {
    var window = ReplayWindow(upTo: counter)
    for old in 0...counter { #expect(!window.isFresh(old)) }
    for new in [counter + 700, counter + 1, counter + 64, counter + 2, counter + 699] {
      #expect(window.isFresh(new), "\(new)")
      window.take(new)
      #expect(!window.isFresh(new))
    }
    for old in 0...counter { #expect(!window.isFresh(old)) }
  }
}
