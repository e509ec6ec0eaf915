// SPDX-License-Identifier: Apache-2.0

import Addresses
import Bytes
import Health
import Machine
import RunnerWire
import Testing

@Suite("Messages between daemon and runner")
struct RunnerMessageTests {
  private static let endpoint = Endpoint(address: .v4(IPv4Address(0x7F00_0001)), port: 80)
  private static let timing = Check.Timing(
    interval: .milliseconds(1_500),
    timeout: .seconds(7),
    rise: 3,
    fall: 100
  )
  private static let samples: [RunnerMessage] = [
    .checks([]),
    .checks([
      .init(
        check: Check(
          name: "é",
          probe: .command(.init(path: "/x", arguments: ["a b", ""], user: "nobody")),
          timing: timing
        ),
        state: .failed
      ),
      .init(check: Check(name: "t", probe: .tcp(endpoint)), state: .unknown),
      .init(
        check: Check(
          name: "h",
          probe: .http(
            .init(
              endpoint: Endpoint(address: .v6(IPv6Address(1)), port: 65_535),
              target: "/a?b=c",
              host: "h"
            )
          )
        ),
        state: .passed
      ),
    ]),
    .run(
      .init(
        number: .max,
        lane: "10.0.0.1",
        program: .init(path: "/x"),
        environment: ["A=b c", "D="],
        timeout: .seconds(30)
      )
    ),
    .state(CheckReport(name: "web", state: .passed, reason: "status 200")),
    .ended(.init(number: 7, failure: nil)),
    .ended(.init(number: 7, failure: "exit status 1")),
    .alive,
  ]

  @Test("Every message comes back as it was", arguments: samples)
  func roundTrip(_ message: RunnerMessage) throws {
    #expect(try RunnerMessage(decoding: message.encoded()[...]) == message)
  }

  @Test("No message is taken from a part of one, or with more behind it", arguments: samples)
  func lengths(_ message: RunnerMessage) {
    let bytes = message.encoded()
    for count in bytes.indices {
      #expect(throws: WireError.self) { try RunnerMessage(decoding: bytes[..<count]) }
    }
    #expect(throws: WireError.self) { try RunnerMessage(decoding: (bytes + [0])[...]) }
  }

  @Test("Another version is refused")
  func version() {
    var bytes = RunnerMessage.alive.encoded()
    bytes[0] += 1
    #expect(throws: WireError.unknown(field: "version", value: 2)) {
      try RunnerMessage(decoding: bytes[...])
    }
  }

  @Test("Damaged messages are refused or harmless", arguments: 0..<4)
  func damage(_ shard: Int) {
    var random = SplitMix64(seed: UInt64(shard) &+ 77)
    for _ in 0..<4_000 {
      var bytes = Self.samples.randomElement(using: &random)?.encoded() ?? []
      for _ in 0...Int.random(in: 0..<3, using: &random) {
        let place = Int.random(in: bytes.indices, using: &random)
        bytes[place] = UInt8.random(in: .min ... .max, using: &random)
      }
      guard let message = try? RunnerMessage(decoding: bytes[...]) else { continue }
      #expect((try? RunnerMessage(decoding: message.encoded()[...])) == message)
    }
  }
}
