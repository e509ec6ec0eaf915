// SPDX-License-Identifier: Apache-2.0

import Glibc
package import Reactor

/// Small files read and written whole.
package enum SmallFile {
  /// Reads a file of at most `limit` bytes.
  ///
  /// - Throws: what failed; `EFBIG` for a longer one, `EINVAL` for what is no regular file.
  package static func read(_ path: String, limit: Int) throws(SystemError) -> [UInt8] {
    try read(path, limit: limit) { _ throws(SystemError) in }
  }

  /// Reads a file whose owner and mode `check` finds in order.
  private static func read(
    _ path: String,
    limit: Int,
    check: (stat) throws(SystemError) -> Void
  ) throws(SystemError) -> [UInt8] {
    // A FIFO without a writer would otherwise hold the call up.
    let raw = try SystemError.check(open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), "open \(path)")
    let file = Descriptor(adopting: raw)
    var status = stat()
    try SystemError.check(fstat(file.rawValue, &status), "look at \(path)")
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw SystemError("use \(path), which is no regular file", Errno(EINVAL))
    }
    try check(status)
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = Glibc.read(file.rawValue, &buffer, buffer.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw SystemError("read \(path)", .last) }
      if count == 0 { return bytes }
      bytes += buffer[..<count]
      guard bytes.count <= limit else { throw SystemError("read \(path)", Errno(EFBIG)) }
    }
  }

  /// Reads a file that only its owner may read: this user, root, or `owner`.
  ///
  /// - Throws: what failed; `EPERM` when others could have read or written it.
  package static func readSecret(
    _ path: String,
    limit: Int,
    owner: UInt32? = nil
  ) throws(SystemError) -> [UInt8] {
    try read(path, limit: limit) { status throws(SystemError) in
      let owners = [geteuid(), 0, owner ?? 0]
      guard status.st_mode & 0o077 == 0, owners.contains(status.st_uid) else {
        throw SystemError(
          "trust \(path), which must have mode 0600 and belong to root or to who reads it",
          Errno(EPERM)
        )
      }
    }
  }

  /// To whom a file belongs; `nil` if there is none.
  package static func owner(of path: String) -> (user: UInt32, group: UInt32)? {
    var status = stat()
    return stat(path, &status) == 0 ? (status.st_uid, status.st_gid) : nil
  }

  /// Replaces a file so that after a crash at any moment there is the old or the new one, whole.
  ///
  /// Returns when the content and the name are on stable storage; the file has mode 0600, and belongs
  /// to `owner` where that is given, which takes root's privileges.
  package static func write(
    _ bytes: [UInt8],
    to path: String,
    owner: (user: UInt32, group: UInt32)? = nil
  ) throws(SystemError) {
    let temporary = path + ".new"
    let raw = try SystemError.check(
      open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600),
      "create \(temporary)"
    )
    let file = Descriptor(adopting: raw)
    if let owner {
      let result = fchown(file.rawValue, owner.user, owner.group)
      try SystemError.check(result, "give \(temporary) to the owner of \(path)")
    }
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(file.rawValue, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw SystemError("write \(temporary)", .last) }
      rest = rest.dropFirst(count)
    }
    try SystemError.check(fsync(file.rawValue), "write \(temporary) to the disk")
    try SystemError.check(rename(temporary, path), "rename \(temporary) to \(path)")
    let folder = parent(of: path)
    let directory = Descriptor(
      adopting: try SystemError.check(
        open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
        "open \(folder)"
      )
    )
    try SystemError.check(fsync(directory.rawValue), "write \(folder) to the disk")
  }

  /// Makes a directory, and those above it, with mode 0700 where they are missing.
  ///
  /// - Returns: whether the directory was missing.
  @discardableResult
  package static func makeDirectory(_ path: String) throws(SystemError) -> Bool {
    if mkdir(path, 0o700) == 0 { return true }
    if errno == ENOENT, parent(of: path) != path {
      try makeDirectory(parent(of: path))
      if mkdir(path, 0o700) == 0 { return true }
    }
    guard errno == EEXIST else { throw SystemError("make the directory \(path)", .last) }
    return false
  }

  /// Makes the directory that a file lies in, as ``makeDirectory(_:)`` does.
  package static func makeDirectory(of path: String) throws(SystemError) {
    try makeDirectory(parent(of: path))
  }

  private static func parent(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }
}

/// A lock on a file, held as long as the value lives: one daemon for one state directory.
package final class LockFile {
  /// Another process holds the lock, or the file cannot be used.
  package enum Failure: Error, Equatable {
    /// Its process id, as that process wrote it; `nil` if it cannot be read.
    case held(by: Int32?)
    case unusable(SystemError)
  }

  private let descriptor: Descriptor

  package init(path: String) throws(Failure) {
    do throws(SystemError) {
      let raw = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
      descriptor = Descriptor(adopting: try SystemError.check(raw, "open \(path)"))
    } catch {
      throw .unusable(error)
    }
    guard flock(descriptor.rawValue, LOCK_EX | LOCK_NB) == 0 else {
      guard errno == EWOULDBLOCK else { throw .unusable(SystemError("lock \(path)", .last)) }
      throw .held(by: Self.holder(path))
    }
    // Who holds it is for people to read; on a full disk it cannot be written, and locks all the same.
    let text = Array("\(getpid())\n".utf8)
    ftruncate(descriptor.rawValue, 0)
    _ = pwrite(descriptor.rawValue, text, text.count, 0)
  }

  private static func holder(_ path: String) -> Int32? {
    guard let bytes = try? SmallFile.read(path, limit: 64) else { return nil }
    return Int32(String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self))
  }
}
