// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
import Synchronization

/// Values that other threads hand to the loop, in the order in which they were posted.
///
/// Its bound is that of its posters: a ``Worker`` posts at most what its bounded queue of jobs
/// asks for.
package final class Mailbox<Value: Sendable>: Sendable {
  private let values = Mutex<[Value]>([])
  private let bell: Descriptor

  package init() throws(SystemError) {
    bell = Descriptor(
      adopting: try SystemError.check(wack_event_create(1), "open an event descriptor")
    )
  }

  /// Leaves a value for the loop and wakes it; callable from every thread.
  package func post(_ value: Value) {
    let first = values.withLock { values in
      values.append(value)
      return values.count == 1
    }
    if first { Bell.ring(bell) }
  }

  /// Hands over what is there, also between turns of the loop.
  package func takeAll() -> [Value] {
    Bell.silence(bell)
    return values.withLock { values in
      var taken: [Value] = []
      swap(&taken, &values)
      return taken
    }
  }

  /// Calls `handler` on the loop's thread with each value posted from now on.
  @discardableResult
  package func deliver(
    on loop: EventLoop,
    to handler: @escaping (Value) -> Void
  ) throws(SystemError) -> EventLoop.Watch {
    try loop.watch(bell, for: .readable) { [self] _ in
      for value in takeAll() { handler(value) }
    }
  }
}

/// An eventfd used as a door bell.
enum Bell {
  static func ring(_ bell: borrowing Descriptor) {
    var one: UInt64 = 1
    // Fails only when the counter is full, and then the bell is ringing already.
    while write(bell.rawValue, &one, 8) < 0, errno == EINTR {}
  }

  static func silence(_ bell: borrowing Descriptor) {
    var count: UInt64 = 0
    while read(bell.rawValue, &count, 8) < 0, errno == EINTR {}
  }
}
