// SPDX-License-Identifier: Apache-2.0

package import Bytes
package import GroupModel

/// What a message between fail-over members travels in where others use the group's daemon too.
///
/// ```
/// version 1 | zero 1 | key id 2 | counter 8 | view id 20 | tag 16 | payload
/// ```
///
/// The payload is a ``FailoverMessage``, in the clear: a tag says who wrote it, and hides nothing.
/// Versions of envelopes have the highest bit, which those of messages never get; the zero stands
/// where a message has its kind, and is none, so that a program without keys ignores an envelope.
package struct Envelope: Sendable, Hashable {
  package static let version: UInt8 = 0x81
  /// How many bytes it adds to its payload.
  package static let overhead = 32 + PayloadTag.size

  /// The key that the tag was made with.
  package var keyID: UInt16
  /// Rises strictly with each envelope of one sender.
  package var counter: UInt64
  /// The view in which it was sent.
  package var view: ViewID
  package var tag: PayloadTag
  package var payload: ArraySlice<UInt8>

  package init(
    keyID: UInt16,
    counter: UInt64,
    view: ViewID,
    tag: PayloadTag,
    payload: ArraySlice<UInt8>
  ) {
    (self.keyID, self.counter, self.view) = (keyID, counter, view)
    (self.tag, self.payload) = (tag, payload)
  }

  /// Whether a group's payload is an envelope, of whatever version, and not a bare message.
  package static func isOne(_ payload: ArraySlice<UInt8>) -> Bool {
    payload.first.map { $0 & 0x80 != 0 } ?? false
  }

  package init(decoding bytes: ArraySlice<UInt8>) throws(WireError) {
    var reader = ByteReader(bytes)
    let version: UInt8 = try reader.read()
    guard version == Self.version else {
      throw .unknown(field: "envelope version", value: UInt64(version))
    }
    let zero: UInt8 = try reader.read()
    guard zero == 0 else { throw .malformed(field: "envelope") }
    keyID = try reader.read()
    counter = try reader.read()
    view = try reader.readView()
    let high: UInt64 = try reader.read()
    tag = PayloadTag(high, try reader.read())
    payload = reader.readRest()
  }

  package func encoded() -> [UInt8] {
    var writer = ByteWriter(reserving: Self.overhead + payload.count)
    writer.write(Self.version)
    writer.write(UInt8(0))
    writer.write(keyID)
    writer.write(counter)
    writer.write(view)
    for word in tag.words { writer.write(word) }
    writer.write(payload)
    return writer.bytes
  }
}

extension Envelope {
  /// What the tag is over: the purpose, the group, the view with its members, the sender and the
  /// rest of the envelope; each part with its length, so that no two envelopes have the same text.
  ///
  /// The members belong to it because a genuine Spread daemon gives an id again to a group that was
  /// empty meanwhile (spread-client-protocol 8.6): each run of a member has a name of its own.
  package func statement(
    group: GroupName,
    members: [MemberID],
    sender: MemberID
  ) -> [UInt8] {
    var writer = ByteWriter(reserving: 128 + 64 * members.count + payload.count)
    let purpose = Array("wackamole payload 1".utf8)
    writer.write(UInt8(clamping: purpose.count))
    writer.write(purpose)
    writer.write(group.name)
    writer.write(view)
    writer.write(UInt32(clamping: members.count))
    for member in members { writer.write(member) }
    writer.write(sender)
    writer.write(keyID)
    writer.write(counter)
    writer.write(UInt64(payload.count))
    writer.write(payload)
    return writer.bytes
  }
}

extension FailoverMessage {
  /// Whether an encoded message means something only in the view in which it was sent, so that it
  /// is of no use to send it again in the next one.
  package static func isBoundToView(_ payload: ArraySlice<UInt8>) -> Bool {
    guard let raw = payload.dropFirst().first, let kind = Kind(rawValue: raw) else { return false }
    return switch kind {
    // Heartbeats too: what proves that the present view stands was sent in it.
    case .state, .balance, .without, .suspect, .heartbeat: true
    case .facts, .mature, .released, .moveFailed, .cancel, .order: false
    }
  }
}
