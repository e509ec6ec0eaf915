// SPDX-License-Identifier: Apache-2.0

import Glibc
package import Logging
import Synchronization

/// Where the log of a daemon goes, and how a line of it looks.
package enum LogTarget: Sendable {
  /// Standard error, with the time and the level in front: for people.
  case terminal
  /// Standard error, with the priority in front as the journal reads it: under systemd.
  case journal
  /// The syslog socket, for a daemon without a terminal; the facility is a number of RFC 5424.
  case syslog(identity: String, facility: Int)
  /// A file, or standard error without one, with the time in a form of the operator's choice.
  case chosen(LogFile?, LogTime)

  /// The journal's if systemd reads standard error, otherwise the terminal's.
  package static var standardError: Self {
    Environment.value("JOURNAL_STREAM") == nil ? .terminal : .journal
  }
}

/// Makes the logger of a daemon.
package enum DaemonLog {
  package static func make(label: String, target: LogTarget, debug: Bool) -> Logger {
    let lines = LogLines()
    var logger = Logger(label: label) { _ in Handler(target: target, lines: lines) }
    logger.logLevel = debug ? .debug : .info
    return logger
  }
}

/// The priorities of syslog(3).
private func priority(_ level: Logger.Level) -> Int {
  switch level {
  case .trace, .debug: 7
  case .info: 6
  case .notice: 5
  case .warning: 4
  case .error: 3
  case .critical: 2
  }
}

/// The lines on standard error, and how many were lost because nobody read them.
private final class LogLines: Sendable {
  private let lost = Atomic<Int>(0)

  func write(_ line: String) {
    let before = lost.exchange(0, ordering: .relaxed)
    let notice = before > 0 ? "(\(before) lines were lost: standard error was not read)\n" : ""
    guard Terminal.log(notice + line) else {
      lost.add(before + 1, ordering: .relaxed)
      return
    }
  }
}

private struct Handler: LogHandler {
  let target: LogTarget
  let lines: LogLines
  var logLevel = Logger.Level.info
  var metadata: Logger.Metadata = [:]

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    // One line is one record: a line feed in a text must not make two of it.
    let text = String(event.message.description.map { $0.isNewline ? " " : $0 })
    switch target {
    case .terminal: lines.write("\(LogTime().text) \(event.level) \(text)")
    case .chosen(let file?, let time): file.write("\(time.text) \(event.level) \(text)")
    case .chosen(nil, let time): lines.write("\(time.text) \(event.level) \(text)")
    case .journal: lines.write("<\(priority(event.level))>\(text)")
    case .syslog(let identity, let facility):
      Self.send("<\(8 * facility + priority(event.level))>\(identity)[\(getpid())]: \(text)")
    }
  }

  /// Sends one record to /dev/log without ever waiting for its reader.
  private static func send(_ record: String) {
    let raw = socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard raw >= 0 else { return }
    defer { close(raw) }
    LocalAddress("/dev/log")?.withSocketAddress { address, length in
      let bytes = Array(record.utf8)
      _ = sendto(raw, bytes, bytes.count, CInt(MSG_DONTWAIT) | CInt(MSG_NOSIGNAL), address, length)
    }
  }
}
