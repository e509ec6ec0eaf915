// SPDX-License-Identifier: Apache-2.0

import Glibc
package import Reactor

/// What a process may ask for that must not wait for others; each needs a privilege.
package enum Scheduling {
  /// Gives the calling process a real-time priority of 1 to 99, which its children do not inherit.
  ///
  /// - Throws: `EPERM` without CAP_SYS_NICE.
  package static func makeRealTime(priority: Int) throws(SystemError) {
    var parameters = sched_param()
    parameters.sched_priority = CInt(clamping: priority)
    let resetOnFork: CInt = 0x4000_0000
    try SystemError.check(
      sched_setscheduler(0, SCHED_RR | resetOnFork, &parameters),
      "take the real-time priority \(priority)"
    )
  }

  /// Keeps the process's memory, as it is touched, from being swapped out.
  ///
  /// - Throws: `EPERM` or `ENOMEM` without CAP_IPC_LOCK.
  package static func lockMemory() throws(SystemError) {
    let onFault: CInt = 4
    try SystemError.check(mlockall(CInt(MCL_CURRENT) | CInt(MCL_FUTURE) | onFault), "lock memory")
  }
}
