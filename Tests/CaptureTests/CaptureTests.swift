// SPDX-License-Identifier: Apache-2.0

import Addresses
import Glibc
import Machine
import Namespaces
import Reactor
import Testing

@testable import Capture

@Suite("Frames on the wire", .enabled(if: Namespace.isAllowed, "needs root"))
struct CaptureTests {
  private let eth0: InterfaceName
  private let peer0: InterfaceName

  init() throws {
    eth0 = try #require(InterfaceName(String("eth0")))
    peer0 = try #require(InterfaceName(String("peer0")))
  }

  /// A frame of 60 bytes to everybody, with its type and a byte to tell it by.
  private func frame(type: UInt16, mark: UInt8) -> [UInt8] {
    let head =
      [UInt8](repeating: 0xFF, count: 6) + [2, 0, 0, 0, 0, 1]
      + [UInt8(type >> 8), UInt8(type & 0xFF)]
    return head + [mark] + [UInt8](repeating: 0, count: 60 - head.count - 1)
  }

  /// The frames with our source address, once there are `count` or a second has passed.
  private func collect(_ capture: FrameCapture, count: Int) throws -> [[UInt8]] {
    var frames: [[UInt8]] = []
    let limit = BootClock.now + .seconds(1)
    while frames.count < count, BootClock.now < limit {
      try capture.read { bytes in
        if Array(bytes[6..<12]) == [2, 0, 0, 0, 0, 1] { frames.append(Array(bytes)) }
      }
    }
    return frames
  }

  @Test("An injected frame arrives at the other end as it stands; the filter passes ARP only")
  func injection() throws {
    let namespace = try Namespace.enter()
    defer { namespace.leave() }
    let capture = try FrameCapture(peer0)
    let injector = FrameInjector()
    try injector.prepare(eth0)
    try injector.inject(frame(type: 0x88B5, mark: 1), on: eth0)
    try injector.inject(frame(type: 0x0806, mark: 2), on: eth0)
    try injector.inject(frame(type: 0x0800, mark: 3), on: eth0)
    try injector.inject(frame(type: 0x0806, mark: 4), on: eth0)
    let frames = try collect(capture, count: 2)
    #expect(frames == [frame(type: 0x0806, mark: 2), frame(type: 0x0806, mark: 4)])
    #expect(capture.statistics.received >= 2)
    #expect(capture.statistics.dropped == 0)
  }

  @Test("The loop delivers frames, and says so when the interface has gone")
  func onLoop() throws {
    let namespace = try Namespace.enter()
    defer { namespace.leave() }
    let loop = try EventLoop()
    let capture = try FrameCapture(peer0)
    var marks: [UInt8] = []
    var failures: [CaptureError] = []
    let watch = try capture.deliver(
      on: loop,
      frame: { bytes in if Array(bytes[6..<12]) == [2, 0, 0, 0, 0, 1] { marks.append(bytes[14]) } },
      failed: { failures.append($0) }
    )
    func spin(until done: () -> Bool) throws {
      let limit = BootClock.now + .seconds(2)
      while !done(), BootClock.now < limit { try loop.turn(until: limit) }
    }
    let injector = FrameInjector()
    try injector.inject(frame(type: 0x0806, mark: 9), on: eth0)
    try spin { !marks.isEmpty }
    #expect(marks == [9])
    try Namespace.ip("link del eth0")
    try spin { !failures.isEmpty }
    #expect(failures.count == 1)
    #expect(failures.first?.attempt == "receive frames on peer0")
    loop.remove(watch)
  }

  @Test("An interface that goes away is an error, and one that returns is opened anew")
  func returningInterface() throws {
    let namespace = try Namespace.enter()
    defer { namespace.leave() }
    let injector = FrameInjector()
    try injector.inject(frame(type: 0x0806, mark: 1), on: eth0)
    try Namespace.ip("link del eth0")
    #expect(throws: CaptureError.self) {
      try injector.inject(frame(type: 0x0806, mark: 2), on: eth0)
    }
    try Namespace.ip("link add eth0 type veth peer name peer0")
    try Namespace.ip("link set eth0 up")
    try Namespace.ip("link set peer0 up")
    let capture = try FrameCapture(peer0)
    try injector.inject(frame(type: 0x0806, mark: 3), on: eth0)
    #expect(try collect(capture, count: 1).map { $0[14] } == [3])
  }

  @Test("What cannot be opened is told with the interface and the reason")
  func errors() throws {
    let namespace = try Namespace.enter()
    defer { namespace.leave() }
    let missing = try #require(InterfaceName(String("nosuch0")))
    #expect {
      try FrameInjector().prepare(missing)
    } throws: { error in
      "\(error)".hasPrefix("open nosuch0 to send frames: No such device exists")
    }
    try Namespace.ip("link set eth0 down")
    #expect {
      _ = try FrameCapture(eth0)
    } throws: { error in
      "\(error)".hasPrefix("open eth0 to receive frames: ")
    }
  }
}
