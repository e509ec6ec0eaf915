// SPDX-License-Identifier: Apache-2.0

/// Where the element of a key lies in an array that holds keys and all else.
///
/// A hash table with linear probing, after Knuth, TAOCP 3, 6.4, algorithms L and R. A slot is half of
/// the key's hash and the place, eight bytes in all: among a hundred thousand groups a look-up costs
/// one cache miss here and one at the element, where a dictionary costs one for the key, one for the
/// value and one at the element.
struct PlaceTable: Sendable, Equatable {
  /// The upper half is of the key's hash, the lower is the place; all ones if free.
  private var slots = [UInt64](repeating: Self.free, count: 8)
  private(set) var count = 0

  private static let free = UInt64.max

  /// The place under a key; `isKey` says whether what lies at a place has this key.
  func find(_ key: some Hashable, where isKey: (Int32) -> Bool) -> Int32? {
    let hash = Self.hash(key)
    var index = home(of: hash)
    while slots[index] != Self.free {
      if slots[index] >> 32 == hash {
        let place = Int32(truncatingIfNeeded: slots[index])
        if isKey(place) { return place }
      }
      index = (index + 1) & (slots.count - 1)
    }
    return nil
  }

  /// Adds a place under a key that has none.
  mutating func insert(_ place: Int32, for key: some Hashable) {
    // At most five eighths full: runs stay short.
    if (count + 1) * 8 > slots.count * 5 { grow() }
    put(Self.hash(key) << 32 | UInt64(UInt32(bitPattern: place)))
    count += 1
  }

  /// Removes a place that is there under this key; what was pushed aside by it moves up.
  mutating func remove(_ place: Int32, for key: some Hashable) {
    let entry = Self.hash(key) << 32 | UInt64(UInt32(bitPattern: place))
    var hole = home(of: entry >> 32)
    while slots[hole] != entry {
      guard slots[hole] != Self.free else { return }
      hole = (hole + 1) & (slots.count - 1)
    }
    count -= 1
    var next = hole
    while true {
      next = (next + 1) & (slots.count - 1)
      guard slots[next] != Self.free else { break }
      let distance = (next - home(of: slots[next] >> 32)) & (slots.count - 1)
      if distance >= (next - hole) & (slots.count - 1) {
        slots[hole] = slots[next]
        hole = next
      }
    }
    slots[hole] = Self.free
  }

  private mutating func grow() {
    let old = slots
    slots = Array(repeating: Self.free, count: old.count * 2)
    for entry in old where entry != Self.free { put(entry) }
  }

  private mutating func put(_ entry: UInt64) {
    var index = home(of: entry >> 32)
    while slots[index] != Self.free { index = (index + 1) & (slots.count - 1) }
    slots[index] = entry
  }

  private func home(of hash: UInt64) -> Int { Int(truncatingIfNeeded: hash) & (slots.count - 1) }

  /// 32 bits, never all ones together with any place.
  private static func hash(_ key: some Hashable) -> UInt64 {
    UInt64(UInt(bitPattern: key.hashValue) & 0x7FFF_FFFF)
  }
}

/// A short array whose first element lies in place: most groups have one member at most daemons.
struct Seats<Element: Sendable & Equatable>: Sendable, Equatable {
  private var first: Element?
  private var rest: [Element] = []

  var count: Int { first == nil ? 0 : rest.count + 1 }
  var isEmpty: Bool { first == nil }

  /// The element at a position, which must be one.
  subscript(position: Int) -> Element {
    guard position == 0, let first else { return rest[position - 1] }
    return first
  }

  mutating func insert(_ element: Element, at position: Int) {
    guard position == 0 else { return rest.insert(element, at: position - 1) }
    if let first { rest.insert(first, at: 0) }
    first = element
  }

  mutating func remove(at position: Int) -> Element {
    let removed = self[position]
    if position > 0 {
      rest.remove(at: position - 1)
    } else {
      first = rest.isEmpty ? nil : rest.removeFirst()
    }
    return removed
  }
}
