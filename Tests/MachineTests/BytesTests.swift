// SPDX-License-Identifier: Apache-2.0

import Bytes
import Machine
import Testing

@Suite("Bytes")
struct BytesTests {
  @Test("Integers are big-endian, of any width")
  func bigEndian() throws {
    var writer = ByteWriter()
    writer.write(UInt8(0x01))
    writer.write(UInt16(0x0203))
    writer.write(UInt32(0x0405_0607))
    writer.write(UInt64(0x0809_0A0B_0C0D_0E0F))
    writer.write(Int16(-2))
    writer.write([0xAA, 0xBB])
    #expect(writer.bytes == Array(1...15) + [0xFF, 0xFE, 0xAA, 0xBB])
    #expect(writer.count == 19)
    var reader = ByteReader(writer.bytes)
    #expect(try reader.read(UInt8.self) == 0x01)
    #expect(try reader.read(UInt16.self) == 0x0203)
    #expect(try reader.read(UInt32.self) == 0x0405_0607)
    #expect(try reader.read(UInt64.self) == 0x0809_0A0B_0C0D_0E0F)
    #expect(try reader.read(Int16.self) == -2)
    #expect(try Array(reader.readSlice(count: 2)) == [0xAA, 0xBB])
    try reader.finish()
  }

  @Test("Extreme values survive writing and reading")
  func extremes() throws {
    func roundTrip<T: FixedWidthInteger & Sendable>(_ values: T...) throws {
      for value in values {
        var writer = ByteWriter()
        writer.write(value)
        var reader = ByteReader(writer.bytes)
        #expect(try reader.read(T.self) == value)
        #expect(reader.remaining == 0)
      }
    }
    try roundTrip(UInt8.min, .max)
    try roundTrip(Int8.min, -1, 0, .max)
    try roundTrip(UInt32.max, 0x8000_0000)
    try roundTrip(Int64.min, -1, .max)
    try roundTrip(UInt128.max, 1 << 127, 1)
  }

  @Test("A read beyond the end throws the numbers and moves nothing")
  func bounds() throws {
    for available in 0..<8 {
      var reader = ByteReader(Array(repeating: 7, count: available))
      #expect(throws: WireError.truncated(needed: 8, available: available)) {
        try reader.read(UInt64.self)
      }
      #expect(throws: WireError.truncated(needed: available + 1, available: available)) {
        try reader.readSlice(count: available + 1)
      }
      #expect(reader.remaining == available)
      #expect(try reader.readSlice(count: available).count == available)
    }
  }

  @Test("Lengths that make no sense are refused", arguments: [-1, Int.min, Int.max])
  func oddLengths(_ count: Int) {
    var reader = ByteReader([1, 2, 3])
    #expect(throws: WireError.truncated(needed: count, available: 3)) {
      try reader.readSlice(count: count)
    }
    #expect(reader.remaining == 3)
  }

  @Test("Bytes left over are reported")
  func trailing() throws {
    var reader = ByteReader([1, 2, 3])
    _ = try reader.read(UInt8.self)
    #expect(throws: WireError.trailing(count: 2)) { try reader.finish() }
    #expect(Array(reader.readRest()) == [2, 3])
    try reader.finish()
    #expect(reader.readRest().isEmpty)
  }

  @Test("A slice is read within its own bounds, whatever surrounds it")
  func slices() throws {
    let buffer: [UInt8] = [9, 9, 1, 2, 3, 9, 9]
    var reader = ByteReader(buffer[2..<5])
    #expect(try reader.read(UInt16.self) == 0x0102)
    let rest = reader.readRest()
    #expect(rest.startIndex == 4 && Array(rest) == [3])
    #expect(throws: WireError.truncated(needed: 1, available: 0)) { try reader.read(UInt8.self) }
  }

  @Test("Any sequence of reads gives the bytes in order and never more than there are")
  func randomReads() {
    var random = SplitMix64(seed: 11)
    for _ in 0..<500 {
      let count = Int.random(in: 0..<40, using: &random)
      let bytes = (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &random) }
      var reader = ByteReader(bytes)
      var seen: [UInt8] = []
      for _ in 0..<12 {
        let before = reader.remaining
        switch Int.random(in: 0..<3, using: &random) {
        case 0: if let byte = try? reader.read(UInt8.self) { seen.append(byte) }
        case 1:
          guard let word = try? reader.read(UInt32.self) else { break }
          var writer = ByteWriter()
          writer.write(word)
          seen += writer.bytes
        default:
          let length = Int.random(in: 0..<10, using: &random)
          if let slice = try? reader.readSlice(count: length) { seen += slice }
        }
        #expect(reader.remaining <= before)
        #expect(seen.count + reader.remaining == count)
      }
      #expect(seen + reader.readRest() == bytes)
    }
  }

  @Test("A patch replaces exactly the bytes of its integer")
  func patch() {
    var writer = ByteWriter(reserving: 8)
    writer.write([1, 2, 3, 4, 5])
    writer.patch(UInt16(0xAABB), at: 0)
    writer.patch(UInt16(0xCCDD), at: 3)
    #expect(writer.bytes == [0xAA, 0xBB, 3, 0xCC, 0xDD])
  }
}
