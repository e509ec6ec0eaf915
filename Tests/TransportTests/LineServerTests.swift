// SPDX-License-Identifier: Apache-2.0

import Glibc
import Machine
import Namespaces
import Reactor
import Synchronization
import Testing

@testable import Transport

@Suite("Control socket")
struct LineServerTests {
  private let path =
    "\(temporaryFolder)/wack-line-\(getpid())-\(UInt32.random(in: 0 ... .max))"

  private func spin(_ loop: EventLoop, until done: () -> Bool) throws {
    let limit = BootClock.now + .seconds(3)
    while !done(), BootClock.now < limit {
      try loop.turn(until: min(limit, BootClock.now + .milliseconds(5)))
    }
  }

  /// Reads until something comes.
  ///
  /// A child that another test is starting may hold the other end for a moment more.
  private func last(_ connection: UnixConnection) -> UnixConnection.Input {
    let limit = BootClock.now + .seconds(3)
    var input = connection.read(limit: 10)
    while input == .nothing, BootClock.now < limit {
      usleep(1_000)
      input = connection.read(limit: 10)
    }
    return input
  }

  @Test("What stands at the path and is not ours stays: a file, and a socket in use")
  func foreignPath() throws {
    let file = try #require(fopen(path, "w"))
    fclose(file)
    #expect(throws: SystemError.self) { _ = try UnixListener(path: path) }
    #expect(access(path, F_OK) == 0)
    unlink(path)
    let first = try UnixListener(path: path)
    #expect(throws: SystemError.self) { _ = try UnixListener(path: path) }
    _ = try UnixConnection(connectingTo: path)
    withExtendedLifetime(first) {}
  }

  @Test("A request is answered once, with who asked, and the connection is closed")
  func request() throws {
    let loop = try EventLoop()
    let server = try LineServer(UnixListener(path: path), on: loop) { request, answer in
      #expect(request.peer.process == getpid())
      answer("you said \(request.line)\n" + String(repeating: "x", count: 700_000))
      answer("twice")
    }
    let replies = try Mailbox<[UInt8]>()
    let path = path
    let client = try Worker<Int>(name: "client", capacity: 1) { 0 }
    _ = client.submit { _ in
      replies.post((try? LineClient.request("status --json", at: path)) ?? [])
    }
    var reply: [UInt8] = []
    try replies.deliver(on: loop) { reply = $0 }
    try spin(loop) { !reply.isEmpty }
    client.finish()
    #expect(String(decoding: reply.prefix(24), as: UTF8.self) == "you said status --json\nx")
    #expect(reply.count == 700_023)
    #expect(server.statistics.answered == 1)
  }

  @Test("A line that is too long, broken or too slow is dropped and counted")
  func badClients() throws {
    let loop = try EventLoop()
    var limits = LineServer.Limits()
    limits.request = 16
    limits.time = .milliseconds(60)
    limits.connections = 4
    let server = try LineServer(UnixListener(path: path), on: loop, limits: limits) { _, _ in
      Issue.record("nothing here is a request")
    }
    let long = try UnixConnection(connectingTo: path)
    let binary = try UnixConnection(connectingTo: path)
    let slow = try UnixConnection(connectingTo: path)
    #expect(long.write([UInt8](repeating: 65, count: 40)))
    #expect(binary.write([0xFF, 0xFE, 10]))
    #expect(slow.write([65]))
    do {
      let gone = try UnixConnection(connectingTo: path)
      #expect(gone.isFlushed)
    }
    let excess = try UnixConnection(connectingTo: path)
    try spin(loop) { server.statistics.tooSlow == 1 }
    #expect(server.statistics.tooLong == 1)
    #expect(server.statistics.broken == 2)
    #expect(server.statistics.tooSlow == 1)
    #expect(server.statistics.tooMany == 1)
    #expect(server.statistics.answered == 0)
    #expect(last(long) == .ended)
    #expect(last(slow) == .ended)
    #expect(last(excess) == .ended)
  }

  @Test("An answer may come later, and after the client has gone")
  func lateAnswer() throws {
    let loop = try EventLoop()
    var answers: [(String) -> Void] = []
    let server = try LineServer(UnixListener(path: path), on: loop) { answers.append($1) }
    let first = try UnixConnection(connectingTo: path)
    #expect(first.write("a\nb\n".utf8))
    do {
      let second = try UnixConnection(connectingTo: path)
      #expect(second.write("c\n".utf8))
      try spin(loop) { answers.count == 2 }
    }
    try spin(loop) { server.statistics.broken == 1 }
    for answer in answers { answer("late\n") }
    try spin(loop) { server.statistics.answered == 1 }
    #expect(last(first) == .bytes(Array("late\n".utf8)))
    #expect(last(first) == .ended)
    #expect(server.statistics.answered == 1)
  }

  @Test("A socket in use is not taken over, an abandoned one is, and no file is left")
  func paths() throws {
    do {
      let listener = try UnixListener(path: path)
      #expect(throws: SystemError("bind \(path)", Errno(EADDRINUSE))) {
        try UnixListener(path: path)
      }
      withExtendedLifetime(listener) {}
    }
    #expect(access(path, F_OK) != 0)
    // A killed process leaves the file.
    do {
      let abandoned = try Descriptor.socket(family: AF_UNIX, type: .stream)
      let fd = abandoned.rawValue
      #expect(try UnixPath(path).withSocketAddress { bind(fd, $0, $1) } == 0)
    }
    #expect(access(path, F_OK) == 0)
    var status = stat()
    do {
      let listener = try UnixListener(path: path, mode: 0o660)
      #expect(lstat(path, &status) == 0)
      #expect(status.st_mode & 0o777 == 0o660)
      withExtendedLifetime(listener) {}
    }
    #expect(access(path, F_OK) != 0)
    let long = "/tmp/" + String(repeating: "x", count: 103)
    #expect(throws: SystemError("use \(long) as a socket path", Errno(ENAMETOOLONG))) {
      try UnixListener(path: long)
    }
  }
}
