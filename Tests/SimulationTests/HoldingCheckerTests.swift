// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Testing
import Worlds

@Suite("The checker of holders")
struct HoldingCheckerTests {
  private let first = ViewID(epoch: 1, origin: 1, index: 0)
  private let other = ViewID(epoch: 2, origin: 2, index: 0)
  private let merged = ViewID(epoch: 3, origin: 1, index: 0)

  /// Three hosts in one view, to which they came together; VIF 0 is at host 0.
  private func component() -> HoldingChecker {
    var checker = HoldingChecker(cast: Cast(count: 3), vifs: 2)
    for host in 0..<3 { checker.view(first, at: host, together: HostSet(0..<3)) }
    checker.acquire(0, at: 0)
    checker.added(0, at: 0, done: true)
    return checker
  }

  /// Hosts 0 and 2 each hold VIF 0, and meet in one view.
  private func conflict() -> HoldingChecker {
    var checker = component()
    checker.view(other, at: 2, together: HostSet([2]))
    checker.acquire(0, at: 2)
    checker.added(0, at: 2, done: true)
    for host in 0..<2 { checker.view(merged, at: host, together: HostSet(0..<2)) }
    checker.view(merged, at: 2, together: HostSet([2]))
    return checker
  }

  @Test("A move releases before it acquires")
  func move() {
    var checker = component()
    checker.removed(0, at: 0, now: .zero)
    checker.acquire(0, at: 1)
    checker.added(0, at: 1, done: true)
    checker.announce(0, by: 1)
    #expect(checker.violation == nil)
    #expect(checker.uncovered(among: HostSet(0..<3), eligible: [HostSet([1]), HostSet()]) == nil)
  }

  @Test("Failover.NoSecondHolder: acquired before it was released")
  func second() {
    var checker = component()
    checker.acquire(0, at: 1)
    #expect(checker.violation?.rule == .secondHolder)
  }

  @Test("Failover.NoSecondHolder: acquired while another's kernel is about to add it")
  func race() {
    var checker = component()
    checker.acquire(1, at: 0)
    checker.acquire(1, at: 2)
    #expect(checker.violation?.rule == .secondHolder)
  }

  @Test("Failover.NoSecondHolder: acquired in no view")
  func outside() {
    var checker = component()
    checker.detach(1)
    checker.acquire(1, at: 1)
    #expect(checker.violation?.rule == .secondHolder)
  }

  @Test("Two components may hold the same, and both bring it to a merge; the keeper announces")
  func merge() {
    var checker = conflict()
    #expect(checker.violation == nil)
    #expect(checker.counters.conflicts == 1)
    checker.removed(0, at: 2, now: .seconds(1))
    #expect(checker.owesAnnouncement)
    checker.announce(0, by: 0)
    #expect(!checker.owesAnnouncement)
    #expect(checker.violation == nil)
  }

  @Test("A conflict may outlast a view of those that share it, but no new one may come of it")
  func nextView() {
    var checker = conflict()
    let next = ViewID(epoch: 4, origin: 1, index: 0)
    for host in [0, 2] { checker.view(next, at: host, together: HostSet([0, 2])) }
    #expect(checker.violation == nil)
    checker.removed(0, at: 2, now: .zero)
    checker.acquire(0, at: 2)
    #expect(checker.violation?.rule == .secondHolder)
  }

  @Test("Failover.TwoHolders: two that came together hold the same")
  func together() {
    var checker = component()
    checker.view(other, at: 1, together: HostSet([0, 1]))
    checker.acquire(0, at: 1)
    checker.added(0, at: 1, done: true)
    checker.view(other, at: 0, together: HostSet([0, 1]))
    #expect(checker.violation?.rule == .twoHolders)
  }

  @Test("Failover.Announcement: announced by the loser")
  func loser() {
    var checker = conflict()
    checker.removed(0, at: 2, now: .zero)
    checker.announce(0, by: 2)
    #expect(checker.violation?.rule == .announcement)
  }

  @Test("Failover.Coverage: nobody, two, or one that is not eligible")
  func coverage() {
    let all = HostSet(0..<3)
    let eligible = [all, HostSet()]
    #expect(component().uncovered(among: all, eligible: eligible) == nil)
    #expect(component().uncovered(among: all, eligible: [all, all]) != nil)
    #expect(component().uncovered(among: all, eligible: [HostSet([1, 2]), HostSet()]) != nil)
    #expect(component().uncovered(among: all, eligible: [HostSet(), HostSet()]) != nil)
    #expect(conflict().uncovered(among: all, eligible: eligible) != nil)
  }

  @Test("A dead machine holds nothing once its guardian is done")
  func guardian() {
    var checker = component()
    checker.detach(0)
    checker.view(other, at: 1, together: HostSet([1, 2]))
    checker.acquire(0, at: 1)
    checker.purge(0)
    checker.added(0, at: 1, done: true)
    #expect(checker.violation == nil)
    #expect(checker.holders(of: 0) == HostSet([1]))
  }
}
