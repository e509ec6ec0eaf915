// SPDX-License-Identifier: Apache-2.0

import DaemonKit
import Glibc
import Machine
import Namespaces
import Reactor
import Testing

/// A directory of its own for one test.
private final class Scratch {
  let path: String

  init() throws {
    var template = Array("\(temporaryFolder)/daemonkit-XXXXXX".utf8CString)
    path = String(cString: try #require(mkdtemp(&template)))
  }

  deinit {
    for name in ["deep/er/file", "deep/er", "deep", "lock", "ring-sequence", "state/ring-sequence"]
    {
      _ = remove(path + "/" + name)
    }
    for name in ["state", ""] { _ = remove(path + "/" + name) }
  }
}

@Suite("Small files")
struct SmallFileTests {
  @Test("What is written is read, and a longer file is refused")
  func roundTrip() throws {
    let scratch = try Scratch()
    let path = scratch.path + "/deep/er/file"
    try SmallFile.makeDirectory(scratch.path + "/deep/er")
    try SmallFile.write([1, 2, 3], to: path)
    try SmallFile.write([4, 5], to: path)
    #expect(try SmallFile.read(path, limit: 2) == [4, 5])
    #expect(throws: SystemError("read \(path)", Errno(EFBIG))) {
      try SmallFile.read(path, limit: 1)
    }
    #expect(throws: SystemError("open \(path)x", Errno(ENOENT))) {
      try SmallFile.read(path + "x", limit: 1)
    }
  }

  @Test("What is no regular file is refused without waiting for it", arguments: ["fifo", "folder"])
  func irregular(kind: String) throws {
    let scratch = try Scratch()
    let path = scratch.path + "/deep"
    #expect((kind == "fifo" ? mkfifo(path, 0o600) : mkdir(path, 0o700)) == 0)
    let refusal = SystemError("use \(path), which is no regular file", Errno(EINVAL))
    #expect(throws: refusal) { try SmallFile.read(path, limit: 1) }
    #expect(throws: refusal) { try SmallFile.readSecret(path, limit: 1) }
  }

  @Test("A second holder of a lock is told of the first")
  func lock() throws {
    let scratch = try Scratch()
    let path = scratch.path + "/lock"
    do {
      let first = try LockFile(path: path)
      #expect(throws: LockFile.Failure.held(by: getpid())) { try LockFile(path: path) }
      withExtendedLifetime(first) {}
    }
    _ = try LockFile(path: path)
  }
}

@Suite("The stored ring sequence")
struct SequenceStoreTests {
  /// Stores bounds and returns what was reported of them.
  private func store(_ bounds: [UInt64], in directory: String?) throws -> [UInt64] {
    let loop = try EventLoop()
    var reported: [UInt64] = []
    let store = try SequenceStore(directory: directory, loop: loop) { bound, failure in
      #expect(failure == nil)
      reported.append(bound)
    }
    for bound in bounds { store.store(bound) }
    let limit = BootClock.now + .seconds(10)
    while reported.count < bounds.count, BootClock.now < limit { try loop.turn(until: limit) }
    return reported
  }

  @Test("A bound survives, and is reported when it is on the disk")
  func survives() throws {
    let scratch = try Scratch()
    let directory = scratch.path + "/state"
    let ahead: UInt64 = 1 << 50
    #expect(try store([1_000, ahead], in: directory) == [1_000, ahead])
    let again = try SequenceStore(directory: directory, loop: EventLoop()) { _, _ in }
    #expect(again.bound == ahead)
  }

  @Test(
    "Without a directory, or with one that was lost or left behind, the sequence starts from the clock"
  )
  func clock() throws {
    #expect(try store([7], in: nil) == [7])
    let scratch = try Scratch()
    let behind = scratch.path + "/behind"
    #expect(try store([2_000], in: behind) == [2_000])
    for directory in [nil, scratch.path + "/lost", behind] {
      let store = try SequenceStore(directory: directory, loop: EventLoop()) { _, _ in }
      #expect(store.bound > 1_700_000_000_000 && store.bound < 1 << 50)
    }
  }

  @Test("A file that holds no bound is an error, not a fresh start")
  func damaged() throws {
    let scratch = try Scratch()
    try SmallFile.write(Array("garbage\n".utf8), to: scratch.path + "/ring-sequence")
    #expect(throws: SystemError.self) {
      _ = try SequenceStore(directory: scratch.path, loop: EventLoop()) { _, _ in }
    }
  }
}

@Suite("Log files")
struct LogFileTests {
  @Test("Lines are appended to a file that may bear the machine's name")
  func lines() throws {
    let scratch = try Scratch()
    let path = scratch.path + "/lo%h%"
    for number in 1...2 { try LogFile(path: path).write("line \(number)") }
    let name = scratch.path + "/lo\(HostName.own)%"
    let text = String(decoding: try SmallFile.read(name, limit: 10_000), as: UTF8.self)
    #expect(remove(name) == 0)
    #expect(text == "line 1\nline 2\n")
  }

  @Test("The time is written as chosen")
  func times() {
    #expect(LogTime().text.wholeMatch(of: /\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}/) != nil)
    #expect(LogTime(format: "<%Y>").text.wholeMatch(of: /<\d{4}>/) != nil)
    #expect(LogTime(format: "<%Y>", isPrecise: true).text.wholeMatch(of: /<\d{4}>\.\d{6}/) != nil)
  }

  @Test("A folder that is not there is a failure, and so is a FIFO that nobody reads")
  func failure() throws {
    #expect(throws: SystemError.self) { try LogFile(path: "/nowhere/at/all") }
    let scratch = try Scratch()
    let path = scratch.path + "/deep"
    #expect(mkfifo(path, 0o600) == 0)
    let refusal = SystemError("open the log file \(path)", Errno(ENXIO))
    #expect(throws: refusal) { try LogFile(path: path) }
  }
}
