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

    /// Takes what was seen of the same host.
    mutating func take(_ other: Entry) {
      if let here = other.seenHere { seenHere = max(seenHere ?? here, here) }
      guard seen <= other.seen else { return }
      (neighbor, seen) = (other.neighbor, other.seen)
    }
  }

  static let memory = Duration.seconds(20 * 60)
  static let most = AnnouncementsEngine.mostNeighbors
  /// How many more there may be until some give way, so that not each newcomer makes them be sorted.
  static let slack = 256
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

  /// Takes notice of hosts that were seen here or elsewhere.
  mutating func see(
    _ sightings: [AnnouncementsEngine.Sighting],
    here: Bool,
    at now: Instant
  ) {
    var new: [Entry] = []
    for sighting in sightings where sighting.age <= Self.memory {
      let seen = Instant(sinceBoot: max(.zero, now.sinceBoot - sighting.age))
      let entry = Entry(neighbor: sighting.neighbor, seen: seen, seenHere: here ? seen : nil)
      let index = position(of: entry.neighbor.address)
      if index < entries.count, entries[index].neighbor.address == entry.neighbor.address {
        entries[index].take(entry)
      } else {
        new.append(entry)
      }
    }
    if new.count == 1 {
      entries.insert(new[0], at: position(of: new[0].neighbor.address))
    } else if !new.isEmpty {
      // Two runs that ascend, which sorting takes little for.
      entries += new.sorted { $0.neighbor.address < $1.neighbor.address }
      entries.sort { $0.neighbor.address < $1.neighbor.address }
      join()
    }
    if entries.count > Self.most + Self.slack { forgetOldest() }
  }

  /// Makes one entry of those of the same address.
  private mutating func join() {
    var joined: [Entry] = []
    joined.reserveCapacity(entries.count)
    for entry in entries {
      if let last = joined.last, last.neighbor.address == entry.neighbor.address {
        joined[joined.count - 1].take(entry)
      } else {
        joined.append(entry)
      }
    }
    entries = joined
  }

  private mutating func forgetOldest() {
    let oldest = entries.map(\.seen).sorted(by: >)[Self.most - 1]
    // Of those seen at that moment, so many as there is room for.
    var room = Self.most - entries.count { $0.seen > oldest }
    entries.removeAll { entry in
      guard entry.seen <= oldest else { return false }
      if entry.seen == oldest { room -= 1 }
      return entry.seen < oldest || room < 0
    }
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

  /// The first host that has this address or a higher one.
  func first(from address: IPAddress) -> IPAddress? {
    let index = position(of: address)
    return index < entries.count ? entries[index].neighbor.address : nil
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
