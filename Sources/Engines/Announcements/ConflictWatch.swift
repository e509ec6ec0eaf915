// SPDX-License-Identifier: Apache-2.0

internal import Addresses
internal import LinkWire
internal import Machine

/// Which strangers claim addresses that this node has announced (RFC 5227, section 2.4).
///
/// One claim is not a conflict: at a merge another member may have announced a moment before it let
/// go. Who claims an address again, a second or more later, goes on doing so.
struct ConflictWatch: Sendable, Equatable {
  struct Entry: Sendable, Equatable {
    let address: IPAddress
    let hardware: MACAddress
    let first: Instant
    var last: Instant
    /// When it was last told to the operator; `nil` for what is not known to be a conflict.
    var toldAt: Instant?
  }

  /// What follows from a claim.
  struct Verdict: Equatable {
    var isTold = false
    var isDefended = false
  }

  /// A claim after so long a silence is a first one again.
  static let memory = Duration.seconds(60)
  /// How far apart two claims of a conflict are at least.
  static let patience = Duration.seconds(1)
  /// The least time between two defences of an address (DEFEND_INTERVAL).
  static let defendInterval = Duration.seconds(10)
  /// The most claims that are remembered; the oldest gives way.
  static let most = 64

  private(set) var entries: [Entry] = []
  private var defended: [Defence] = []

  private struct Defence: Sendable, Equatable {
    let address: IPAddress
    let at: Instant
  }

  /// Takes a claim of one of our addresses by a stranger.
  mutating func hear(_ address: IPAddress, at hardware: MACAddress, now: Instant) -> Verdict {
    entries.removeAll { now - $0.last > Self.memory }
    guard
      let index = entries.firstIndex(where: { $0.address == address && $0.hardware == hardware })
    else {
      if entries.count >= Self.most { entries.removeFirst() }
      entries.append(Entry(address: address, hardware: hardware, first: now, last: now))
      return Verdict()
    }
    entries[index].last = now
    guard now - entries[index].first >= Self.patience else { return Verdict() }
    var verdict = Verdict()
    if entries[index].toldAt.map({ now - $0 >= Self.memory }) ?? true {
      entries[index].toldAt = now
      verdict.isTold = true
    }
    defended.removeAll { now - $0.at >= Self.defendInterval }
    if !defended.contains(where: { $0.address == address }) {
      defended.append(Defence(address: address, at: now))
      verdict.isDefended = true
    }
    return verdict
  }

  /// When the next claim is forgotten; `nil` if none is remembered.
  var deadline: Instant? { entries.lazy.map { $0.last + Self.memory }.min() }

  /// Forgets claims that have not been repeated.
  mutating func expire(at now: Instant) {
    entries.removeAll { now - $0.last >= Self.memory }
  }

  /// Forgets what was claimed by what has turned out to be no stranger.
  mutating func forget(hardware: [MACAddress]) {
    entries.removeAll { hardware.contains($0.hardware) }
  }

  /// Forgets what was claimed of addresses that are not announced any more.
  mutating func forget(_ addresses: [IPAddress]) {
    entries.removeAll { addresses.contains($0.address) }
    defended.removeAll { addresses.contains($0.address) }
  }
}

/// What a frame of ARP or neighbour discovery says of its sender, and of whom it speaks.
struct Heard: Equatable {
  /// Who speaks: for a neighbour advertisement the address that it is about.
  let sender: Neighbor
  /// Whom it asks for, or answers.
  let target: IPAddress

  /// Is `nil` for frames that say of nobody where it is, as probes.
  init?(frame bytes: [UInt8]) {
    guard let frame = try? EthernetFrame(decoding: bytes[...]) else { return nil }
    switch frame.kind {
    case .arp:
      guard let packet = try? ARPPacket(decoding: frame.payload), packet.sender.rawValue != 0
      else { return nil }
      sender = Neighbor(.v4(packet.sender), at: packet.senderHardware)
      target = .v4(packet.target)
    case .ipv6:
      if let advertisement = try? NeighborAdvertisement(decoding: frame.payload) {
        let hardware = advertisement.hardware ?? frame.source
        sender = Neighbor(.v6(advertisement.target), at: hardware)
        target = .v6(advertisement.destination)
      } else if let question = try? NeighborSolicitation(decoding: frame.payload),
        let hardware = question.hardware
      {
        sender = Neighbor(.v6(question.source), at: hardware)
        target = .v6(question.target)
      } else {
        return nil
      }
    case .ipv4: return nil
    }
  }
}
