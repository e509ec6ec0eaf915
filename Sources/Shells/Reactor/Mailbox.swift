// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
import Synchronization

/// Values that other threads hand to the loop, in the order in which they were posted.
///
/// Its bound is that of its posters: a ``Worker`` posts at most what its bounded queue of jobs
/// asks for.
package final class Mailbox<Value: Sendable>: Sendable {
  private struct Contents {
    var values: [Value] = []
    /// Gets every value once nobody empties the mailbox any more.
    var heir: (@Sendable (Value) -> Void)?
  }

  private let contents = Mutex(Contents())
  private let bell: Descriptor

  package init() throws(SystemError) {
    bell = Descriptor(
      adopting: try SystemError.check(wack_event_create(1), "open an event descriptor")
    )
  }

  /// Leaves a value for the loop and wakes it; callable from every thread.
  package func post(_ value: Value) {
    let (first, heir) = contents.withLock { contents in
      if let heir = contents.heir { return (false, heir as (@Sendable (Value) -> Void)?) }
      contents.values.append(value)
      return (contents.values.count == 1, nil)
    }
    heir?(value)
    if first { Bell.ring(bell) }
  }

  /// Hands over what is there, also between turns of the loop.
  package func takeAll() -> [Value] {
    Bell.silence(bell)
    return contents.withLock { contents in
      var taken: [Value] = []
      swap(&taken, &contents.values)
      return taken
    }
  }

  /// Gives what is there, and all that is posted from now on, to `heir`, on the poster's thread: the
  /// loop has ended.
  package func close(_ heir: @escaping @Sendable (Value) -> Void) {
    let left = contents.withLock { contents in
      contents.heir = heir
      defer { contents.values = [] }
      return contents.values
    }
    for value in left { heir(value) }
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
