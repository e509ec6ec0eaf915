// SPDX-License-Identifier: Apache-2.0

import Machine

/// Bytes that once were valid, kept to be damaged; bounded.
struct Corpus {
  private static let capacity = 512

  private var samples: [[UInt8]]

  init(_ samples: [[UInt8]]) { self.samples = samples }

  var isEmpty: Bool { samples.isEmpty }

  mutating func add(_ bytes: [UInt8], _ random: inout SplitMix64) {
    if samples.count < Self.capacity {
      samples.append(bytes)
    } else {
      samples[Int.random(in: 0..<Self.capacity, using: &random)] = bytes
    }
  }

  /// A sample with one to six faults: flipped bits, boundary values, cuts, insertions, splices.
  func damaged(_ random: inout SplitMix64) -> [UInt8] {
    guard var bytes = samples.randomElement(using: &random) else { return [] }
    for _ in 0..<Int.random(in: 1...6, using: &random) { damage(&bytes, &random) }
    return bytes
  }

  private func damage(_ bytes: inout [UInt8], _ random: inout SplitMix64) {
    guard !bytes.isEmpty else {
      bytes = (0..<Int.random(in: 0..<80, using: &random)).map { _ in
        UInt8.random(in: 0...255, using: &random)
      }
      return
    }
    let place = Int.random(in: 0..<bytes.count, using: &random)
    switch Int.random(in: 0..<8, using: &random) {
    case 0: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
    case 1: bytes[place] = UInt8.random(in: 0...255, using: &random)
    case 2: bytes[place] = [0, 1, 0x7F, 0x80, 0xFE, 0xFF].randomElement(using: &random) ?? 0
    case 3: bytes.removeSubrange(place...)
    case 4:
      let end = min(bytes.count, place + Int.random(in: 1...16, using: &random))
      bytes.removeSubrange(place..<end)
    case 5:
      let count = Int.random(in: 1...16, using: &random)
      bytes.insert(contentsOf: repeatElement(bytes[place], count: count), at: place)
    case 6:
      let end = min(bytes.count, place + 8)
      for index in place..<end { bytes[index] = 0xFF }
    default:
      guard let other = samples.randomElement(using: &random), !other.isEmpty else { return }
      bytes = Array(bytes[..<place]) + other[Int.random(in: 0..<other.count, using: &random)...]
    }
  }
}
