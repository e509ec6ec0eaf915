// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc

/// A connection to a child process over which one descriptor at a time is put into its keeping.
///
/// Its end tells the child that this process has ended, however it did.
package final class Handover {
  /// This process's end; closing it is the end for the child.
  package let near: Descriptor
  /// The end for a child, and for the next one if that dies.
  package let far: Descriptor

  package init() throws(SystemError) {
    var ends: [CInt] = [-1, -1]
    let type = CInt(SOCK_SEQPACKET.rawValue | SOCK_CLOEXEC.rawValue)
    try SystemError.check(socketpair(AF_UNIX, type, 0, &ends), "open a pair of sockets")
    near = Self.atTheTop(Descriptor(adopting: ends[0]))
    far = Descriptor(adopting: ends[1])
  }

  /// The same under a high number, else as it was.
  ///
  /// What a process that is killed had open is let go from the highest number down (Linux since 4.3).
  /// Packet sockets take tens of milliseconds each, and the child is not to wait for them.
  private static func atTheTop(_ descriptor: consuming Descriptor) -> Descriptor {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
      return descriptor
    }
    let top = fcntl(descriptor.rawValue, F_DUPFD_CLOEXEC, CInt(min(limit.rlim_cur, 1_024)) - 16)
    return top < 0 ? descriptor : Descriptor(adopting: top)
  }

  /// Puts a copy of the descriptor into the child's keeping in place of the one before, which it
  /// closes.
  ///
  /// With `nil` nothing comes in its place. Returns whether the connection took it.
  package func keep(_ descriptor: CInt?) -> Bool {
    wack_give_descriptor(near.rawValue, descriptor ?? -1) == 1
  }

  /// Keeps what the other process hands over; returns when that process has ended.
  ///
  /// What is kept then stays open until the caller ends.
  package static func keepUntilEnd(of far: borrowing Descriptor) {
    var kept: CInt = -1
    while true {
      var taken: CInt = -1
      let count = wack_take_descriptor(far.rawValue, &taken)
      if count == 0 { return }
      if count > 0 {
        if kept >= 0 { close(kept) }
        kept = taken
        continue
      }
      switch errno {
      case EINTR, EAGAIN: continue
      // A connection that cannot be read says nothing of the other process; it may live.
      default: while true { pause() }  // not ours: error numbers
      }
    }
  }
}
