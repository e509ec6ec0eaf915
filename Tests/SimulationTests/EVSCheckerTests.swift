// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Testing
import Worlds

private typealias H = History

@Suite("The checker accepts right histories")
struct RightHistoryTests {
  @Test("Messages of all services in one order, then a member is lost")
  func departure() {
    var history = H.merged()
    let first = history.sent(by: H.a, .safe, at: 1)
    let second = history.sent(by: H.b, .agreed, at: 2)
    history.deliver(first, second, at: H.b, H.a, H.c)
    let third = history.sent(by: H.c, .safe, at: 3)
    history.transitional(H.a, [H.a, H.b])
    history.transitional(H.b, [H.a, H.b])
    history.regular(H.a, [H.a, H.b], with: [H.a, H.b])
    history.regular(H.b, [H.a, H.b], with: [H.a, H.b])
    // C failed: its own safe message stays undelivered.
    history.checker.stop(host: H.c)
    #expect(third.service == .safe)
    #expect(history.checker.violation == nil)
    #expect(history.checker.counters.merges == 1)
    #expect(history.checker.counters.threeWayMerges == 1)
  }

  @Test("Both halves of a partition deliver what each can get")
  func partition() {
    var history = H.merged()
    let mine = history.sent(by: H.c, .safe, at: 1)
    let theirs = history.sent(by: H.a, .safe, at: 2)
    // A and B lack the first message, C lacks the second.
    for host in [H.a, H.b] {
      history.transitional(host, [H.a, H.b])
      history.deliver(theirs, at: host)
    }
    history.transitional(H.c, to: 21, [H.c])
    history.deliver(mine, at: H.c)
    for host in [H.a, H.b] { history.regular(host, [H.a, H.b], with: [H.a, H.b]) }
    history.regular(H.c, ring: 21, [H.c], with: [H.c])
    #expect(history.checker.violation == nil)
    #expect(history.checker.counters.safeInTransitional == 3)
    #expect(history.checker.counters.recoveriesPastHoles == 2)
  }

  @Test("After a failed attempt the obligation covers a sender that did not come along")
  func obligation() {
    var history = H.merged()
    _ = history.sent(by: H.c, at: 1)
    let owed = history.sent(by: H.b, at: 2)
    history.checker.attempt(by: H.a, members: HostSet([H.a, H.b]))
    history.transitional(H.a, [H.a])
    history.deliver(owed, at: H.a)
    history.regular(H.a, [H.a], with: [H.a])
    #expect(history.checker.violation == nil)
  }

  @Test("A member that left first still binds those that come along with it")
  func obligationOfTheFirst() {
    var history = H.merged()
    // Nobody that goes on has the first packet.
    let owed = history.sent(by: H.c, at: 2)
    history.checker.attempt(by: H.a, members: HostSet([H.a, H.c]))
    for host in [H.a, H.b] {
      history.transitional(host, [H.a, H.b])
      history.deliver(owed, at: host)
      history.regular(host, [H.a, H.b], with: [H.a, H.b])
    }
    #expect(history.checker.violation == nil)
  }

  @Test("A ring of one needs no wire, and a restarted host is a new process")
  func alone() {
    var history = History()
    history.checker.start(host: H.a)
    history.regular(H.a, ring: 1, [H.a], with: [H.a])
    let letter = history.submit(H.a)
    history.deliver(letter, at: H.a, ring: 1)
    history.checker.stop(host: H.a)
    history.checker.start(host: H.a)
    history.regular(H.a, ring: 2, [H.a], with: [H.a])
    let again = history.submit(H.a)
    history.deliver(again, at: H.a, ring: 2)
    #expect(history.checker.violation == nil)
    #expect(again.incarnation == 1)
  }

  @Test("A retransmission by another member is no second sending")
  func retransmission() {
    var history = H.merged()
    let letter = history.sent(by: H.a, at: 1)
    history.send(letter, at: 1, by: H.b)
    history.deliver(letter, at: H.a, H.b, H.c)
    #expect(history.checker.violation == nil)
    #expect(history.checker.counters.retransmissions == 1)
  }
}

@Suite("The checker rejects a history that breaks a rule of delivery")
struct WrongDeliveryTests {
  @Test("Basic.Integrity: delivered twice")
  func twice() {
    var history = H.merged()
    let letter = history.sent(by: H.a, at: 1)
    history.deliver(letter, letter, at: H.b)
    #expect(history.broken == .integrity)
  }

  @Test("Basic.Integrity: altered", arguments: [0, 3, 14, 20, 39])
  func altered(at index: Int) {
    var history = H.merged()
    let letter = history.sent(by: H.a, at: 1)
    var payload = letter.bytes
    payload[index] ^= 0x10
    history.deliver(letter, at: H.b, ring: 10, payload: payload)
    #expect(history.broken == .integrity)
  }

  @Test("Basic.Integrity: fragments of two messages mixed")
  func mixed() {
    var history = H.merged()
    let (first, second) = (history.submit(H.a), history.submit(H.a))
    history.send(first, second, at: 1)
    let payload = Array(first.bytes[..<20]) + Array(second.bytes[20...])
    history.deliver(first, at: H.b, ring: 10, payload: payload)
    #expect(history.broken == .integrity)
  }

  @Test("Basic.Integrity: sent for another, who never sent it")
  func forged() {
    var history = H.merged()
    let letter = history.submit(H.a)
    history.send(letter, at: 1, by: H.b)
    #expect(history.broken == .integrity)
  }

  @Test("Basic.OneConfiguration: sent in two")
  func sentTwice() {
    var history = H.merged()
    let letter = history.sent(by: H.a, at: 1)
    history.deliver(letter, at: H.a, H.b, H.c)
    history.change([H.a, H.b, H.c])
    history.send(letter, ring: 20, at: 1)
    #expect(history.broken == .oneConfiguration)
  }

  @Test("Basic.OneConfiguration: delivered in a later one")
  func deliveredLater() {
    var history = H.merged()
    let letter = history.sent(by: H.c, at: 1)
    history.change([H.a, H.b])
    history.deliver(letter, at: H.a, ring: 20)
    #expect(history.broken == .oneConfiguration)
  }

  @Test("Basic.LocalOrder: delivered before it is sent")
  func early() {
    var history = H.merged()
    let letter = history.submit(H.a)
    history.deliver(letter, at: H.b)
    #expect(history.broken == .localOrder)
  }

  @Test("SelfDelivery: its own message forgotten at the change")
  func forgotten() {
    var history = H.merged()
    _ = history.sent(by: H.a, at: 1)
    history.change([H.a, H.b, H.c])
    #expect(history.broken == .selfDelivery)
  }

  @Test("VirtualSynchrony: one more message in the regular configuration")
  func different() {
    var history = H.merged()
    let letter = history.sent(by: H.c, at: 1)
    history.deliver(letter, at: H.a)
    history.change([H.a, H.b])
    #expect(history.broken == .virtualSynchrony)
  }

  @Test("VirtualSynchrony: one more message in the transitional configuration")
  func differentAfter() {
    var history = H.merged()
    let letter = history.sent(by: H.c, at: 1)
    history.checker.attempt(by: H.a, members: HostSet([H.a, H.b, H.c]))
    history.transitional(H.a, [H.a, H.b])
    history.deliver(letter, at: H.a)
    history.regular(H.a, [H.a, H.b], with: [H.a, H.b])
    history.transitional(H.b, [H.a, H.b])
    history.regular(H.b, [H.a, H.b], with: [H.a, H.b])
    #expect(history.broken == .virtualSynchrony)
  }

  @Test("Causal: the effect without its cause")
  func effectWithoutCause() {
    var history = H.merged()
    let cause = history.sent(by: H.c, at: 1)
    history.deliver(cause, at: H.b)
    let effect = history.sent(by: H.b, .causal, at: 2)
    history.transitional(H.a, [H.a, H.b])
    history.deliver(effect, at: H.a)
    #expect(history.broken == .causal)
  }

  @Test("Total.Consistent: against the order")
  func swapped() {
    var history = H.merged()
    let first = history.sent(by: H.c, at: 1)
    let second = history.sent(by: H.b, at: 2)
    history.transitional(H.a, [H.a, H.b])
    history.deliver(second, first, at: H.a)
    #expect(history.broken == .consistent)
  }

  @Test("Total.NoGaps: a message skipped in the regular configuration")
  func gap() {
    var history = H.merged()
    _ = history.sent(by: H.a, at: 1)
    let second = history.sent(by: H.b, at: 2)
    history.deliver(second, at: H.c)
    #expect(history.broken == .noGaps)
  }

  @Test("Total.NoGaps: a message of a member that comes along is skipped")
  func gapOfMember() {
    var history = H.merged()
    _ = history.sent(by: H.b, at: 1)
    let second = history.sent(by: H.a, at: 2)
    history.transitional(H.a, [H.a, H.b])
    history.deliver(second, at: H.a)
    #expect(history.broken == .noGaps)
  }

  @Test("Total.NoGaps: after a hole, a message of somebody to whom nobody is obliged")
  func unobliged() {
    var history = H.merged()
    _ = history.sent(by: H.c, at: 1)
    let second = history.sent(by: H.b, at: 2)
    history.transitional(H.a, [H.a])
    history.deliver(second, at: H.a)
    #expect(history.broken == .noGaps)
  }

  @Test("FIFO: a message without the one its sender submitted before it")
  func fifo() {
    var history = H.merged()
    _ = history.submit(H.a, .fifo)
    let second = history.sent(by: H.a, .fifo, at: 1)
    history.deliver(second, at: H.b)
    #expect(history.broken == .fifo)
  }

  @Test("FIFO: sent in the wrong order")
  func reversed() {
    var history = H.merged()
    let first = history.submit(H.a, .fifo)
    let second = history.submit(H.a, .fifo)
    history.send(second, first, at: 1)
    history.deliver(second, first, at: H.b)
    #expect(history.broken == .fifo)
  }

  @Test("Safe.Configuration: a member has not delivered the configuration")
  func uninstalled() {
    var history = History()
    for host in 0..<3 {
      history.checker.start(host: host)
      history.regular(host, ring: UInt64(host + 1), [host], with: [host])
    }
    for host in 0..<2 {
      history.transitional(host, from: UInt64(host + 1), to: 10, [host])
      history.regular(host, ring: 10, [0, 1, 2], with: [host])
    }
    let letter = history.sent(by: H.a, .safe, at: 1)
    history.deliver(letter, at: H.a)
    #expect(history.broken == .safeConfiguration)
  }

  @Test("Safe.Delivery: a member goes on without it")
  func unsafe() {
    var history = H.merged()
    let letter = history.sent(by: H.a, .safe, at: 1)
    history.deliver(letter, at: H.a)
    history.transitional(H.c, to: 21, [H.c])
    history.regular(H.c, ring: 21, [H.c], with: [H.c])
    #expect(history.broken == .safeDelivery)
  }

  @Test("Safe.Delivery: delivered after a member went on without it")
  func unsafeLate() {
    var history = H.merged()
    let letter = history.sent(by: H.a, .safe, at: 1)
    history.transitional(H.c, to: 21, [H.c])
    history.regular(H.c, ring: 21, [H.c], with: [H.c])
    history.deliver(letter, at: H.a)
    #expect(history.broken == .safeDelivery)
  }

  @Test("Safe.Delivery: in a transitional configuration with a member that goes on without it")
  func unsafeTransitional() {
    var history = H.merged()
    let letter = history.sent(by: H.c, .safe, at: 1)
    history.transitional(H.a, [H.a, H.b])
    history.transitional(H.b, [H.a, H.b])
    history.regular(H.b, [H.a, H.b], with: [H.a, H.b])
    history.deliver(letter, at: H.a)
    #expect(history.broken == .safeDelivery)
  }
}

@Suite("The checker rejects a history that breaks a rule of configurations")
struct WrongConfigurationTests {
  @Test("Config.Membership: a configuration without oneself")
  func stranger() {
    var history = H.merged()
    history.transitional(H.a, [H.b, H.c])
    #expect(history.broken == .membership)
  }

  @Test("Config.Membership: a regular configuration without oneself")
  func strangerRegular() {
    var history = History()
    history.checker.start(host: H.a)
    history.regular(H.a, ring: 1, [H.b], with: [H.b])
    #expect(history.broken == .membership)
  }

  @Test("Config.Membership: sends in a ring it is not in")
  func foreignSend() {
    var history = H.merged()
    _ = history.sent(by: H.a, ring: 11, at: 1)
    #expect(history.broken == .membership)
  }

  @Test("Config.Membership: sends in a transitional configuration")
  func transitionalSend() {
    var history = H.merged()
    history.transitional(H.a, [H.a])
    _ = history.sent(by: H.a, at: 1)
    #expect(history.broken == .membership)
  }

  @Test("Config.Same: one id, other members")
  func sameRegular() {
    var history = H.merged()
    history.change([H.a, H.b])
    history.transitional(H.c, [H.c])
    #expect(history.broken == .same)
  }

  @Test("Config.Same: one id of a regular configuration, other members")
  func sameAtStart() {
    var history = History()
    history.checker.start(host: H.a)
    history.checker.start(host: H.b)
    history.regular(H.a, ring: 1, [H.a], with: [H.a])
    history.regular(H.b, ring: 1, [H.b], with: [H.b])
    #expect(history.broken == .same)
  }

  @Test("Config.Sequence: no transitional configuration between")
  func omitted() {
    var history = H.merged()
    history.regular(H.a, [H.a], with: [H.a])
    #expect(history.broken == .sequence)
  }

  @Test("Config.Sequence: two transitional configurations")
  func doubled() {
    var history = H.merged()
    history.transitional(H.a, [H.a])
    history.transitional(H.a, to: 21, [H.a])
    #expect(history.broken == .sequence)
  }

  @Test("Config.Sequence: the transitional configuration is no subset")
  func grown() {
    var history = History()
    history.checker.start(host: H.a)
    history.regular(H.a, ring: 1, [H.a], with: [H.a])
    history.transitional(H.a, from: 1, [H.a, H.b])
    #expect(history.broken == .sequence)
  }

  @Test("Config.Sequence: the regular configuration is no superset")
  func shrunk() {
    var history = H.merged()
    history.transitional(H.a, [H.a, H.b])
    history.regular(H.a, [H.a, H.c], with: [H.a, H.b])
    #expect(history.broken == .sequence)
  }

  @Test("Config.Sequence: those that came together are not the transitional ones")
  func otherTogether() {
    var history = H.merged()
    history.transitional(H.a, [H.a, H.b])
    history.regular(H.a, [H.a, H.b], with: [H.a])
    #expect(history.broken == .sequence)
  }

  @Test("Config.Sequence: an id repeats after a restart")
  func repeated() {
    var history = H.merged()
    history.checker.stop(host: H.c)
    history.checker.start(host: H.c)
    history.regular(H.c, ring: 3, [H.c], with: [H.c])
    #expect(history.broken == .sequence)
  }

  @Test("Ring.Seq: two contents in one place")
  func twoContents() {
    var history = H.merged()
    let first = history.submit(H.a)
    let second = history.submit(H.a)
    history.send(first, at: 1)
    history.send(second, at: 1)
    #expect(history.broken == .ringSequence)
  }
}

@Suite("The checker of rings")
struct RingCheckerTests {
  private let ring = RingID(sequence: 7, representative: "n1")

  @Test("Ring.OneToken: a repeated token is the same one, from the same process")
  func tokens() {
    var checker = RingChecker(cast: Cast(count: 3))
    checker.token(by: 0, on: 0, ring: ring, sequence: 1, fingerprint: 5)
    checker.token(by: 1, on: 1, ring: ring, sequence: 2, fingerprint: 6)
    checker.token(by: 0, on: 0, ring: ring, sequence: 1, fingerprint: 5)
    #expect(checker.violation == nil)
    var second = checker
    second.token(by: 1, on: 1, ring: ring, sequence: 1, fingerprint: 5)
    #expect(second.violation?.rule == .oneToken)
    checker.token(by: 0, on: 0, ring: ring, sequence: 1, fingerprint: 7)
    #expect(checker.violation?.rule == .oneToken)
  }

  @Test("Commit.Id: an id is made once, within the stored bound")
  func births() {
    let both = HostSet([0, 1])
    var checker = RingChecker(cast: Cast(count: 3))
    checker.birth(of: ring, by: 0, on: 0, members: both, bound: 1_000)
    checker.birth(of: ring, by: 0, on: 0, members: both, bound: 1_000)
    checker.install(of: ring, on: 1, bound: 7)
    #expect(checker.violation == nil)
    var again = checker
    again.birth(of: ring, by: 4, on: 0, members: both, bound: 1_000)
    #expect(again.violation?.rule == .commitID)
    var unstored = RingChecker(cast: Cast(count: 3))
    unstored.birth(of: ring, by: 0, on: 0, members: both, bound: 6)
    #expect(unstored.violation?.rule == .commitID)
    checker.install(of: ring, on: 2, bound: 6)
    #expect(checker.violation?.rule == .commitID)
  }
}
