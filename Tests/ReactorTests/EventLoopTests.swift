// SPDX-License-Identifier: Apache-2.0

import Glibc
import Machine
import Testing

@testable import Reactor

@Suite("Event loop")
struct EventLoopTests {
  /// Runs turns until `done` or for a second.
  private func spin(_ loop: EventLoop, until done: () -> Bool) throws {
    let limit = BootClock.now + .seconds(1)
    while !done(), BootClock.now < limit { try loop.turn(until: limit) }
  }

  @Test("An alarm fires at its deadline, not before, and not again")
  func alarm() throws {
    let loop = try EventLoop()
    let start = BootClock.now
    var due: Instant? = start + .milliseconds(20)
    var fired: [Instant] = []
    loop.addAlarm(
      next: { due },
      fire: { now in
        fired.append(now)
        due = nil
      }
    )
    try spin(loop) { !fired.isEmpty }
    try loop.turn(until: BootClock.now + .milliseconds(30))
    #expect(fired.count == 1)
    #expect(try #require(fired.first) - start >= .milliseconds(20))
    #expect(try #require(fired.first) - start < .milliseconds(500))
  }

  @Test("A deadline that moves nearer while the timer is set is kept")
  func nearerDeadline() throws {
    let loop = try EventLoop()
    let start = BootClock.now
    var due: Instant? = start + .seconds(30)
    var fired = false
    loop.addAlarm(
      next: { due },
      fire: { _ in
        fired = true
        due = nil
      }
    )
    try loop.turn(until: start + .milliseconds(1))
    due = start + .milliseconds(10)
    try spin(loop) { fired }
    #expect(fired)
  }

  @Test("An alarm that another one removed in the same turn does not fire")
  func removedAlarm() throws {
    let loop = try EventLoop()
    var due: Instant? = .boot
    var second: EventLoop.Alarm?
    var fired: [Int] = []
    loop.addAlarm(
      next: { due },
      fire: { _ in
        fired.append(1)
        due = nil
        if let second { loop.remove(second) }
      }
    )
    second = loop.addAlarm(next: { .boot }, fire: { _ in fired.append(2) })
    try loop.turn(until: .boot)
    #expect(fired == [1])
  }

  @Test("After a long gap everything that waits is read before an alarm fires")
  func socketsBeforeTimers() throws {
    let loop = try EventLoop()
    let pipe = try Pipe()
    let (readFD, writeFD) = (pipe.readEnd.rawValue, pipe.writeEnd.rawValue)
    var order: [String] = []
    // One byte in each turn, as a bounded handler reads.
    _ = try loop.watch(pipe.readEnd, for: .readable) { _ in
      var byte: UInt8 = 0
      if read(readFD, &byte, 1) == 1 { order.append(String(byte)) }
    }
    var due: Instant? = BootClock.now + .milliseconds(1)
    loop.addAlarm(
      next: { due },
      fire: { _ in
        order.append("alarm")
        due = nil
      }
    )
    #expect(write(writeFD, [1, 2, 3] as [UInt8], 3) == 3)
    usleep(30_000)
    try loop.turn()
    #expect(order == ["1", "2", "3", "alarm"])
  }

  @Test("A removed watch is not called, not even for an event that was already read")
  func removedWatch() throws {
    let loop = try EventLoop()
    let first = try Pipe()
    let second = try Pipe()
    var watches: [EventLoop.Watch] = []
    var calls = 0
    let handler: (EventLoop.Readiness) -> Void = { _ in
      calls += 1
      for watch in watches { loop.remove(watch) }
    }
    watches.append(try loop.watch(first.readEnd, for: .readable, handler: handler))
    watches.append(try loop.watch(second.readEnd, for: .readable, handler: handler))
    #expect(write(first.writeEnd.rawValue, "x", 1) == 1)
    #expect(write(second.writeEnd.rawValue, "x", 1) == 1)
    try loop.turn()
    try loop.turn(until: BootClock.now)
    #expect(calls == 1)
    // The slot is used again; the old right to it is dead.
    let again = try loop.watch(first.readEnd, for: .readable) { _ in calls += 10 }
    loop.remove(watches[1])
    loop.remove(watches[0])
    try loop.turn()
    #expect(calls == 11)
    loop.remove(again)
  }

  @Test("The end of a pipe is reported without being asked for")
  func hangUp() throws {
    let loop = try EventLoop()
    let (readEnd, writeEnd) = try Pipe().split()
    let kept = Descriptor(adopting: readEnd)
    var seen: EventLoop.Readiness = []
    let watch = try loop.watch(kept, for: []) { seen.formUnion($0) }
    close(writeEnd)
    try loop.turn()
    #expect(seen.contains(.ended))
    loop.remove(watch)
  }

  @Test("Signals arrive on the loop")
  func signals() throws {
    let loop = try EventLoop()
    var seen: [Signal] = []
    let watcher = try SignalWatcher([.user1, .hangUp], on: loop) { seen.append($0) }
    pthread_kill(pthread_self(), SIGUSR1)
    pthread_kill(pthread_self(), SIGHUP)
    try spin(loop) { seen.count == 2 }
    #expect(Set(seen) == [.user1, .hangUp])
    withExtendedLifetime(watcher) {}
  }
}
