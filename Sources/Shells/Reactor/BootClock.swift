// SPDX-License-Identifier: Apache-2.0

import Glibc
package import Machine

/// The clock all time-outs are measured by: CLOCK_BOOTTIME, which no operator sets and which
/// goes on while the machine is suspended.
package enum BootClock {
  package static var now: Instant {
    var time = timespec()
    // Cannot fail: the clock exists since Linux 2.6.39 and the address is valid.
    _ = clock_gettime(CLOCK_BOOTTIME, &time)
    return Instant(
      sinceBoot: Duration(
        secondsComponent: Int64(time.tv_sec),
        attosecondsComponent: Int64(time.tv_nsec) * 1_000_000_000
      )
    )
  }
}
