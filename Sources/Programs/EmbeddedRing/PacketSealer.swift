// SPDX-License-Identifier: Apache-2.0

package import Addresses
import Bytes
package import GroupModel
package import Machine
import Reactor
package import RingWire
package import Seal
package import Sealing

/// Seals what this node sends and opens what it receives: keys and ciphers for a ``SealingEngine``.
package final class PacketSealer {
  /// A sub-key of another boot, made when its first datagram came.
  private struct Cached {
    let key: UInt16
    let boot: BootID
    let subKey: SubKey
  }

  /// The most sub-keys of other boots that are kept; two keys for each of the largest ring.
  private static let mostCached = 2 * WireLimits.members

  private let settings: SealingEngine.Settings
  private var engine: SealingEngine
  private var keys: [ClusterKey]
  private var own: SubKey
  private var counter: UInt64 = 0
  private var cache: [Cached] = []
  private var effects = EffectQueue<SealingEngine.Effect>()

  /// The first key seals, all of them open; there must be one.
  ///
  /// - Throws: the cipher that this machine cannot do.
  package init(
    settings: SealingEngine.Settings,
    keys: [ClusterKey],
    random: SplitMix64
  ) throws(SubKey.Failure) {
    own = try Self.ownSubKey(keys, boot: settings.boot)
    engine = SealingEngine(settings: settings, keys: keys.map(\.id), random: random)
    (self.settings, self.keys) = (settings, keys)
  }

  /// How many datagrams were dropped, by reason.
  package var drops: [(SealingEngine.Drop, UInt64)] {
    SealingEngine.Drop.allCases.map { ($0, engine.drops[$0.rawValue]) }
  }

  /// Goes over to other keys, from the next datagram on; on failure nothing changes.
  package func replace(keys: [ClusterKey]) throws(SubKey.Failure) {
    own = try Self.ownSubKey(keys, boot: settings.boot)
    self.keys = keys
    cache.removeAll()
    engine.handle(.keys(keys.map(\.id)), at: BootClock.now, into: &effects)
  }

  /// Believes these members only, from the next datagram on.
  package func replace(members: Roster) {
    engine.handle(.configured(members), at: BootClock.now, into: &effects)
  }

  /// What the guardian sends if this boot dies; sealed now, with the first key.
  package func seal(_ obituary: Obituary) -> [UInt8] {
    seal(kind: .obituary) { obituary.write(to: &$0) }
  }

  /// Told that a boot of this member is dead, and its addresses gone.
  package var died: (NodeID) -> Void = { _ in }

  /// Told when others were told that this boot is dead.
  package var reportedDead: () -> Void = {}

  /// A whole datagram, sealed with the first key.
  package func seal(_ packet: Packet) -> [UInt8] {
    seal(kind: packet.kind) { packet.write(to: &$0) }
  }

  /// What the datagram carries, if it is authentic, fresh and from a live boot.
  ///
  /// Questions to unknown boots, and answers to theirs, go out through `send`.
  package func open(
    _ bytes: [UInt8],
    from origin: Endpoint,
    send: ([UInt8], Endpoint) -> Void
  ) -> Packet? {
    guard let header = try? DatagramHeader(decoding: bytes[...]) else {
      engine.countMalformed()
      return nil
    }
    let now = BootClock.now
    let sealed = SealingEngine.Sealed(header: header, origin: origin)
    engine.handle(.arrived(sealed), at: now, into: &effects)
    var accepted: Packet?
    while !effects.isEmpty {
      for effect in effects.takeAll() {
        switch effect {
        case .open(let sealed):
          if let body = open(bytes, header: header) {
            engine.handle(.opened(sealed, body: body), at: now, into: &effects)
          } else {
            engine.handle(.forged(sealed), at: now, into: &effects)
          }
        case .accept(let packet): accepted = packet
        case .send(let challenge, let endpoint):
          send(seal(kind: .challenge) { challenge.write(to: &$0) }, endpoint)
        case .believed(_, _, let instead):
          if let instead { cache.removeAll { $0.boot == instead } }
        case .buried(let node, let boot):
          cache.removeAll { $0.boot == boot }
          died(node)
        case .reportedDead: reportedDead()
        }
      }
    }
    return accepted
  }

  private func open(_ bytes: [UInt8], header: DatagramHeader) -> ArraySlice<UInt8>? {
    guard let subKey = subKey(header.keyID, boot: header.boot) else { return nil }
    var copy = bytes
    guard subKey.open(&copy, counter: header.counter) else { return nil }
    return copy.dropFirst(DatagramHeader.size)
  }

  private func subKey(_ id: UInt16, boot: BootID) -> SubKey? {
    if let cached = cache.first(where: { $0.boot == boot && $0.key == id }) { return cached.subKey }
    guard let key = keys.first(where: { $0.id == id }), let made = try? SubKey(key, boot: boot)
    else { return nil }
    // Whoever floods with invented boot ids costs a derivation each, and evicts the oldest.
    if cache.count >= Self.mostCached { cache.removeFirst() }
    cache.append(Cached(key: id, boot: boot, subKey: made))
    return made
  }

  private func seal(kind: PacketKind, body: (inout ByteWriter) -> Void) -> [UInt8] {
    counter += 1
    var writer = ByteWriter(reserving: 1_500)
    DatagramHeader(
      kind: kind,
      keyID: keys[0].id,
      cluster: settings.cluster,
      counter: counter,
      boot: settings.boot
    ).write(to: &writer)
    body(&writer)
    var datagram = writer.bytes
    own.seal(&datagram, counter: counter)
    return datagram
  }

  private static func ownSubKey(
    _ keys: [ClusterKey],
    boot: BootID
  ) throws(SubKey.Failure) -> SubKey {
    guard let first = keys.first else { throw .noKey }
    // A key that cannot be opened with is found out here, not when its first datagram comes.
    for other in keys.dropFirst() { _ = try SubKey(other, boot: boot) }
    return try SubKey(first, boot: boot)
  }
}
