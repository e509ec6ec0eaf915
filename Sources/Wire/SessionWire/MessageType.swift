// SPDX-License-Identifier: Apache-2.0

package import GroupModel

/// The word that says what a message is, without its byte order marks.
package struct MessageType: OptionSet, Sendable, Hashable {
  package let rawValue: UInt32
  package init(rawValue: UInt32) { self.rawValue = rawValue }

  package static let unreliable = Self(rawValue: 0x01)
  package static let reliable = Self(rawValue: 0x02)
  package static let fifo = Self(rawValue: 0x04)
  package static let causal = Self(rawValue: 0x08)
  package static let agreed = Self(rawValue: 0x10)
  package static let safe = Self(rawValue: 0x20)
  /// All six services.
  package static let regular = Self(rawValue: 0x3F)
  /// With a service: the sender gets no copy.
  package static let selfDiscard = Self(rawValue: 0x40)

  package static let causedByJoin = Self(rawValue: 0x100)
  /// Alone it tells a session of its own leave.
  package static let causedByLeave = Self(rawValue: 0x200)
  package static let causedByDisconnect = Self(rawValue: 0x400)
  package static let causedByNetwork = Self(rawValue: 0x800)
  package static let regularMembership = Self(rawValue: 0x1000)
  package static let transition = Self(rawValue: 0x2000)
  /// Everything that a daemon says of membership.
  package static let membership = Self(rawValue: 0x3F00)

  package static let join = Self(rawValue: 0x1_0000)
  package static let leave = Self(rawValue: 0x2_0000)
  package static let kill = Self(rawValue: 0x4_0000)
  /// What a client may command.
  package static let commands: Self = [.join, .leave, .kill]
  package static let reject = Self(rawValue: 0x40_0000)
  /// What no client may set in a message: it would look like a daemon's word to others.
  package static let reserved = Self(rawValue: 0x00FF_FF00)
  /// What a message between clients carries unchanged besides its service.
  package static let passed = Self(rawValue: 0x7F00_0040)

  /// The service that a message asks for; `nil` unless exactly one bit says so.
  package var service: Service? {
    switch intersection(.regular) {
    case .unreliable: .unreliable
    case .reliable: .reliable
    case .fifo: .fifo
    case .causal: .causal
    case .agreed: .agreed
    case .safe: .safe
    default: nil
    }
  }

  package init(_ service: Service) {
    switch service {
    case .unreliable: self = .unreliable
    case .reliable: self = .reliable
    case .fifo: self = .fifo
    case .causal: self = .causal
    case .agreed: self = .agreed
    case .safe: self = .safe
    }
  }
}

/// The word that carries the sender's own mark of a message.
///
/// Daemons never change it, so it tells the byte order of the sender's machine.
package struct Hint: Sendable, Hashable {
  /// The four bytes as they are on the wire, the first the highest.
  package let wire: UInt32

  package init(wire: UInt32) { self.wire = wire }

  package init(_ tag: Int16, order: ByteOrder = .little) {
    wire = order.value(of: UInt32(UInt16(bitPattern: tag)) << 8 | order.ownMarks)
  }

  /// What a daemon writes where there is no mark of a sender.
  package static let none = Hint(0)

  /// The order in which it was written; `nil` if its marks disagree.
  package var order: ByteOrder? {
    switch wire & ByteOrder.marks {
    case ByteOrder.marks: .little
    case 0: .big
    default: nil
    }
  }

  /// The sender's mark; `nil` if other bits than it may have are set.
  package var tag: Int16? {
    guard let order else { return nil }
    let value = order.value(of: wire)
    guard value & 0x7F00_007F == 0 else { return nil }
    return Int16(bitPattern: UInt16(truncatingIfNeeded: value >> 8))
  }
}
