// SPDX-License-Identifier: Apache-2.0

internal import Addresses
internal import Machine

/// The hosts that have spoken with a VIF, here or at another member: they may have cached where it is.
///
/// Each is kept for ``memory`` after it was seen last; when there are too many, who was seen longest ago
/// gives way.
struct KnownHosts: Sendable, Equatable {
  struct Entry: Sendable, Equatable {
    var neighbor: Neighbor
    /// When a member saw it last.
    var seen: Instant
    /// When it was seen here; `nil` for what another member told.
    var seenHere: Instant?
  }

  static let memory = Duration.seconds(20 * 60)
  static let most = 2_048
  /// The most hosts that are told to the other members at a time.
  static let mostTold = 512

  /// In ascending order of address.
  private(set) var entries: [Entry] = []

  private func position(of address: IPAddress) -> Int {
    var (low, high) = (0, entries.count)
    while low < high {
      let middle = (low + high) / 2
      if entries[middle].neighbor.address < address { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// Takes notice of a host that was seen `age` ago, here or elsewhere.
  mutating func see(_ neighbor: Neighbor, _ age: Duration, here: Bool, at now: Instant) {
    guard age <= Self.memory else { return }
    let seen = Instant(sinceBoot: max(.zero, now.sinceBoot - age))
    var index = position(of: neighbor.address)
    if index < entries.count, entries[index].neighbor.address == neighbor.address {
      if here { entries[index].seenHere = max(entries[index].seenHere ?? seen, seen) }
      guard entries[index].seen <= seen else { return }
      entries[index].neighbor = neighbor
      entries[index].seen = seen
      return
    }
    if entries.count >= Self.most {
      guard let oldest = entries.indices.min(by: { entries[$0].seen < entries[$1].seen }),
        entries[oldest].seen < seen
      else { return }
      entries.remove(at: oldest)
      if oldest < index { index -= 1 }
    }
    entries.insert(Entry(neighbor: neighbor, seen: seen, seenHere: here ? seen : nil), at: index)
  }

  mutating func expire(at now: Instant) {
    entries.removeAll { now - $0.seen > Self.memory }
  }

  mutating func forgetAll() { entries.removeAll() }

  /// Where a host is; `nil` if it is not known.
  func hardware(of address: IPAddress) -> MACAddress? {
    let index = position(of: address)
    guard index < entries.count, entries[index].neighbor.address == address else { return nil }
    return entries[index].neighbor.hardware
  }

  /// The hosts of a network, in ascending order of address.
  func hosts(of network: IPPrefix) -> [IPAddress] {
    entries.lazy.map(\.neighbor.address).filter { network.covers($0) }
  }

  /// Whom the other members are to know of: the hosts that were seen here last.
  func told(at now: Instant) -> [AnnouncementsEngine.Sighting] {
    let own = entries.compactMap { entry in
      entry.seenHere.map { AnnouncementsEngine.Sighting(entry.neighbor, ago: now - $0) }
    }
    guard own.count > Self.mostTold else { return own }
    let latest = own.enumerated().sorted {
      ($0.element.age, $0.offset) < ($1.element.age, $1.offset)
    }
    return latest.prefix(Self.mostTold).map(\.element)
  }
}
