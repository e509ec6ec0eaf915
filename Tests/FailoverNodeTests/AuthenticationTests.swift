// SPDX-License-Identifier: Apache-2.0

import Addresses
import Failover
import FailoverNode
import FailoverWire
import GroupModel
import Machine
import Testing

/// A node on a shared backend, among members that have its key and strangers that do not.
@Suite struct AuthenticationTests {
  @Test("Without keys a node's messages are bare, and so are those it takes")
  func off() throws {
    var node = try Keyed(seal: nil)
    node.meet()
    #expect(node.sent.allSatisfy { !Envelope.isOne($0[...]) })
    // One that has a tag is not understood here, and that is said.
    node.deliver(node.sealed(.mature, by: Keyed.keys))
    #expect(!node.acquired)
    let report = PayloadReport(sender: Keyed.peer, reason: .sealed)
    #expect(node.effects == [.dropped(report)] && node.engine.ignored == [report])
    #expect(node.engine.payloadDrops?[.sealed] == 1)
    node.deliver(FailoverMessage.mature.encoded())
    #expect(node.acquired)
    node.feed(.seal(PayloadSeal(Keyed.keys)))
    #expect(node.engine.ignored.isEmpty)
  }

  @Test("What a node sends goes in envelopes of its view, with counters that rise for ever")
  func sends() throws {
    var node = try Keyed()
    node.meet()
    node.deliver(node.sealed(.mature))
    #expect(node.acquired)
    let first = try node.sent.map { try Envelope(decoding: $0[...]) }
    #expect(!first.isEmpty && first.allSatisfy { $0.view == Keyed.view && $0.keyID == 7 })
    node.install(ViewID(epoch: 9, origin: 9, index: 9), together: [Keyed.me])
    let all = try node.sent.map { try Envelope(decoding: $0[...]) }
    #expect(all.count > first.count)
    #expect(zip(all, all.dropFirst()).allSatisfy { $0.counter < $1.counter })
    // The engine's own words and where it is, and nothing else.
    let words = all.filter { !NeighborsReport.isFound(in: $0.payload) }
    #expect(words.count == all.count - 1)
    #expect(words.allSatisfy { (try? FailoverMessage(decoding: $0.payload)) != nil })
  }

  @Test("Whatever is not a member's message of this view is dropped, counted and told once")
  func drops() throws {
    let mature = FailoverMessage.mature
    var node = try Keyed()
    node.meet()
    var altered = node.sealed(.facts(FactsReport(facts: Facts(vifs: []), withdrawn: [])))
    altered[altered.count - 1] ^= 1
    var stranger = FakeAuthenticator(keys: [(7, 666)])
    let forged = node.sealed(mature, by: stranger)
    stranger.keys = [(8, 1)]
    let elsewhere = ViewID(epoch: 5, origin: 1, index: 2)
    let spoilt: [(PayloadDrop, [[UInt8]])] = [
      (.forged, [altered, forged]),
      (.unknownKey, [node.sealed(mature, by: stranger)]),
      (.replayed, [node.states[0]]),
      (.otherView, [node.sealed(mature, in: elsewhere)]),
      (.malformed, [[0x81, 0, 1], [0x90, 0, 7, 7], [0xFF]]),
      (.unsealed, [mature.encoded(), [], [2]]),
    ]
    for (reason, payloads) in spoilt {
      var told: [FailoverNodeEngine.Effect] = []
      for payload in payloads + payloads {
        node.deliver(payload)
        told += node.effects
      }
      let report = PayloadReport(sender: Keyed.peer, reason: reason)
      let expected = FailoverNodeEngine.Effect.dropped(report)
      #expect(node.engine.ignored.contains(report) == (reason != .otherView))
      #expect(told == (reason == .otherView ? [] : [expected]), "\(reason)")
      #expect(node.engine.payloadDrops?[reason] == UInt64(2 * payloads.count), "\(reason)")
    }
    #expect(!node.acquired)
    node.deliver(node.sealed(mature))
    #expect(node.acquired, "what is genuine is taken after all that")
  }

  @Test("A message that is captured and sent once more has no effect, nor one by another sender")
  func replays() throws {
    var node = try Keyed()
    node.meet()
    let mature = node.sealed(.mature)
    node.deliver(mature, from: Keyed.stranger)
    #expect(!node.acquired)
    #expect(node.engine.payloadDrops?[.forged] == 1)
    node.deliver(mature)
    #expect(node.acquired)
    node.deliver(mature)
    #expect(node.engine.payloadDrops?[.replayed] == 1)
  }

  @Test("A message that was sent in another view of the same members is of no effect")
  func anotherView() throws {
    var node = try Keyed()
    node.meet()
    let late = node.sealed(.mature)
    node.meet(in: ViewID(epoch: 5, origin: 1, index: 2))
    node.deliver(late)
    #expect(!node.acquired)
    #expect(node.engine.payloadDrops?[.otherView] == 1)
  }

  @Test("A view that has the id of an earlier one is no occasion to repeat what was said in that")
  func repeatedView() throws {
    var node = try Keyed()
    node.meet()
    let captured = node.sealed(.mature)
    node.deliver(captured)
    #expect(node.acquired)
    // The Spread daemon forgot the group, and begins to count anew.
    node.feed(.group(.disconnected(.unreachable("gone"))))
    node.release()
    node.feed(.group(.connected(Keyed.me)))
    node.install(Keyed.view)
    // Before the peer has said anything new.
    node.deliver(captured)
    #expect(node.engine.payloadDrops?[.replayed] == 1)
    node.deliver(node.states[0])
    #expect(node.engine.payloadDrops?[.replayed] == 2)
    #expect(!node.acquired)
    // With other members there is not even a key to the old words.
    node.install(Keyed.view, members: [Keyed.me, Keyed.stranger])
    node.deliver(captured)
    #expect(node.engine.payloadDrops?[.forged] == 1)
  }

  @Test("What is on its way when a view comes is sent again first, and heartbeats are not")
  func sendsAgain() throws {
    var node = try Keyed()
    node.meet()
    node.isHolding = true
    node.feed(.link(node.eth0, .noCarrier, Keyed.hardware))
    node.advance(by: .milliseconds(400))
    let underway = try node.held.map { try Envelope(decoding: $0[...]) }
    let facts = try #require(underway.first { Self.isFacts($0.payload) })
    #expect(underway.contains { Self.isHeartbeat($0.payload) })
    node.install(ViewID(epoch: 5, origin: 1, index: 2), together: [Keyed.me])
    let again = try node.held.dropFirst(underway.count).map { try Envelope(decoding: $0[...]) }
    #expect(again.first?.payload == facts.payload)
    #expect(again.first?.view == ViewID(epoch: 5, origin: 1, index: 2))
    #expect(again.first.map { $0.counter > facts.counter } ?? false)
    #expect(again.count { Self.isFacts($0.payload) } == 1)
    #expect(!again.contains { Self.isHeartbeat($0.payload) })
    #expect(again.dropFirst().contains { Self.isState($0.payload) }, "the exchange follows")
    // The first sending comes, late: nobody takes it, and it is not sent a third time.
    node.isHolding = false
    let late = node.held.prefix(underway.count)
    for payload in late { node.deliver(payload, from: Keyed.me) }
    #expect(node.engine.payloadDrops?[.otherView] == UInt64(underway.count))
    #expect(node.effects.isEmpty)
    let before = node.sent.count
    node.install(ViewID(epoch: 5, origin: 1, index: 3), together: [Keyed.me])
    let third = try node.sent.dropFirst(before).map { try Envelope(decoding: $0[...]) }
    #expect(third.count { Self.isFacts($0.payload) } == 1, "the second sending is still due")
  }

  @Test("What came back is not sent again at the next view")
  func confirmed() throws {
    var node = try Keyed()
    node.meet()
    node.feed(.link(node.eth0, .noCarrier, Keyed.hardware))
    let before = node.sent.count
    node.install(ViewID(epoch: 5, origin: 1, index: 2), together: [Keyed.me])
    let after = try node.sent.dropFirst(before).map { try Envelope(decoding: $0[...]) }
    #expect(!after.contains { Self.isFacts($0.payload) })
  }

  @Test("A refused request comes back to the engine bare, and goes out again in a new envelope")
  func refused() throws {
    var node = try Keyed()
    node.meet()
    node.isHolding = true
    node.feed(.link(node.eth0, .noCarrier, Keyed.hardware))
    let request = try #require(node.requests.first)
    let first = try #require(node.held.last)
    node.feed(.refused(request, .congested))
    node.advance(by: .milliseconds(10))
    let second = try node.held.map { try Envelope(decoding: $0[...]) }.last {
      Self.isFacts($0.payload)
    }
    let counter = try Envelope(decoding: first[...]).counter
    #expect(second.map { $0.counter > counter } ?? false)
    node.feed(.refused(request, .tooLong(limit: 100)))
    #expect(node.notes == [.notSent(.tooLong(limit: 100 - Envelope.overhead))])
    node.feed(.refused(request, .tooLong(limit: 1)))
    #expect(node.notes == [.notSent(.tooLong(limit: 0))])
  }

  @Test("Keys are exchanged without a gap: the second is taken too, and the first is used")
  func rotation() throws {
    let old = FakeAuthenticator(keys: [(7, 1), (8, 2)])
    let new = FakeAuthenticator(keys: [(8, 2), (7, 1)])
    var node = try Keyed(seal: PayloadSeal(old))
    node.meet()
    #expect(node.engine.seal == PayloadSeal(old))
    node.feed(.seal(PayloadSeal(new)))
    #expect(node.engine.seal == PayloadSeal(new) && node.engine.seal != PayloadSeal(old))
    node.deliver(node.sealed(.mature, by: old))
    #expect(node.acquired)
    node.advance(by: .milliseconds(400))  // A heartbeat.
    #expect(try Envelope(decoding: #require(node.sent.last)[...]).keyID == 8)
    #expect(node.engine.payloadDrops == PayloadDrops())
  }

  @Test("An own message whose key was taken out on its way is sent again with the one that is left")
  func ownKeyGone() throws {
    var node = try Keyed(seal: PayloadSeal(FakeAuthenticator(keys: [(7, 1), (8, 2)])))
    node.meet()
    node.isHolding = true
    node.feed(.link(node.eth0, .noCarrier, Keyed.hardware))
    let late = try #require(node.held.last)
    node.feed(.seal(PayloadSeal(FakeAuthenticator(keys: [(8, 2)]))))
    node.deliver(late, from: Keyed.me)
    let again = try Envelope(decoding: #require(node.held.last)[...])
    #expect(again.keyID == 8 && Self.isFacts(again.payload))
  }

  @Test("A cluster gets its first key in two steps, in both of which all understand each other")
  func rollOut() throws {
    let keys = FakeAuthenticator(keys: [(7, 1)])
    let first = PayloadSeal(keys, sendsSealed: false, takesBare: true)
    var node = try Keyed(seal: first)
    node.meet()
    #expect(node.sent.allSatisfy { !Envelope.isOne($0[...]) })
    node.deliver(node.sealed(.mature, by: keys))
    #expect(node.acquired, "of one that is a step ahead")
    node.feed(.seal(PayloadSeal(keys, sendsSealed: true, takesBare: true)))
    node.advance(by: .milliseconds(400))  // A heartbeat.
    #expect(Envelope.isOne(try #require(node.sent.last)[...]))
    node.deliver(FailoverMessage.heartbeat(1).encoded())
    #expect(node.engine.payloadDrops == PayloadDrops())
    node.feed(.seal(PayloadSeal(keys)))
    node.deliver(FailoverMessage.heartbeat(2).encoded())
    #expect(node.engine.payloadDrops?[.unsealed] == 1)
  }

  private static func message(_ payload: ArraySlice<UInt8>) -> FailoverMessage? {
    try? FailoverMessage(decoding: payload)
  }

  private static func isFacts(_ payload: ArraySlice<UInt8>) -> Bool {
    if case .facts = message(payload) { true } else { false }
  }

  private static func isState(_ payload: ArraySlice<UInt8>) -> Bool {
    if case .state = message(payload) { true } else { false }
  }

  private static func isHeartbeat(_ payload: ArraySlice<UInt8>) -> Bool {
    if case .heartbeat = message(payload) { true } else { false }
  }
}
