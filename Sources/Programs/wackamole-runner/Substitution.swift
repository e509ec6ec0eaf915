// SPDX-License-Identifier: Apache-2.0

import Glibc
import Reactor

/// This process becomes another program, as another user.
enum Substitution {
  /// The first argument that asks for it.
  static let word = "as"
  /// Stands for the user that runs already.
  static let sameUser = "-"
  /// The exit status when the program could not be run.
  static let failure: CInt = 126

  /// `arguments` are the user, the program, and what that is given.
  static func become(_ arguments: [String]) -> Never {
    guard arguments.count >= 2 else { refuse("it is started by wackamole, not by hand") }
    let (user, path) = (arguments[0], arguments[1])
    do throws(TrustedProgram.Refusal) {
      try TrustedProgram.check(path)
    } catch {
      refuse("\(error)")
    }
    if user != sameUser { take(user) }
    // Nothing of ours: the mask, the folder, signals that we ignore.
    umask(0o022)
    chdir("/")
    signal(SIGPIPE, SIG_DFL)
    var words: [UnsafeMutablePointer<CChar>?] = arguments.dropFirst().map { strdup($0) }
    words.append(nil)
    execv(path, words)
    refuse("\(path): \(Errno.last)")
  }

  /// Takes on the rights of a user: groups first, since they cannot be changed afterwards.
  private static func take(_ user: String) {
    errno = 0
    let entry = UInt32(user).flatMap { getpwuid($0) } ?? getpwnam(user)
    guard let entry else {
      refuse(errno == 0 ? "there is no user \(user)" : "cannot look up user \(user): \(Errno.last)")
    }
    let (name, group, number) = (entry.pointee.pw_name, entry.pointee.pw_gid, entry.pointee.pw_uid)
    guard let name, initgroups(name, group) == 0, setgid(group) == 0, setuid(number) == 0 else {
      refuse("cannot become user \(user): \(Errno.last)")
    }
    guard getuid() == number, geteuid() == number else { refuse("still not user \(user)") }
  }

  private static func refuse(_ text: String) -> Never {
    log(3, "refused: \(text)")
    exit(failure)
  }
}
