// SPDX-License-Identifier: Apache-2.0

import Glibc

/// The service manager's side of a daemon: the protocol of sd_notify(3) and sd_watchdog_enabled(3).
package struct ServiceManager {
  private let socketName: String?
  /// How long the manager waits for a sign of life; `nil` if it does not.
  package let watchdog: Duration?

  /// Reads what the manager put into the environment.
  package init() {
    socketName = Environment.value("NOTIFY_SOCKET")
    let forMe = Environment.value("WATCHDOG_PID").map { Int32($0) == getpid() } ?? true
    let limit = Environment.value("WATCHDOG_USEC").flatMap { Int64($0) } ?? 0
    watchdog = forMe && limit > 0 ? .microseconds(limit) : nil
  }

  package func ready(status: String) { send("READY=1\nSTATUS=\(status)") }
  package func status(_ text: String) { send("STATUS=\(text)") }
  package func stopping() { send("STOPPING=1") }
  package func alive() { send("WATCHDOG=1") }

  private func send(_ text: String) {
    guard let socketName, let address = LocalAddress(socketName) else { return }
    let raw = socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard raw >= 0 else { return }
    defer { close(raw) }
    address.withSocketAddress { address, length in
      let bytes = Array(text.utf8)
      _ = sendto(raw, bytes, bytes.count, CInt(MSG_NOSIGNAL), address, length)
    }
  }
}
