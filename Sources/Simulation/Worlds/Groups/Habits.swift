// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import GroupModel

/// What the processes of a world do: drawn once for each world.
struct Habits: Sendable {
  /// The time between two things that happen at the processes of one host, on average.
  let interval: Span
  /// The most processes that a host has at once.
  let clients: Int
  /// The groups that all of them use.
  let groups: [GroupName]
  /// How many groups of its own a process that wants many joins.
  let own: Int
  let traffic: Traffic
  /// How likely each deed is, relative to the others, by raw value.
  private let weights: [Int]

  /// The names that processes use, again and again.
  static let names = ["p", "q", "r"].compactMap { InlineName(Array($0.utf8)) }

  enum Deed: Int, CaseIterable {
    case connect
    case join
    case leave
    case send
    case flood
    case gather
    case disconnect
    case crash
  }

  init(climate: Climate, drawing chance: inout Chance) {
    let unit = climate.tokenLoss
    interval = chance.pick([unit / 4, unit / 10, unit / 20]) ?? unit
    clients = chance.within(1...Self.names.count)
    groups = (0..<chance.within(1...5)).compactMap { GroupName(text: "g\($0)") }
    own = chance.pick([4, 12, 60]) ?? 4
    traffic = Traffic(climate: climate, drawing: &chance)
    weights = Deed.allCases.map { deed in
      switch deed {
      case .connect: 6
      case .join: chance.within(5...14)
      case .leave: chance.within(1...4)
      case .send: chance.within(8...40)
      case .flood: chance.within(0...2)
      case .gather: chance.within(0...1)
      case .disconnect, .crash: chance.within(0...2)
      }
    }
  }

  func draw(_ chance: inout Chance) -> Deed {
    var draw = chance.below(weights.reduce(0, +))
    for deed in Deed.allCases {
      if draw < weights[deed.rawValue] { return deed }
      draw -= weights[deed.rawValue]
    }
    return .send
  }
}

/// The payload of a message: its number, then filling that follows from it, so that a byte out of
/// place shows.
enum NumberedPayload {
  private static let headerLength = 8

  static func bytes(_ number: Int, length: Int) -> [UInt8] {
    var writer = ByteWriter(reserving: headerLength)
    writer.write(UInt64(number))
    var bytes = writer.bytes
    bytes.reserveCapacity(max(length, headerLength))
    while bytes.count < length { bytes.append(filling(number, at: bytes.count)) }
    return bytes
  }

  /// Reads the number; `nil` unless every byte looked at is in its place: all of the first, one in
  /// so many of long payloads.
  static func number(_ payload: ArraySlice<UInt8>) -> Int? {
    var reader = ByteReader(payload)
    guard let raw = try? reader.read(UInt64.self), let number = Int(exactly: raw) else {
      return nil
    }
    var index = headerLength
    while index < payload.count {
      guard payload[payload.startIndex + index] == filling(number, at: index) else { return nil }
      index += 1 + index / 64
    }
    return number
  }

  private static func filling(_ number: Int, at index: Int) -> UInt8 {
    UInt8(truncatingIfNeeded: number &* 31 &+ index &* 7 &+ index >> 8)
  }
}
