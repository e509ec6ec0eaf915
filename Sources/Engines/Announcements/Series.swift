// SPDX-License-Identifier: Apache-2.0

internal import Addresses
internal import Machine

/// The announcements of one VIF: to everybody, and to hosts each by itself.
struct Series: Sendable, Equatable {
  let vif: VirtualInterface
  private(set) var began: Instant
  /// The next offset of the settings.
  var step = 0
  /// When it was announced last.
  var last: Instant
  /// When a frame of it was handed out last.
  var injectedAt = Instant.boot
  /// What hosts are told each by itself, while that goes on.
  var telling: Telling?
  private var announcements = Frames()
  private var probes = Frames()

  /// One kind of frame to everybody.
  enum Form: Sendable, Equatable {
    case request
    case reply
    case advertisement
    /// Asks whether somebody else has the address.
    case probe
  }

  /// Frames that are due and wait for their turn, by number.
  private struct Frames: Sendable, Equatable {
    private var next = 0
    private(set) var left = 0

    /// All are due; none of them twice.
    mutating func begin(_ count: Int) {
      if left == 0 { next = 0 }
      left = count
    }

    mutating func take(of count: Int) -> Int? {
      guard left > 0 else { return nil }
      defer { (next, left) = ((next + 1) % count, left - 1) }
      return next
    }
  }

  init(_ vif: VirtualInterface, at now: Instant) { (self.vif, began, last) = (vif, now, now) }

  /// Begins anew; what is going on goes on.
  mutating func restart(at now: Instant) { (began, last, step) = (now, now, 0) }

  func uses(_ interface: InterfaceName) -> Bool {
    vif.addresses.contains { $0.interface == interface }
  }

  /// Does one step of what hosts are told, which must be due; `nil` if nobody is to be told for it.
  mutating func tell(in place: Telling.Surroundings, at now: Instant) -> Telling.Turn? {
    let next = telling?.step(of: vif, in: place, at: now)
    if telling?.due == nil { telling = nil }
    return next
  }

  // MARK: Frames to everybody

  /// Whether frames wait for their turn.
  var isWaiting: Bool { announcements.left + probes.left > 0 }

  /// Two places for each address: an IPv4 address has two forms, an IPv6 address one.
  private var places: Int { 2 * vif.addresses.count }

  mutating func announce() { announcements.begin(places) }

  mutating func probe() { probes.begin(vif.addresses.count) }

  mutating func nextFrame() -> (address: InterfaceAddress, form: Form)? {
    while let place = announcements.take(of: places) {
      let address = vif.addresses[place / 2]
      switch (address.prefix.address, place % 2) {
      case (.v4, 0): return (address, .request)
      case (.v4, _): return (address, .reply)
      case (.v6, 0): return (address, .advertisement)
      case (.v6, _): continue
      }
    }
    return probes.take(of: vif.addresses.count).map { (vif.addresses[$0], .probe) }
  }
}
