// SPDX-License-Identifier: Apache-2.0

import FakeDaemon
import Glibc
import Machine
import Namespaces
import Reactor
import SessionWire

/// A ``FakeDaemon`` that answers, on a thread of its own.
final class DaemonThread: Sendable {
  enum Command: Sendable {
    case hangUp
    case refuse(Refusal?)
    case say([UInt8], times: Int)
    case readsNothing(Bool)
    case stop
  }

  struct Nothing: Sendable {}

  let path = "\(temporaryFolder)/spread-client-\(getpid())-\(UInt32.random(in: 0 ... .max))"
  private let commands: Mailbox<Command>
  private let worker: Worker<Nothing>

  init() throws {
    let commands = try Mailbox<Command>()
    self.commands = commands
    worker = try Worker(name: "daemon", capacity: 1) { Nothing() }
    let ready = try Mailbox<Bool>()
    let path = path
    _ = worker.submit { _ in
      guard let loop = try? EventLoop(), let daemon = try? FakeDaemon(path: path, on: loop) else {
        ready.post(false)
        return
      }
      daemon.answers = true
      _ = try? commands.deliver(on: loop) { command in
        switch command {
        case .hangUp: daemon.hangUp()
        case .refuse(let refusal): daemon.refusal = refusal
        case .say(let bytes, let times): for _ in 0..<times { daemon.say(bytes) }
        case .readsNothing(let value): daemon.reads = !value
        case .stop: loop.stop()
        }
      }
      ready.post(true)
      try? loop.run()
    }
    // Connecting before it listens would fail.
    let limit = BootClock.now + .seconds(10)
    while ready.takeAll().isEmpty, BootClock.now < limit { usleep(1_000) }
  }

  deinit { tell(.stop) }

  func tell(_ command: Command) { commands.post(command) }
}
