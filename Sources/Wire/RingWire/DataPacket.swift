// SPDX-License-Identifier: Apache-2.0

import Bytes
package import GroupModel

/// One place in the order of a ring, and what stands in it.
package struct DataPacket: Sendable, Equatable {
  /// Who put the packet on the wire.
  package var sender: NodeID
  /// Who took the place in the order.
  package var originator: NodeID
  package var ring: RingID
  package var sequence: UInt64
  package var content: Content

  package init(
    sender: NodeID,
    originator: NodeID,
    ring: RingID,
    sequence: UInt64,
    content: Content
  ) {
    self.sender = sender
    self.originator = originator
    self.ring = ring
    self.sequence = sequence
    self.content = content
  }

  package enum Content: Sendable, Equatable {
    /// Messages and parts of messages of the originator; never empty.
    case messages([Fragment])
    /// A message of an older ring, rebroadcast during Recovery.
    indirect case recovered(Recovered)
  }

  /// A place in the order of an older ring.
  package struct Recovered: Sendable, Equatable {
    package let ring: RingID
    package let originator: NodeID
    package let sequence: UInt64
    package let fragments: [Fragment]

    package init(ring: RingID, originator: NodeID, sequence: UInt64, fragments: [Fragment]) {
      (self.ring, self.originator) = (ring, originator)
      (self.sequence, self.fragments) = (sequence, fragments)
    }
  }
}

/// A message, or a part of one.
package struct Fragment: Sendable, Equatable {
  package enum Position: Sendable, Equatable {
    case whole
    /// The first part of a message of `total` bytes.
    case first(total: UInt32)
    case middle
    case last
  }

  package let service: Service
  package let position: Position
  package let payload: ArraySlice<UInt8>

  package init(service: Service, position: Position, payload: ArraySlice<UInt8>) {
    (self.service, self.position, self.payload) = (service, position, payload)
  }

  /// The bytes that a whole message costs in a packet beyond its payload.
  package static let overhead = 3
  /// The bytes that a first part costs beyond its payload: the most of all positions.
  package static let longestOverhead = 7
}

extension DataPacket {
  /// The most bytes of a datagram beyond its fragments, when no name is longer than `name` bytes: what
  /// it costs to repeat a packet of another that carries a third one's packet of an old ring.
  package static func overhead(longestName name: Int) -> Int {
    let ring = 8 + 1 + name
    let recovered = ring + 1 + name + 8
    return DatagramHeader.size + 2 * (1 + name) + ring + 8 + 1 + recovered
  }

  init(reading reader: inout ByteReader) throws(WireError) {
    sender = try reader.readNode()
    originator = try reader.readOptionalNode() ?? sender
    ring = try reader.readRing()
    sequence = try reader.readSequence()
    guard sequence > 0 else { throw .malformed(field: "sequence") }
    let tag: UInt8 = try reader.read()
    switch tag {
    case 0:
      content = .messages(try reader.readFragments())
    case 1:
      let old = try reader.readRing()
      let originator = try reader.readNode()
      let sequence = try reader.readSequence()
      guard sequence > 0 else { throw .malformed(field: "old sequence") }
      let fragments = try reader.readFragments()
      content = .recovered(
        Recovered(ring: old, originator: originator, sequence: sequence, fragments: fragments)
      )
    default:
      throw .unknown(field: "content", value: UInt64(tag))
    }
  }

  func write(to writer: inout ByteWriter) {
    writer.write(sender)
    writer.write(originator == sender ? nil : originator)
    writer.write(ring)
    writer.write(sequence)
    switch content {
    case .messages(let fragments):
      writer.write(UInt8(0))
      writer.write(fragments)
    case .recovered(let old):
      writer.write(UInt8(1))
      writer.write(old.ring)
      writer.write(old.originator)
      writer.write(old.sequence)
      writer.write(old.fragments)
    }
  }
}

extension ByteReader {
  /// Reads fragments up to the end; there must be one at least.
  fileprivate mutating func readFragments() throws(WireError) -> [Fragment] {
    var fragments: [Fragment] = []
    repeat { fragments.append(try readFragment()) } while remaining > 0
    return fragments
  }

  private mutating func readFragment() throws(WireError) -> Fragment {
    let tag: UInt8 = try read()
    guard let service = Service(rawValue: tag & 0x0F) else {
      throw .unknown(field: "service", value: UInt64(tag & 0x0F))
    }
    let length: UInt16 = try read()
    let position: Fragment.Position
    switch tag >> 4 {
    case 0: position = .whole
    case 1: position = .first(total: try read())
    case 2: position = .middle
    case 3: position = .last
    default: throw .unknown(field: "fragment position", value: UInt64(tag >> 4))
    }
    let payload = try readSlice(count: Int(length))
    return Fragment(service: service, position: position, payload: payload)
  }
}

extension ByteWriter {
  fileprivate mutating func write(_ fragments: [Fragment]) {
    for fragment in fragments {
      switch fragment.position {
      case .whole:
        writeHead(of: fragment, tag: 0x00)
      case .first(let total):
        writeHead(of: fragment, tag: 0x10)
        write(total)
      case .middle:
        writeHead(of: fragment, tag: 0x20)
      case .last:
        writeHead(of: fragment, tag: 0x30)
      }
      write(fragment.payload)
    }
  }

  private mutating func writeHead(of fragment: Fragment, tag: UInt8) {
    precondition(fragment.payload.count <= Int(UInt16.max), "a fragment beyond 64 KiB")
    write(tag | fragment.service.rawValue)
    write(UInt16(fragment.payload.count))
  }
}
