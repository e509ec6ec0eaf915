// SPDX-License-Identifier: Apache-2.0

import Glibc
package import Reactor

/// A file that log lines are appended to.
package final class LogFile: Sendable {
  private let descriptor: Descriptor

  /// Opens or makes the file; `%h` and `%H` in the path stand for the name of the machine.
  package init(path: String) throws(SystemError) {
    let name = Self.expand(path)
    // A FIFO that nobody reads is an error, and not a wait.
    let flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK
    descriptor = Descriptor(
      adopting: try SystemError.check(open(name, flags, 0o640), "open the log file \(name)")
    )
  }

  /// Appends one line; what the disk has no room for is lost.
  package func write(_ line: String) {
    let bytes = Array((line + "\n").utf8)
    _ = bytes.withUnsafeBytes { Glibc.write(descriptor.rawValue, $0.baseAddress, $0.count) }
  }

  /// The path with the machine's name in it.
  package static func expand(_ path: String) -> String {
    var expanded = ""
    var rest = path[...]
    while let percent = rest.firstIndex(of: "%") {
      expanded += rest[..<percent]
      rest = rest[rest.index(after: percent)...]
      switch rest.first {
      case "h", "H":
        expanded += HostName.own
        rest = rest.dropFirst()
      case nil, .some: expanded += "%"
      }
    }
    return expanded + rest
  }
}

/// How the time is written before a line of a log.
package struct LogTime: Sendable, Equatable {
  /// As in strftime(3); `nil` for year, month, day and the time of the day.
  package var format: String?
  /// Whether microseconds follow, instead of the milliseconds that `nil` has.
  package var isPrecise: Bool

  package init(format: String? = nil, isPrecise: Bool = false) {
    (self.format, self.isPrecise) = (format, isPrecise)
  }

  /// The present local time.
  package var text: String {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    var parts = tm()
    localtime_r(&now.tv_sec, &parts)
    var buffer = [CChar](repeating: 0, count: 256)
    let length = strftime(&buffer, buffer.count, format ?? "%Y-%m-%d %H:%M:%S", &parts)
    let text = String(decoding: buffer[..<length].map(UInt8.init(bitPattern:)), as: UTF8.self)
    if isPrecise { return text + "." + String(1_000_000 + now.tv_nsec / 1_000).dropFirst() }
    return format == nil ? text + "." + String(1_000 + now.tv_nsec / 1_000_000).dropFirst() : text
  }
}
