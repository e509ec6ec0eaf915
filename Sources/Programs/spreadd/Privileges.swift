// SPDX-License-Identifier: Apache-2.0

import DaemonKit
import Glibc
import Logging
import Reactor
import SpreadConfiguration

/// Whom the daemon becomes once its sockets are bound.
struct Identity {
  let name: String
  let user: UInt32
  let group: UInt32

  /// Why there is no such identity; the text is for the operator.
  struct Failure: Error {
    let text: String
  }

  /// Looks up a user and a group; `nil` if the process is not root, and so stays who it is.
  static func find(user: String?, group: String?) throws(Failure) -> Identity? {
    guard geteuid() == 0 else { return nil }
    let userName = user ?? "spread"
    guard let account = getpwnam(userName) else {
      throw Failure(
        text: "there is no user \(userName) to run as: make one (useradd --system \(userName)), or "
          + "name another with DaemonUser"
      )
    }
    let number = account.pointee.pw_uid
    guard let groupName = group ?? (user == nil ? "spread" : nil) else {
      return Identity(name: userName, user: number, group: account.pointee.pw_gid)
    }
    guard let entry = getgrnam(groupName) else {
      throw Failure(
        text: "there is no group \(groupName) to run as: make one (groupadd --system "
          + "\(groupName)), or name another with DaemonGroup"
      )
    }
    return Identity(name: userName, user: number, group: entry.pointee.gr_gid)
  }

  /// Becomes it, for good.
  func assume() throws(SystemError) {
    guard user != 0 else { return }
    try SystemError.check(setgroups(0, nil), "give up supplementary groups")
    try SystemError.check(setgid(group), "become group \(group)")
    try SystemError.check(setuid(user), "become user \(name)")
    // Nothing gives the privileges back.
    guard setuid(0) < 0 else { throw SystemError("give up root's privileges", Errno(EPERM)) }
  }

  /// Gives it the log that root has just opened, so that it can open it again.
  ///
  /// What is no file, such as a terminal, or is somebody else's, stays as it is.
  func adoptLog(_ path: String) throws(SystemError) {
    var status = stat()
    guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_uid == 0 else {
      return
    }
    try own(path)
  }

  /// Gives a file or directory to it.
  func own(_ path: String) throws(SystemError) {
    try SystemError.check(lchown(path, user, group), "give \(path) to user \(name)")
  }
}

/// Room for as many connections as the system allows this process.
enum OpenFiles {
  /// What is not for sessions: listeners, the ring's sockets, files of state, requests of the operator's
  /// tool, and clients that are being told that there is no room.
  private static let reserve = 320

  /// Raises the limit of open files as far as it goes, and lowers that of sessions, and says so, where
  /// they would leave too few: without files the ring could not be formed anew.
  static func fit(_ sessions: inout SpreadConfiguration.Sessions, _ log: Logger) {
    let files = raise()
    let room = max(1, files - reserve)
    guard room < sessions.limit else { return }
    let limit = sessions.limit
    log.warning(
      "at most \(files) files may be open: MaxSessions = \(limit) is \(room); raise LimitNOFILE"
    )
    sessions.limit = room
  }

  /// Raises the limit of descriptors as far as it goes; returns it.
  private static func raise() -> Int {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 0 }
    limit.rlim_cur = limit.rlim_max
    _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    return Int(clamping: limit.rlim_cur)
  }
}
