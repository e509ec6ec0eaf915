// SPDX-License-Identifier: Apache-2.0

internal import Bytes
package import GroupModel

/// What the traffic of a world carries, so that a checker knows each message by its bytes.
///
/// Fifteen bytes of header (mark, host, incarnation, number, service, length), then filling that
/// follows from the header, so that a byte out of place shows.
package struct Letter: Sendable, Equatable {
  package static let headerLength = 15
  private static let mark: UInt16 = 0x4C74

  package let host: Int
  package let incarnation: Int
  /// The place among its sender's messages, from 0.
  package let number: Int
  package let service: Service
  /// The length of the whole payload in bytes.
  package let length: Int

  /// A letter of at least the header's length.
  package init(host: Int, incarnation: Int, number: Int, service: Service, length: Int) {
    self.host = host
    self.incarnation = incarnation
    self.number = number
    self.service = service
    self.length = max(length, Self.headerLength)
  }

  /// Reads the header of a payload or of its first fragment; `nil` if it is none.
  package init?(header bytes: ArraySlice<UInt8>) {
    var reader = ByteReader(bytes)
    guard let mark = try? reader.read(UInt16.self), mark == Self.mark,
      let host = try? reader.read(UInt16.self),
      let incarnation = try? reader.read(UInt16.self),
      let number = try? reader.read(UInt32.self),
      let raw = try? reader.read(UInt8.self), let service = Service(rawValue: raw),
      let length = try? reader.read(UInt32.self)
    else { return nil }
    self.host = Int(host)
    self.incarnation = Int(incarnation)
    self.number = Int(number)
    self.service = service
    self.length = Int(length)
  }

  /// Reads a whole payload; `nil` unless every byte looked at is in its place.
  ///
  /// All bytes are looked at in short payloads, one in so many in long ones.
  package init?(payload: ArraySlice<UInt8>) {
    self.init(header: payload)
    guard payload.count == length else { return nil }
    let stride = max(1, length / 256)
    var index = Self.headerLength
    while index < length {
      guard payload[payload.startIndex + index] == filling(at: index) else { return nil }
      index += stride
    }
  }

  /// The payload.
  package var bytes: [UInt8] {
    var writer = ByteWriter(reserving: Self.headerLength)
    writer.write(Self.mark)
    writer.write(UInt16(truncatingIfNeeded: host))
    writer.write(UInt16(truncatingIfNeeded: incarnation))
    writer.write(UInt32(truncatingIfNeeded: number))
    writer.write(service.rawValue)
    writer.write(UInt32(truncatingIfNeeded: length))
    var bytes = writer.bytes
    var index = bytes.count
    bytes.reserveCapacity(length)
    while index < length {
      bytes.append(filling(at: index))
      index += 1
    }
    return bytes
  }

  private func filling(at index: Int) -> UInt8 {
    let seed = host &* 151 &+ incarnation &* 59 &+ number &* 31
    return UInt8(truncatingIfNeeded: seed &+ index &* 7 &+ index >> 8)
  }
}
