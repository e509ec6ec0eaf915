// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
package import Machine

/// A program started by this one, with just the descriptors it was handed.
package final class ChildProcess {
  /// How a program ended.
  package enum Ending: Sendable, Equatable {
    case exited(status: CInt)
    case killed(signal: CInt)
  }

  /// POSIX_SPAWN_SETSID, which the C library shows only as an extension.
  private static let newSession: Int16 = 0x80

  package let process: Int32
  /// Becomes readable when the program has ended.
  private let handle: Descriptor
  private var ending: Ending?

  /// Starts a program.
  ///
  /// Its descriptors 3, 4, … are copies of `descriptors`, in order. Its standard error is ours, its
  /// standard input and output are /dev/null, and everything else is closed. It has the default
  /// handling of all signals, those in `blocked` blocked, and our environment unless it is given
  /// another. In a session of its own it can be signalled together with all it starts.
  ///
  /// - Throws: what failed; `ENOENT` or `EACCES` when there is no such program to run.
  package init(
    _ executable: String,
    arguments: [String] = [],
    descriptors: [CInt],
    blocking blocked: [CInt] = [],
    environment: [String]? = nil,
    ownSession: Bool = false
  ) throws(SystemError) {
    let attempt = "start \(executable)"
    // Copies beyond the targets, so that no target overwrites a source.
    var copies: [CInt] = []
    defer { for copy in copies { close(copy) } }
    for descriptor in descriptors {
      let beyond = CInt(3 + descriptors.count)
      copies.append(
        try SystemError.check(fcntl(descriptor, F_DUPFD_CLOEXEC, beyond), attempt)
      )
    }
    var actions = posix_spawn_file_actions_t()
    var attributes = posix_spawnattr_t()
    posix_spawn_file_actions_init(&actions)
    posix_spawnattr_init(&attributes)
    defer {
      posix_spawn_file_actions_destroy(&actions)
      posix_spawnattr_destroy(&attributes)
    }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
    for (offset, copy) in copies.enumerated() {
      posix_spawn_file_actions_adddup2(&actions, copy, CInt(3 + offset))
    }
    posix_spawn_file_actions_addclosefrom_np(&actions, CInt(3 + copies.count))
    var signals = sigset_t()
    sigemptyset(&signals)
    for number in blocked { sigaddset(&signals, number) }
    posix_spawnattr_setsigmask(&attributes, &signals)
    sigfillset(&signals)
    posix_spawnattr_setsigdefault(&attributes, &signals)
    posix_spawnattr_setflags(
      &attributes,
      Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF) | (ownSession ? Self.newSession : 0)
    )
    var argv: [UnsafeMutablePointer<CChar>?] = ([executable] + arguments).map { strdup($0) }
    defer { for word in argv { free(word) } }
    argv.append(nil)
    var variables: [UnsafeMutablePointer<CChar>?] = (environment ?? []).map { strdup($0) }
    defer { for variable in variables { free(variable) } }
    variables.append(nil)
    var child = pid_t()
    let result = variables.withUnsafeMutableBufferPointer { own in
      posix_spawn(
        &child,
        executable,
        &actions,
        &attributes,
        argv,
        environment == nil ? environ : own.baseAddress
      )
    }
    guard result == 0 else { throw SystemError(attempt, Errno(result)) }
    process = child
    let opened = wack_pidfd_open(child)
    guard opened >= 0 else {
      let error = SystemError(attempt, .last)
      kill(child, SIGKILL)
      while waitpid(child, nil, 0) < 0, errno == EINTR {}
      throw error
    }
    handle = Descriptor(adopting: opened)
  }

  /// Calls `handler` on the loop when the program has ended; the caller removes the watch.
  package func watchEnd(
    on loop: EventLoop,
    handler: @escaping (Ending) -> Void
  ) throws(SystemError) -> EventLoop.Watch {
    try loop.watch(handle, for: .readable) { [self] _ in
      if let ending = reap() { handler(ending) }
    }
  }

  /// How the program ended; `nil` while it runs.
  package func reap() -> Ending? {
    if let ending { return ending }
    var status: CInt = 0
    guard waitpid(process, &status, WNOHANG) == process else { return nil }
    let signal = status & 0x7F
    ending = signal == 0 ? .exited(status: (status >> 8) & 0xFF) : .killed(signal: signal)
    return ending
  }

  /// Waits for the end; `nil` if the program still runs at `limit`.
  package func wait(until limit: Instant) -> Ending? {
    while true {
      if let ending = reap() { return ending }
      let left = limit - BootClock.now
      guard left > .zero else { return nil }
      let (seconds, attoseconds) = left.components
      let milliseconds = min(seconds, 3_600) * 1_000 + attoseconds / 1_000_000_000_000_000 + 1
      var ready = pollfd(fd: handle.rawValue, events: Int16(POLLIN), revents: 0)
      poll(&ready, 1, CInt(milliseconds))
    }
  }

  package func signal(_ number: CInt) {
    if reap() == nil { kill(process, number) }
  }
}
