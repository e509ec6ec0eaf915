// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc

/// Whether a program may be run with our rights: nobody but root, or this process's own user, could
/// have put another in its place.
package enum TrustedProgram {
  /// Why a program is not run; the text names the part of the path that is at fault.
  package struct Refusal: Error, Sendable, Equatable, CustomStringConvertible {
    package let description: String
  }

  private static let mostLinks = 40

  /// Looks at each folder on the path, each link, and the file.
  ///
  /// What is looked at may change before the program starts, but only by those who are trusted.
  package static func check(_ path: String) throws(Refusal) {
    guard path.hasPrefix("/") else { throw Refusal(description: "\(path) is no absolute path") }
    var ahead = Array(path.split(separator: "/").map(String.init).reversed())
    var here = ""
    var links = 0
    try look(at: "/", isLast: false)
    while let name = ahead.popLast() {
      if name == "." { continue }
      if name == ".." {
        here = String(here[..<(here.lastIndex(of: "/") ?? here.startIndex)])
        continue
      }
      let next = here + "/" + name
      guard let target = try look(at: next, isLast: ahead.isEmpty) else {
        here = next
        continue
      }
      links += 1
      guard links <= mostLinks else { throw Refusal(description: "\(path): too many links") }
      if target.hasPrefix("/") { here = "" }
      ahead += target.split(separator: "/").map(String.init).reversed()
    }
  }

  /// Judges one part of the path; returns where it points if it is a link.
  @discardableResult
  private static func look(at path: String, isLast: Bool) throws(Refusal) -> String? {
    var status = stat()
    guard lstat(path, &status) == 0 else {
      throw Refusal(description: "\(path): \(Errno.last.text)")
    }
    guard status.st_uid == 0 || status.st_uid == geteuid() else {
      throw Refusal(description: "\(path) belongs to user \(status.st_uid), who could replace it")
    }
    switch status.st_mode & S_IFMT {
    case S_IFLNK:
      var target = [CChar](repeating: 0, count: Int(PATH_MAX))
      let length = readlink(path, &target, target.count)
      guard length > 0 else { throw Refusal(description: "\(path): \(Errno.last.text)") }
      return String(decoding: target[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    case S_IFDIR where isLast: throw Refusal(description: "\(path) is a folder")
    case S_IFDIR: break
    case S_IFREG where isLast:
      guard status.st_mode & 0o111 != 0 else {
        throw Refusal(description: "\(path) is not executable")
      }
    default:  // not ours: bits of a file's mode
      throw Refusal(description: "\(path) is no \(isLast ? "program" : "folder")")
    }
    let isOpen = status.st_mode & 0o002 != 0 || status.st_mode & 0o020 != 0 && status.st_gid != 0
    guard !isOpen else {
      throw Refusal(description: "\(path) can be written by others than its owner")
    }
    return nil
  }
}
