// SPDX-License-Identifier: Apache-2.0

import Glibc
package import Reactor

/// What a process may ask for that must not wait for others; each needs a privilege.
package enum Scheduling {
  /// Gives the calling thread a real-time priority of 1 to 99, which children do not inherit, or none.
  ///
  /// - Throws: `EPERM` without CAP_SYS_NICE.
  package static func setRealTime(priority: Int?) throws(SystemError) {
    var parameters = sched_param()
    parameters.sched_priority = CInt(clamping: priority ?? 0)
    let resetOnFork: CInt = 0x4000_0000
    try SystemError.check(
      sched_setscheduler(0, (priority == nil ? SCHED_OTHER : SCHED_RR) | resetOnFork, &parameters),
      priority.map { "take the real-time priority \($0)" } ?? "give up the real-time priority"
    )
  }

  /// Keeps the process's memory, as it is touched, from being swapped out, or does so no more.
  ///
  /// - Throws: `EPERM` or `ENOMEM` without CAP_IPC_LOCK.
  package static func lockMemory(_ isLocked: Bool) throws(SystemError) {
    let onFault: CInt = 4
    guard isLocked else {
      try SystemError.check(munlockall(), "unlock memory")
      return
    }
    try SystemError.check(mlockall(CInt(MCL_CURRENT) | CInt(MCL_FUTURE) | onFault), "lock memory")
  }
}
