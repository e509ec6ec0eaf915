// SPDX-License-Identifier: Apache-2.0

import Glibc
import Machine
import Synchronization
import Testing

@testable import Reactor

@Suite("Worker and mailbox")
struct WorkerTests {
  @Test("Jobs run in order on one other thread, and their results come back through the loop")
  func roundTrip() throws {
    let loop = try EventLoop()
    let mailbox = try Mailbox<Int>()
    var received: [Int] = []
    try mailbox.deliver(on: loop) { received.append($0) }
    let here = pthread_self()
    let elsewhere = Mutex(true)
    let worker = try Worker<Int>(name: "test", capacity: 1_000) { 0 }
    for _ in 0..<500 {
      let accepted = worker.submit { count in
        count += 1
        if pthread_self() == here { elsewhere.withLock { $0 = false } }
        mailbox.post(count)
      }
      #expect(accepted)
    }
    let limit = BootClock.now + .seconds(5)
    while received.count < 500, BootClock.now < limit { try loop.turn(until: limit) }
    #expect(received == Array(1...500))
    #expect(elsewhere.withLock { $0 })
    worker.finish()
  }

  @Test("A full queue refuses; what was accepted runs before finish returns")
  func bounded() throws {
    let worker = try Worker<Int>(name: "test", capacity: 2) { 0 }
    let gate = Mutex(())
    let done = try Mailbox<Int>()
    let started = try Mailbox<Int>()
    var accepted: [Bool] = []
    gate.withLock { _ in
      _ = worker.submit { _ in
        started.post(0)
        gate.withLock { _ in }
      }
      while started.takeAll().isEmpty { usleep(1_000) }
      accepted = (1...3).map { number in worker.submit { _ in done.post(number) } }
    }
    worker.finish()
    #expect(accepted == [true, true, false])
    #expect(done.takeAll() == [1, 2])
    #expect(!worker.submit { _ in })
  }

  @Test("Errors are told with their symbol and their sentence")
  func errors() {
    let error = SystemError("bind 10.0.0.1:4813", Errno(EADDRINUSE))
    #expect(error.description == "bind 10.0.0.1:4813: Address already in use (EADDRINUSE)")
  }
}
