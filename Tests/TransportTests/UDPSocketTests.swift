// SPDX-License-Identifier: Apache-2.0

import Addresses
import Glibc
import Machine
import Namespaces
import Reactor
import Testing

@testable import Transport

@Suite("UDP over loopback")
struct UDPSocketTests {
  private func loopback(_ text: String = "127.0.0.1", port: UInt16 = 0) throws -> Endpoint {
    Endpoint(address: try #require(IPAddress(text: text)), port: port)
  }

  /// Drains until `count` datagrams have come, for at most a second.
  private func collect(_ socket: UDPSocket, count: Int) -> [([UInt8], Endpoint)] {
    var received: [([UInt8], Endpoint)] = []
    let limit = BootClock.now + .seconds(1)
    while received.count < count, BootClock.now < limit {
      socket.drain { received.append(($0, $1)) }
    }
    return received
  }

  @Test("Datagrams of every size arrive whole, with their sender", arguments: ["127.0.0.1", "::1"])
  func sizes(address: String) throws {
    let a = try UDPSocket(bind: loopback(address))
    let b = try UDPSocket(bind: loopback(address))
    #expect(a.local.port != 0)
    for size in [0, 1, 1_400, 9_000] {
      let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0) }
      #expect(a.send(bytes, to: b.local) == nil)
      let received = collect(b, count: 1)
      #expect(received.map(\.0) == [bytes])
      #expect(received.map(\.1) == [a.local])
    }
    #expect(a.statistics.sent == 4)
    #expect(a.statistics.bytesSent == 10_401)
    #expect(b.statistics.received == 4)
    #expect(b.statistics.bytesReceived == 10_401)
  }

  @Test(
    "What is longer than a frame of the interface goes in several, and is not lost",
    .enabled(if: Namespace.isAllowed, "needs root"),
    arguments: ["127.0.0.1", "::1"]
  )
  func longerThanFrame(address: String) throws {
    let namespace = try Namespace.enter()
    defer { namespace.leave() }
    try Namespace.ip("link set lo mtu 1500")
    let a = try UDPSocket(bind: loopback(address))
    for size in [1_472, 20_000] {
      let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0) }
      let failure = a.send(bytes, to: a.local)
      #expect(failure == nil, "\(size) bytes")
      guard failure == nil else { continue }
      let isWhole = collect(a, count: 1).map(\.0) == [bytes]
      #expect(isWhole, "\(size) bytes")
    }
  }

  @Test("A slice is sent without its surroundings")
  func slice() throws {
    let a = try UDPSocket(bind: loopback())
    let bytes: [UInt8] = [9, 1, 2, 9]
    a.send(bytes[1...2], to: a.local)
    #expect(collect(a, count: 1).map(\.0) == [[1, 2]])
  }

  @Test("A turn reads a bounded batch; a drain reads everything")
  func limits() throws {
    let a = try UDPSocket(bind: loopback())
    let b = try UDPSocket(bind: loopback())
    for index in 0..<200 { #expect(a.send([UInt8(index)], to: b.local) == nil) }
    var order: [UInt8] = []
    #expect(b.receive(limit: 5) { bytes, _ in order += bytes } == 5)
    #expect(b.receive(limit: 40) { bytes, _ in order += bytes } == 40)
    #expect(b.drain { bytes, _ in order += bytes } == 155)
    #expect(b.drain { bytes, _ in order += bytes } == 0)
    #expect(order == (0..<200).map { UInt8($0) })
  }

  @Test("Whoever asks for more while it is handed something gets all, once and in order")
  func nestedDrain() throws {
    let a = try UDPSocket(bind: loopback())
    let b = try UDPSocket(bind: loopback())
    for index in 0..<100 { #expect(a.send([UInt8(index)], to: b.local) == nil) }
    var order: [UInt8] = []
    b.drain { bytes, _ in
      order += bytes
      guard bytes == [3] || bytes == [60] else { return }
      b.receive(limit: 20) { bytes, _ in order += bytes }
    }
    #expect(order == (0..<100).map { UInt8($0) })
  }

  @Test("Datagrams that are sent together arrive one by one", arguments: ["127.0.0.1", "::1"])
  func together(address: String) throws {
    let a = try UDPSocket(bind: loopback(address))
    let b = try UDPSocket(bind: loopback(address))
    let lengths: [[Int]] = [
      [1_400, 1_400, 1_400, 90], [90, 1_400, 1_400], [0, 0, 5, 5, 5, 0], [7],
      Array(repeating: 1_000, count: 200), [60_000, 60_000, 3],
    ]
    for lengths in lengths {
      let datagrams = lengths.enumerated().map { place, length in
        [UInt8](repeating: UInt8(truncatingIfNeeded: place), count: length)
      }
      let before = a.statistics
      a.send(datagrams, to: b.local)
      let received = collect(b, count: datagrams.count)
      #expect(received.map(\.0) == datagrams)
      #expect(received.allSatisfy { $0.1 == a.local })
      #expect(a.statistics.sent - before.sent == datagrams.count)
      #expect(a.statistics.bytesSent - before.bytesSent == lengths.reduce(0, +))
    }
  }

  @Test(
    "What is too long for a frame goes one by one, and only that",
    .enabled(if: Namespace.isAllowed, "needs root")
  )
  func togetherTooLong() throws {
    let namespace = try Namespace.enter()
    defer { namespace.leave() }
    try Namespace.ip("link set lo mtu 1500")
    let a = try UDPSocket(bind: loopback())
    for length in [2_000, 1_400, 1_472, 1_473] {
      let datagrams = (0..<5).map { [UInt8](repeating: $0, count: length) }
      a.send(datagrams, to: a.local)
      let isWhole = collect(a, count: 5).map(\.0) == datagrams
      #expect(isWhole, "\(length) bytes")
    }
    #expect(a.statistics.sent == 20)
  }

  @Test("What cannot be sent is counted by reason and harms nothing")
  func failures() throws {
    let a = try UDPSocket(bind: loopback())
    #expect(a.send([1], to: try loopback("8.8.8.8", port: 9)) != nil)
    let tooLong = [UInt8](repeating: 0, count: 65_600)
    #expect(a.send(tooLong, to: a.local) == .tooLong)
    #expect(a.statistics[.tooLong] == 1)
    #expect(a.statistics.sent == 0)
    #expect(a.send([7], to: a.local) == nil)
    #expect(collect(a, count: 1).map(\.0) == [[7]])
  }

  @Test("A closed port at the other side is not an error of the socket")
  func closedPort() throws {
    let a = try UDPSocket(bind: loopback())
    let gone = try UDPSocket(bind: loopback()).local
    for _ in 0..<3 { a.send([1], to: gone) }
    a.send([2], to: a.local)
    #expect(collect(a, count: 1).map(\.0) == [[2]])
  }

  @Test("Binding names the address and the reason")
  func bindErrors() throws {
    let a = try UDPSocket(bind: loopback())
    #expect(throws: SystemError("bind UDP \(a.local)", Errno(EADDRINUSE))) {
      try UDPSocket(bind: a.local)
    }
    let foreign = try loopback("192.0.2.77", port: 5)
    #expect(throws: SystemError("bind UDP 192.0.2.77:5", Errno(EADDRNOTAVAIL))) {
      try UDPSocket(bind: foreign)
    }
    var options = UDPSocket.Options()
    options.interface = InterfaceName("no-such-if" as String)
    #expect(throws: SystemError("find interface no-such-if", Errno(ENODEV))) {
      try UDPSocket(bind: loopback(), options: options)
    }
  }

  @Test("Multicast reaches the members of the group")
  func multicast() throws {
    var options = UDPSocket.Options()
    options.reuseAddress = true
    options.interface = InterfaceName("lo" as String)
    let group = try #require(IPAddress(text: "239.255.42.99"))
    let receiver = try UDPSocket(bind: Endpoint(address: group, port: 0), options: options)
    try receiver.join(group)
    let sender = try UDPSocket(bind: loopback(), options: options)
    try sender.prepareMulticastSend(loopback: true)
    #expect(sender.send([5], to: Endpoint(address: group, port: receiver.local.port)) == nil)
    #expect(collect(receiver, count: 1).map(\.0) == [[5]])
  }

  @Test("The loop delivers datagrams as they arrive")
  func onLoop() throws {
    let loop = try EventLoop()
    let a = try UDPSocket(bind: loopback())
    let b = try UDPSocket(bind: loopback())
    var hops = 0
    _ = try a.deliver(on: loop) { bytes, source in
      hops += 1
      a.send(bytes, to: source)
    }
    _ = try b.deliver(on: loop) { bytes, source in
      hops += 1
      if hops < 100 { b.send(bytes, to: source) } else { loop.stop() }
    }
    b.send([1, 2, 3], to: a.local)
    let limit = BootClock.now + .seconds(5)
    loop.addAlarm(next: { limit }, fire: { _ in loop.stop() })
    try loop.run()
    #expect(hops == 100)
  }
}
