// SPDX-License-Identifier: Apache-2.0
//
// Removes the addresses of a wackamole that has died. It inherits from the daemon: on descriptor 3
// the end of a connection whose other end only the daemon holds, on 4 the table of addresses, on 5 a
// lock that the next daemon waits for, and on 6 the obituary that tells the other servers. Over the
// connection it is given the socket of the daemon's session with Spread: while it keeps that open, the
// session lives, so the others learn of the end only when the addresses are gone.

import Addresses
import Glibc
import Machine
import Netlink
import Reactor
import Transport

/// Writes one line to standard error, as the journal or a person reads it.
func log(_ priority: Int, _ text: String) {
  let prefix = getenv("JOURNAL_STREAM") == nil ? "" : "<\(priority)>"
  let line = Array("\(prefix)wackamole-guardian[\(getpid())]: \(text)\n".utf8)
  _ = write(STDERR_FILENO, line, line.count)
}

/// Tells the others that the daemon is dead, three times, since nobody repeats what is lost.
func send(_ will: LastWill.Contents) throws {
  var options = UDPSocket.Options()
  options.receiveBuffer = 4_096
  // Any port: the daemon's own may be closed a moment later than its connection here.
  let socket = try UDPSocket(bind: Endpoint(address: will.source, port: 0), options: options)
  for pause in [0, 3_000, 15_000] as [UInt32] {
    usleep(pause)
    for recipient in will.recipients { socket.send(will.datagram, to: recipient) }
  }
}

// Whoever stops the daemon and all its children at once must not stop this one before its work.
for number in Guardian.ignoredSignals { signal(number, SIG_IGN) }

do {
  let duty = try GuardianDuty(daemon: Descriptor(adopting: 3), table: Descriptor(adopting: 4))
  let inherited = try? InheritedWill(Descriptor(adopting: 6))
  duty.waitForEnd()
  let begun = BootClock.now
  guard let result = try duty.removeAll() else { exit(0) }
  // While an address is left, nobody may be told that it is free.
  if result.failed.isEmpty, let will = inherited?.contents {
    do {
      try send(will)
    } catch {
      log(4, "cannot tell the other servers: \(error)")
    }
  }
  let (seconds, attoseconds) = (BootClock.now - begun).components
  let spent = seconds * 1_000_000 + attoseconds / 1_000_000_000_000
  log(result.failed.isEmpty ? 4 : 3, "wackamole has died; \(result) (\(spent) us)")
  exit(result.failed.isEmpty ? 0 : 1)
} catch {
  log(3, "cannot guard: \(error). It is started by wackamole, not by hand")
  exit(2)
}
