// SPDX-License-Identifier: Apache-2.0

import Addresses
import Machine
import Testing

@testable import Interfaces

private let a = address("10.0.0.101/32")
private let b = address("10.0.0.102/32")
private let c = address("2001:db8::1/128")
private let one = vif(a)
private let two = vif(b, c)

@Suite("Interfaces: wishes and proof")
struct WishTests {
  @Test("Nothing is added before a token has come back")
  func noProof() {
    var rig = Rig()
    rig.feed(.hold(one))
    rig.pass(.seconds(60), turning: false)
    #expect(rig.effects.isEmpty)
    rig.prove()
    #expect(rig.takeBatch()?.changes == [.add(a)])
  }

  @Test("Proof counts from when the token was passed on: an old one from the buffer is none")
  func oldToken() {
    var rig = Rig()
    rig.stand(one)
    let passed = rig.now
    rig.now += .seconds(20)
    // The process was stopped; the kernel took the address away, and the token waited in the socket.
    rig.feed(.vanished(a))
    rig.feed(.rotation(passed: passed))
    rig.feed(.hold(two))
    #expect(rig.takeBatch() == nil)
    rig.prove()
    #expect(rig.takeBatch()?.changes == [.add(a), .add(b), .add(c)])
  }

  @Test("A batch carries until when it may be sent")
  func limit() {
    var rig = Rig()
    rig.feed(.hold(one))
    let passed = rig.now
    rig.now += .milliseconds(20)
    rig.feed(.rotation(passed: passed))
    #expect(rig.takeBatch()?.until == passed + Rig.proofLife)
  }

  @Test("What the netlink thread found too late is sent again with the next proof")
  func expired() {
    var rig = Rig()
    rig.feed(.hold(two))
    rig.prove()
    rig.now += .seconds(1)
    rig.answer(.expired)
    #expect(rig.takeRest().isEmpty)
    rig.prove()
    #expect(rig.answer() == [.add(b), .add(c)])
    #expect(rig.takeRest() == [.held(two.id, .done)])
  }

  @Test("A stall ends the proof, and so does a new membership")
  func distrust() {
    for event in [InterfacesEngine.Event.distrust, .recall] {
      var rig = Rig()
      rig.prove()
      rig.feed(event)
      rig.feed(.hold(one))
      #expect(rig.effects.isEmpty)
      #expect(!rig.engine.isLive(at: rig.now))
      rig.prove()
      #expect(rig.takeBatch()?.changes == [.add(a)])
    }
  }

  @Test("A new membership gives back what was not begun, and nothing else")
  func recall() {
    var rig = Rig()
    rig.stand(one)
    rig.feed(.distrust)
    rig.feed(.hold(two))
    rig.feed(.recall)
    #expect(rig.takeRest() == [.recalled(two.id)])
    rig.prove()
    #expect(rig.takeBatch() == nil)
  }

  @Test("Removals need no proof, and go with everything else of a turn in one batch")
  func removals() {
    var rig = Rig()
    rig.stand(one)
    rig.stand(two)
    rig.feed(.distrust)
    var queue = EffectQueue<InterfacesEngine.Effect>()
    rig.engine.handle(.drop(one), at: rig.now, into: &queue)
    rig.engine.handle(.drop(two), at: rig.now, into: &queue)
    #expect(queue.isEmpty)
    rig.turn()
    #expect(rig.answer() == [.remove(a), .remove(b), .remove(c)])
    #expect(rig.takeRest() == [.dropped(one.id, .done), .dropped(two.id, .done)])
    #expect(rig.engine.claims.isEmpty)
  }

  @Test("One batch is under way at a time, and a failure has its reason")
  func failure() {
    var rig = Rig()
    rig.feed(.hold(one))
    rig.prove()
    let first = rig.takeBatch()
    rig.feed(.hold(two))
    #expect(rig.takeBatch() == nil)
    guard let first else { return }
    rig.feed(.completed(first.id, [.failed("no room")]))
    #expect(rig.takeRest() == [.held(one.id, .failed("no room"))])
    #expect(rig.answer() == [.add(b), .add(c)])
    // An answer to a batch that has ended says nothing.
    rig.feed(.completed(first.id, [.done]))
    #expect(rig.takeRest() == [.held(two.id, .done)])
  }

  @Test("Two hundred VIFs of one turn are one batch")
  func many() {
    var rig = Rig()
    rig.prove()
    var queue = EffectQueue<InterfacesEngine.Effect>()
    for last in 1...200 {
      rig.engine.handle(.hold(vif(address("10.0.0.\(last)/32"))), at: rig.now, into: &queue)
    }
    rig.turn()
    #expect(rig.answer().count == 200)
    #expect(rig.takeRest().count == 200)
  }
}

@Suite("Interfaces: leases")
struct LeaseTests {
  @Test("Everything is renewed in one batch, three times as often as the lease ends")
  func renewal() {
    var rig = Rig()
    rig.stand(one)
    rig.pass(.seconds(1))
    rig.stand(two)
    rig.pass(.milliseconds(2_300))
    #expect(rig.takeBatch() == nil)
    rig.pass(.milliseconds(50))
    for _ in 0..<3 {
      #expect(rig.answer() == [.renew(a), .renew(b), .renew(c)])
      rig.pass(.milliseconds(3_300))
      #expect(rig.takeBatch() == nil)
      rig.pass(.milliseconds(50))
    }
  }

  @Test("Nothing is renewed while no token comes back, and at once when one does")
  func gather() {
    var rig = Rig()
    rig.stand(one)
    rig.pass(.seconds(8), turning: false)
    #expect(rig.takeBatch() == nil)
    #expect(rig.engine.leaseLeft(of: one.id, at: rig.now) == .seconds(2))
    rig.prove()
    #expect(rig.answer() == [.renew(a)])
    #expect(rig.engine.leaseLeft(of: one.id, at: rig.now) == .seconds(10))
  }

  @Test("A lease that ran out while the ring stood still is not a fight")
  func ranOut() {
    var rig = Rig()
    rig.stand(one)
    for _ in 0..<5 {
      rig.pass(.seconds(11), turning: false)
      rig.feed(.vanished(a))
      #expect(rig.takeBatch() == nil)
      rig.prove()
      #expect(rig.answer() == [.add(a)])
      #expect(rig.takeRest().contains(.note(.leaseReturned(a))))
    }
  }

  @Test("A renewal that the kernel does not acknowledge within half the lease gives the VIF up")
  func unacknowledged() {
    var rig = Rig()
    rig.stand(one)
    rig.pass(.seconds(4))
    #expect(rig.takeBatch()?.changes == [.renew(a)])
    rig.pass(.seconds(4))
    #expect(rig.takeRest().isEmpty)
    rig.pass(.seconds(1))
    #expect(
      rig.takeRest() == [.lost(one.id, "the kernel has not renewed its lease in time")]
    )
  }

  @Test("A renewal that fails gives the VIF up; one that came too late is made again")
  func failed() {
    var rig = Rig()
    rig.stand(one)
    rig.pass(.milliseconds(3_350))
    rig.answer(.expired)
    #expect(rig.answer(.failed("not ours")) == [.renew(a)])
    #expect(rig.takeRest() == [.lost(one.id, "not ours")])
    rig.feed(.drop(one))
    #expect(rig.answer() == [.remove(a)])
    #expect(rig.takeRest() == [.dropped(one.id, .done)])
  }

  @Test("Another lease begins with a renewal of all at once, and is renewed in its own time")
  func another() {
    var rig = Rig()
    rig.stand(one)
    rig.pass(.seconds(1))
    rig.feed(.reconfigure(lease: .seconds(30), proofLife: Rig.proofLife))
    // What was confirmed counts until the kernel has confirmed more.
    #expect(rig.engine.leaseLeft(of: one.id, at: rig.now) == .seconds(9))
    #expect(rig.answer() == [.renew(a)])
    #expect(rig.engine.leaseLeft(of: one.id, at: rig.now) == .seconds(30))
    rig.pass(.milliseconds(9_950))
    #expect(rig.takeBatch() == nil)
    rig.pass(.milliseconds(100))
    #expect(rig.answer() == [.renew(a)])
    // The same once more changes nothing.
    rig.feed(.reconfigure(lease: .seconds(30), proofLife: Rig.proofLife))
    #expect(rig.takeBatch() == nil)
  }

  @Test("A lease can go and come: it takes one renewal")
  func onAndOff() {
    var rig = Rig()
    rig.stand(one)
    rig.pass(.seconds(1))
    rig.feed(.reconfigure(lease: nil, proofLife: Rig.proofLife))
    #expect(rig.answer() == [.renew(a)])
    #expect(rig.engine.leaseLeft(of: one.id, at: rig.now) == nil)
    rig.pass(.seconds(60))
    #expect(rig.takeBatch() == nil)
    rig.feed(.reconfigure(lease: .seconds(3), proofLife: Rig.proofLife))
    #expect(rig.answer() == [.renew(a)])
    #expect(rig.engine.leaseLeft(of: one.id, at: rig.now) == .seconds(3))
    rig.pass(.milliseconds(1_050))
    #expect(rig.answer() == [.renew(a)])
  }

  @Test("Without proof another lease waits, and what the kernel has under way keeps the one it had")
  func anotherLater() {
    var rig = Rig()
    rig.stand(one)
    rig.pass(.seconds(1), turning: false)
    rig.feed(.reconfigure(lease: .seconds(5), proofLife: Rig.proofLife))
    #expect(rig.takeBatch() == nil)
    rig.prove()
    rig.answer(.expired)
    #expect(rig.answer() == [.renew(a)], "it came too late, and is made again")
    rig.feed(.hold(two))
    guard let batch = rig.takeBatch() else {
      Issue.record("nothing is added")
      return
    }
    #expect(batch.lease == .seconds(5))
    rig.feed(.reconfigure(lease: .seconds(20), proofLife: Rig.proofLife))
    #expect(rig.takeBatch() == nil)
    rig.feed(.completed(batch.id, [.done, .done]))
    #expect(rig.engine.leaseLeft(of: two.id, at: rig.now) == .seconds(5))
    #expect(rig.answer() == [.renew(a), .renew(b), .renew(c)])
    #expect(rig.engine.leaseLeft(of: two.id, at: rig.now) == .seconds(20))
  }

  @Test("A shorter life of proofs counts for the present one too")
  func shorterProof() {
    var rig = Rig()
    rig.prove()
    rig.feed(.reconfigure(lease: .seconds(10), proofLife: .milliseconds(50)))
    #expect(rig.engine.isLive(at: rig.now))
    #expect(!rig.engine.isLive(at: rig.now + .milliseconds(50)))
  }

  @Test("Without leases nothing is renewed")
  func off() {
    var rig = Rig(lease: nil)
    rig.stand(one)
    rig.pass(.seconds(120))
    #expect(rig.takeBatch() == nil)
    #expect(rig.engine.leaseLeft(of: one.id, at: rig.now) == nil)
  }
}

@Suite("Interfaces: what others take away")
struct PutBackTests {
  @Test("A deleted address is put back at once, three times a minute, and then given up")
  func fight() {
    var rig = Rig(lease: nil)
    rig.stand(one)
    for round in 1...3 {
      rig.pass(.seconds(1))
      rig.feed(.vanished(a))
      if round > 1 {
        #expect(rig.takeBatch() == nil, "whoever takes it away may not be done yet")
        rig.pass(.seconds(1))
      }
      #expect(rig.answer() == [.add(a)])
      #expect(rig.takeRest() == [.note(.putBack(a, times: round))])
      rig.feed(.appeared(a))
    }
    rig.pass(.seconds(1))
    rig.feed(.vanished(a))
    #expect(rig.takeBatch() == nil)
    let text = "somebody else takes \(a) away again and again"
    #expect(rig.takeRest() == [.note(.fight(a)), .lost(one.id, text)])
    // What is given up is not touched until it is dropped, and may be held again then.
    rig.pass(.seconds(5))
    #expect(rig.takeBatch() == nil)
    rig.feed(.drop(one))
    rig.answer(.already)
    #expect(rig.takeRest() == [.dropped(one.id, .done)])
    rig.stand(one)
  }

  @Test("Three times a minute for ever is no fight")
  func slow() {
    var rig = Rig(lease: nil)
    rig.stand(one)
    for _ in 0..<10 {
      rig.pass(.seconds(25))
      rig.feed(.vanished(a))
      rig.pass(.seconds(1))
      #expect(rig.answer() == [.add(a)])
      #expect(rig.takeRest().allSatisfy { if case .note = $0 { true } else { false } })
    }
  }

  @Test("Siblings that went with their primary come back in one batch")
  func siblings() {
    let first = address("10.0.0.1/24")
    let second = address("10.0.0.2/24")
    var rig = Rig()
    rig.stand(vif(first))
    rig.stand(vif(second))
    rig.prove()
    var queue = EffectQueue<InterfacesEngine.Effect>()
    rig.engine.handle(.vanished(first), at: rig.now, into: &queue)
    rig.engine.handle(.vanished(second), at: rig.now, into: &queue)
    rig.turn()
    #expect(rig.answer() == [.add(first), .add(second)])
  }

  @Test("A report that is older than the addition is found out by the kernel and not counted")
  func stale() {
    var rig = Rig(lease: nil)
    rig.stand(one)
    for _ in 0..<10 {
      rig.prove()
      rig.feed(.vanished(a))
      #expect(rig.answer(.already) == [.add(a)])
      #expect(rig.takeRest().isEmpty)
    }
  }

  @Test("An address that vanished with its link comes back with it")
  func link() {
    var rig = Rig()
    rig.stand(two)
    rig.feed(.link(c.interface, isUp: false))
    rig.feed(.vanished(c))
    rig.pass(.seconds(2))
    #expect(rig.takeBatch() == nil)
    rig.feed(.link(c.interface, isUp: true))
    #expect(rig.answer() == [.add(c)])
  }

  @Test("A snapshot tells what is missing, and what is on its way out is left alone")
  func snapshot() {
    var rig = Rig(lease: nil)
    rig.stand(one)
    rig.stand(two)
    rig.prove()
    rig.feed(.observed([a, c]))
    #expect(rig.answer() == [.add(b)])
    rig.feed(.drop(two))
    rig.feed(.observed([a]))
    rig.feed(.vanished(b))
    #expect(rig.answer() == [.remove(b), .remove(c)])
    rig.pass(.seconds(1))
    #expect(rig.takeBatch() == nil)
  }

  @Test("An address that cannot be put back gives the VIF up")
  func refused() {
    var rig = Rig()
    rig.stand(one)
    rig.prove()
    rig.feed(.vanished(a))
    rig.answer(.failed("no such interface"))
    #expect(rig.takeRest() == [.lost(one.id, "no such interface")])
  }

  @Test("Neighbours hear when a VIF is not whole, and when it is again")
  func wholeness() {
    var rig = Rig()
    rig.stand(two)
    #expect(rig.takePresence().isEmpty)
    rig.feed(.vanished(b))
    rig.feed(.vanished(c))
    #expect(rig.takePresence() == [.vanished(two.id)])
    rig.prove()
    #expect(rig.answer() == [.add(b)])
    #expect(rig.takePresence().isEmpty)
    #expect(rig.answer() == [.add(c)])
    #expect(rig.takePresence() == [.restored(two)])
    rig.feed(.drop(two))
    rig.feed(.vanished(b))
    rig.answer()
    #expect(rig.takePresence().isEmpty)
  }
}
