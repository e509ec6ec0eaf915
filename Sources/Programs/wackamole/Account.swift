// SPDX-License-Identifier: Apache-2.0

import Glibc
import Reactor

/// Accounts of the system.
enum Account {
  /// Why there is no such account.
  struct Unknown: Error, CustomStringConvertible {
    let description: String
  }

  /// Looks a user up by name or number.
  static func user(_ name: String) throws(Unknown) {
    guard UInt32(name) == nil else { return }
    errno = 0
    guard getpwnam(name) == nil else { return }
    let reason = errno == 0 ? "there is no such user" : "\(Errno.last)"
    throw Unknown(description: "user \(name): \(reason)")
  }

  /// The number of a group, by its name or number.
  static func group(_ name: String) throws(Unknown) -> UInt32 {
    if let number = UInt32(name) { return number }
    errno = 0
    guard let entry = getgrnam(name) else {
      let reason = errno == 0 ? "there is no such group" : "\(Errno.last)"
      throw Unknown(description: "group \(name): \(reason)")
    }
    return entry.pointee.gr_gid
  }
}
