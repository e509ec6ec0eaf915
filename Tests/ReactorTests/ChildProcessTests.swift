// SPDX-License-Identifier: Apache-2.0

import Glibc
import Machine
import Testing

@testable import Reactor

@Suite("Child processes")
struct ChildProcessTests {
  @Test("A child has the descriptors it was handed, in order, and no others")
  func descriptors() throws {
    let (readEnd, writeEnd) = try Pipe().split()
    let (otherRead, otherWrite) = try Pipe().split()
    defer { for fd in [readEnd, otherRead, otherWrite] { close(fd) } }
    // A descriptor that a library has opened for all children to inherit.
    let leaked = dup(otherRead)
    defer { close(leaked) }
    // Handed over in an order in which the targets overlap the sources.
    let child = try ChildProcess(
      "/bin/sh",
      arguments: ["-c", "exec ls /proc/self/fd >&4"],
      descriptors: [otherRead, writeEnd]
    )
    close(writeEnd)
    var text: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 256)
    while true {
      let count = read(readEnd, &buffer, buffer.count)
      guard count > 0 else { break }
      text += buffer[..<count]
    }
    // 5 is the directory that ls reads.
    #expect(String(decoding: text, as: UTF8.self) == "0\n1\n2\n3\n4\n5\n")
    #expect(child.wait(until: BootClock.now + .seconds(5)) == .exited(status: 0))
  }

  @Test("The end of a child is reported on the loop, with how it ended")
  func ending() throws {
    let loop = try EventLoop()
    var endings: [ChildProcess.Ending] = []
    let failing = try ChildProcess("/bin/sh", arguments: ["-c", "exit 7"], descriptors: [])
    let killed = try ChildProcess("/bin/sleep", arguments: ["60"], descriptors: [])
    var watches: [EventLoop.Watch] = []
    for child in [failing, killed] {
      watches.append(
        try child.watchEnd(on: loop) { ending in
          endings.append(ending)
          loop.remove(watches[child === failing ? 0 : 1])
        }
      )
    }
    #expect(killed.wait(until: BootClock.now + .milliseconds(1)) == nil)
    killed.signal(SIGKILL)
    let limit = BootClock.now + .seconds(5)
    while endings.count < 2, BootClock.now < limit { try loop.turn(until: limit) }
    #expect(endings.contains(.exited(status: 7)))
    #expect(endings.contains(.killed(signal: SIGKILL)))
    #expect(killed.reap() == .killed(signal: SIGKILL))
  }

  @Test("A program that is not there is an error with its path")
  func missing() {
    #expect(throws: SystemError("start /nonexistent", Errno(ENOENT))) {
      try ChildProcess("/nonexistent", descriptors: [])
    }
  }
}
