// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Where tests put files: the private folder of the run, when it has one.
package var temporaryFolder: String {
  getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
}

/// A network namespace for the length of one synchronous test, on the thread that runs it.
///
/// It has no name and goes away with the sockets opened in it, however the test ends.
package struct Namespace {
  package struct Failure: Error {
    package let attempt: String
    package let errno: CInt
  }

  // Not in Swift's Glibc module.
  private typealias Unshare = @convention(c) (CInt) -> CInt
  private typealias Enter = @convention(c) (CInt, CInt) -> CInt
  private static let newNetwork: CInt = 0x4000_0000

  private let home: CInt

  /// Whether this process may make namespaces.
  package static var isAllowed: Bool { geteuid() == 0 }

  /// Moves this thread into a fresh namespace with an interface eth0, whose other end is peer0.
  ///
  /// The caller must call ``leave()`` on the same thread.
  package static func enter() throws -> Namespace {
    let home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
    guard home >= 0, let unshare = dlsym(nil, "unshare") else {
      throw Failure(attempt: "open the namespace", errno: errno)
    }
    guard unsafeBitCast(unshare, to: Unshare.self)(newNetwork) == 0 else {
      close(home)
      throw Failure(attempt: "unshare", errno: errno)
    }
    let namespace = Namespace(home: home)
    do {
      try ip("link set lo up")
      try ip("link add eth0 type veth peer name peer0")
      try ip("link set eth0 up")
      try ip("link set peer0 up")
    } catch {
      namespace.leave()
      throw error
    }
    return namespace
  }

  /// Moves the thread back; a thread that cannot go back would spoil other tests.
  package func leave() {
    guard let setns = dlsym(nil, "setns"),
      unsafeBitCast(setns, to: Enter.self)(home, Self.newNetwork) == 0
    else { abort() }
    close(home)
  }

  /// Cuts the loopback of the present namespace: host N, at 127.0.0.(N+1), reaches only hosts in its part.
  package static func cutLoopback(into parts: [[Int]]) throws {
    var rules = ["table ip cut { chain input { type filter hook input priority 0;"]
    for part in parts {
      for other in parts where other != part {
        for (from, to) in part.flatMap({ from in other.map { (from, $0) } }) {
          rules.append("ip saddr 127.0.0.\(from + 1) ip daddr 127.0.0.\(to + 1) drop;")
        }
      }
    }
    try run(["nft", "flush ruleset"])
    try run(["nft", rules.joined(separator: " ") + " }; }"])
  }

  /// Runs ip(8) in the present namespace.
  package static func ip(_ arguments: String) throws {
    try run(["ip"] + arguments.split(separator: " ").map(String.init))
  }

  /// Runs a program in the present namespace; the first word is its name.
  package static func run(_ words: [String]) throws {
    let text = words.joined(separator: " ")
    var argv: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) }
    defer { for word in argv { free(word) } }
    argv.append(nil)
    var child = pid_t()
    let result = posix_spawnp(&child, words.first ?? "", nil, nil, argv, environ)
    guard result == 0 else { throw Failure(attempt: "run \(text)", errno: result) }
    var status: CInt = 0
    while waitpid(child, &status, 0) < 0, errno == EINTR {}
    guard status == 0 else { throw Failure(attempt: text, errno: status) }
  }
}
