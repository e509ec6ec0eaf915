// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Machine
import SessionWire
import Sessions
import Testing

@Suite("What waits for all sessions together")
struct BacklogTests {
  private func message(_ bytes: Int = 1_000) -> [UInt8] { [UInt8](repeating: 1, count: bytes) }
  /// What a message of 1,000 bytes to one group takes.
  private let size = 48 + 32 + 1_000

  @Test("Beyond the limit the session goes for which most waits")
  func most() {
    var desk = Desk { $0.waitingBytes = 100 * 1_080 }
    let (a, b, c) = (desk.accept("a"), desk.accept("b"), desk.accept("c"))
    desk.stuck = [a, b, c]
    for _ in 0..<40 { desk.deliver(message(), to: ["a"]) }
    for _ in 0..<30 { desk.deliver(message(), to: ["b"]) }
    for _ in 0..<30 { desk.deliver(message(), to: ["c"]) }
    #expect(desk.closed.isEmpty && desk.engine.waitingBytes == 100 * size)
    desk.deliver(message(), to: ["b"])
    #expect(desk.closed == [a] && desk.engine.waitingBytes == 61 * size)
    #expect(desk.engine.statistics.closed(.backlog) == 1)
    desk.feed(.ended(c))
    #expect(desk.engine.waitingBytes == 31 * size)
    desk.unstick(b)
    #expect(desk.engine.waitingBytes == 0 && desk.messages(b).count == 31)
  }

  @Test("A message that waits for many counts once")
  func shared() {
    var desk = Desk { $0.waitingBytes = 300 * 1_080 }
    let names = (0..<50).map { "s\($0)" }
    let ids = names.map { desk.accept($0) }
    desk.stuck = Set(ids)
    for _ in 0..<100 { desk.deliver(message(), to: names) }
    // The first one is in a batch of each session's own.
    #expect(desk.closed.isEmpty && desk.engine.waitingBytes == (50 + 99) * size)
    for id in ids.prefix(49) { desk.unstick(id) }
    #expect(desk.engine.waitingBytes == 100 * size)
    desk.unstick(ids[49])
    #expect(desk.engine.waitingBytes == 0)
  }

  @Test("Whatever happens, nothing counts that does not wait", arguments: 0..<20)
  func balance(seed: UInt64) {
    var random = SplitMix64(seed: seed)
    let limit = 40_000
    var desk = Desk {
      $0.waitingBytes = limit
      $0.queuedMessages = 30
      $0.slowPolicy = seed % 2 == 0 ? .disconnect : .dropOldest
    }
    var ids: [String: SessionsEngine.ID] = [:]
    for step in 0..<600 {
      let name = "s\(Int.random(in: 0..<6, using: &random))"
      if let id = ids[name], desk.closed.contains(id) {
        desk.feed(.released(Desk.name(name)))
        ids[name] = nil
      }
      guard let id = ids[name] else {
        ids[name] = desk.accept(name)
        continue
      }
      switch Int.random(in: 0..<20, using: &random) {
      case 0: desk.feed(.ended(id))
      case 1, 2: desk.unstick(id)
      case 3..<6: desk.stuck.insert(id)
      case 6..<9: desk.feed(.left("g", to: Desk.name(name)))
      default:
        let receivers = (0..<6).map { "s\($0)" }.filter { _ in Bool.random(using: &random) }
        desk.deliver(message(Int.random(in: 0..<3_000, using: &random)), to: receivers)
      }
      #expect(desk.engine.waitingBytes <= limit, "step \(step)")
    }
    for id in ids.values.sorted() { desk.unstick(id) }
    #expect(desk.engine.waitingBytes == 0)
  }
}
