// SPDX-License-Identifier: Apache-2.0
//
// Removes the addresses of a wackamole that has died. It inherits from the daemon: on descriptor 3
// the read end of a pipe whose write end only the daemon holds, on 4 the table of addresses, and on
// 5 a lock that the next daemon waits for.

import Glibc
import Machine
import Netlink
import Reactor

/// Writes one line to standard error, as the journal or a person reads it.
func log(_ priority: Int, _ text: String) {
  let prefix = getenv("JOURNAL_STREAM") == nil ? "" : "<\(priority)>"
  let line = Array("\(prefix)wackamole-guardian[\(getpid())]: \(text)\n".utf8)
  _ = write(STDERR_FILENO, line, line.count)
}

// Whoever stops the daemon and all its children at once must not stop this one before its work.
for number in Guardian.ignoredSignals { signal(number, SIG_IGN) }

do {
  let duty = try GuardianDuty(pipe: Descriptor(adopting: 3), table: Descriptor(adopting: 4))
  duty.waitForEnd()
  let begun = BootClock.now
  guard let result = try duty.removeAll() else { exit(0) }
  let (seconds, attoseconds) = (BootClock.now - begun).components
  let spent = seconds * 1_000_000 + attoseconds / 1_000_000_000_000
  log(result.failed.isEmpty ? 4 : 3, "wackamole has died; \(result) (\(spent) us)")
  exit(result.failed.isEmpty ? 0 : 1)
} catch {
  log(3, "cannot guard: \(error). It is started by wackamole, not by hand")
  exit(2)
}
