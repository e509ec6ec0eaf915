// SPDX-License-Identifier: Apache-2.0

import Glibc
import Reactor

/// Running without a terminal: the program starts itself once more in a session of its own.
package enum Background {
  /// The descriptor through which the child reports that it runs.
  private static let reportDescriptor: CInt = 3
  /// POSIX_SPAWN_SETSID, which the C library shows only as an extension.
  private static let newSession: Int16 = 0x80
  private static let variable = "WACKAMOLE_BACKGROUND"

  /// Whether this process is the one in the background.
  package static var isChild: Bool { Environment.value(variable) != nil }

  /// Starts this program again with the same arguments and waits until it runs or has failed.
  ///
  /// Until then the child writes to the same standard error. Returns whether it runs.
  package static func launch() -> Bool {
    var ends: [CInt] = [-1, -1]
    // No other thread runs yet that could spawn a process between these calls.
    guard pipe(&ends) == 0 else { return false }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    defer { close(ends[0]) }
    let started = spawn(reportingTo: ends[1])
    close(ends[1])
    guard started else { return false }
    var byte: UInt8 = 0
    var count = -1
    repeat { count = read(ends[0], &byte, 1) } while count < 0 && errno == EINTR
    return count == 1
  }

  /// Tells the waiting parent that the daemon runs, and lets go of its terminal.
  package static func started() {
    // Run from /proc/self/exe it is called "exe", and pkill(1) would not find it.
    let name = (CommandLine.arguments.first ?? "").split(separator: "/").last ?? ""
    ProcessName.set(String(name))
    guard isChild else { return }
    unsetenv(variable)
    var byte: UInt8 = 1
    _ = write(reportDescriptor, &byte, 1)
    close(reportDescriptor)
    let null = open("/dev/null", O_RDWR | O_CLOEXEC)
    guard null >= 0 else { return }
    for descriptor in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO] { dup2(null, descriptor) }
    close(null)
  }

  private static func spawn(reportingTo descriptor: CInt) -> Bool {
    var actions = posix_spawn_file_actions_t()
    var attributes = posix_spawnattr_t()
    posix_spawn_file_actions_init(&actions)
    posix_spawnattr_init(&attributes)
    defer {
      posix_spawn_file_actions_destroy(&actions)
      posix_spawnattr_destroy(&attributes)
    }
    posix_spawnattr_setflags(&attributes, newSession)
    // Duplicating a descriptor onto itself would leave it close-on-exec in older C libraries.
    let free = fcntl(descriptor, F_DUPFD_CLOEXEC, reportDescriptor + 1)
    guard free >= 0 else { return false }
    defer { close(free) }
    posix_spawn_file_actions_adddup2(&actions, free, reportDescriptor)
    setenv(variable, "1", 1)
    defer { unsetenv(variable) }
    var arguments: [UnsafeMutablePointer<CChar>?] = CommandLine.arguments.map { strdup($0) }
    arguments.append(nil)
    defer { for argument in arguments { release(argument) } }
    var process = pid_t()
    let result = posix_spawn(&process, "/proc/self/exe", &actions, &attributes, &arguments, environ)
    if result != 0 {
      Terminal.error("cannot start in the background: \(SystemError("spawn", Errno(result)))")
    }
    return result == 0
  }

  private static func release(_ pointer: UnsafeMutablePointer<CChar>?) { Glibc.free(pointer) }
}
