// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc

/// The number by which the kernel names a failure, with the texts that errno(3) gives it.
package struct Errno: Error, Sendable, Hashable {
  package let rawValue: CInt

  package init(_ rawValue: CInt) { self.rawValue = rawValue }

  /// The failure of the call just made on this thread.
  package static var last: Errno { Errno(errno) }

  /// The symbol, as in `EADDRINUSE`.
  package var name: String {
    strerrorname_np(rawValue).map { String(cString: $0) } ?? "errno \(rawValue)"
  }

  /// The sentence, as in "Address already in use".
  package var text: String {
    strerrordesc_np(rawValue).map { String(cString: $0) } ?? "unknown error"
  }
}

extension Errno: CustomStringConvertible {
  package var description: String { "\(text) (\(name))" }
}

/// A system call that failed: what was attempted, and what the kernel said.
package struct SystemError: Error, Sendable, Equatable {
  /// What was attempted, with its object: "bind 10.0.0.1:4813".
  package let attempt: String
  package let errno: Errno

  package init(_ attempt: String, _ errno: Errno) { (self.attempt, self.errno) = (attempt, errno) }

  /// Returns `result` unless it says that the call failed (below zero).
  @discardableResult
  package static func check(
    _ result: CInt,
    _ attempt: @autoclosure () -> String
  ) throws(SystemError) -> CInt {
    guard result < 0 else { return result }
    let errno = Errno.last
    throw SystemError(attempt(), errno)
  }
}

extension SystemError: CustomStringConvertible {
  package var description: String { "\(attempt): \(errno)" }
}
