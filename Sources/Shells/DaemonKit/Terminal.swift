// SPDX-License-Identifier: Apache-2.0

import Glibc
import Reactor

/// Standard output and standard error of a program.
package enum Terminal {
  /// Writes the text and a line feed to standard output; ends the program if that is gone.
  package static func output(_ text: String) { write(text, to: STDOUT_FILENO) }

  /// Writes bytes as they are to standard output; ends the program if that is gone.
  package static func output(bytes: some Sequence<UInt8>) {
    write(Array(bytes)[...], to: STDOUT_FILENO)
  }

  /// Writes the text and a line feed to standard error.
  package static func error(_ text: String) { write(text, to: STDERR_FILENO) }

  /// Opens /dev/null as each of standard input, output and error that is closed.
  ///
  /// Is called first of all: the next file or socket would take the number, and what is said to
  /// people would be written into it.
  package static func reserveDescriptors() {
    for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
      // The lowest free number is the one that is closed, as all below it are open.
      _ = open("/dev/null", descriptor == STDIN_FILENO ? O_RDONLY : O_WRONLY)
    }
  }

  /// The columns and rows of the terminal that standard output is; `nil` if it is none.
  package static var size: (columns: Int, rows: Int)? {
    guard isatty(STDOUT_FILENO) == 1 else { return nil }
    var size = winsize()
    guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0
    else { return (80, 24) }
    return (Int(size.ws_col), Int(size.ws_row))
  }

  /// Writes one line of the log, or drops it if standard error is a pipe that nobody empties.
  ///
  /// The loop must not wait for a reader. Returns whether the line was written.
  static func log(_ line: String) -> Bool {
    var request = pollfd(fd: STDERR_FILENO, events: Int16(POLLOUT), revents: 0)
    guard poll(&request, 1, 0) == 1 else { return false }
    // A pipe that is ready takes at least PIPE_BUF bytes without waiting.
    var bytes = Array(line.utf8.prefix(4_095))
    bytes.append(UInt8(ascii: "\n"))
    return bytes.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) } > 0
  }

  private static func write(_ text: String, to descriptor: CInt) {
    write(Array((text.hasSuffix("\n") ? text : text + "\n").utf8)[...], to: descriptor)
  }

  private static func write(_ bytes: ArraySlice<UInt8>, to descriptor: CInt) {
    var rest = bytes
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      if count < 0, errno == EAGAIN {
        // Whoever shares the terminal has made it so; here it is waited for.
        var request = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        _ = poll(&request, 1, -1)
        continue
      }
      guard count > 0 else {
        // Nobody is left to be told that standard error is gone.
        guard descriptor == STDOUT_FILENO else { return }
        giveUp(Errno.last)
      }
      rest = rest.dropFirst(count)
    }
  }
}

extension Terminal {
  /// Ends a program whose output is taken by nobody: its work is in vain, and may have no end.
  ///
  /// Where the reader has gone it ends as by the signal that says so, else it says why and fails.
  private static func giveUp(_ problem: Errno) -> Never {
    if problem.rawValue == EPIPE {
      signal(SIGPIPE, SIG_DFL)
      raise(SIGPIPE)
    } else {
      error("cannot write to standard output: \(problem)")
    }
    exit(1)
  }
}

/// The process's environment.
package enum Environment {
  /// The value of a variable; `nil` if it is not set.
  package static func value(_ name: String) -> String? {
    getenv(name).map { String(cString: $0) }
  }
}

/// Unpredictable numbers from the operating system.
package enum Entropy {
  /// Returns 64 unpredictable bits; blocks only before the kernel's generator is seeded at boot.
  package static func word() -> UInt64 {
    var system = SystemRandomNumberGenerator()
    return system.next()
  }
}
