// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// The first message of a client: who it is and what it wants.
package struct ConnectRequest: Sendable, Equatable {
  /// The longest name that may be asked for, in bytes.
  package static let longestName = 10

  package let version: Version
  package let wantsMembership: Bool
  /// 0 to 15; has no effect.
  package let priority: UInt8
  /// 0 to ``longestName`` bytes of 0x24 to 0x7E; none lets the daemon invent a name.
  package let name: [UInt8]

  package init(version: Version = .own, wantsMembership: Bool, priority: UInt8 = 0, name: [UInt8]) {
    (self.version, self.wantsMembership) = (version, wantsMembership)
    (self.priority, self.name) = (min(priority, 15), name)
  }

  /// The request as bytes; a name beyond ``longestName`` is cut, as the libraries do.
  ///
  /// To be sent as one piece, with nothing behind it before the answer: older daemons take what
  /// one read gives.
  package var bytes: [UInt8] {
    var bytes = [version.major, version.minor]
    if version.sendsPatch { bytes.append(version.patch) }
    bytes.append((wantsMembership ? 1 : 0) | priority << 4)
    let name = name.prefix(Self.longestName)
    bytes.append(UInt8(name.count))
    return bytes + name
  }

  /// Reads a request from the start of a stream, however it was cut.
  ///
  /// - Throws: how a daemon refuses it.
  package static func parse(_ bytes: ArraySlice<UInt8>) throws(Refusal) -> Parsed<Self> {
    var rest = bytes
    guard let major = rest.popFirst(), let minor = rest.popFirst() else { return .incomplete }
    var version = Version(major, minor)
    guard !version.isTooOld else { throw .version }
    if version.sendsPatch {
      guard let patch = rest.popFirst() else { return .incomplete }
      version = Version(major, minor, patch)
    }
    guard let flags = rest.popFirst(), let length = rest.popFirst() else { return .incomplete }
    guard length <= longestName else { throw .illegalName }
    guard rest.count >= length else { return .incomplete }
    let name = rest.prefix(Int(length))
    guard name.allSatisfy({ (0x24...0x7E).contains($0) }) else { throw .illegalName }
    let request = Self(
      version: version,
      wantsMembership: flags & 1 != 0,
      priority: flags >> 4,
      name: Array(name)
    )
    return .complete(request, length: name.endIndex - bytes.startIndex)
  }

  /// Whether a part of a request ends within the name, or right before it.
  ///
  /// A daemon that waits no longer refuses such a name, and says nothing to less.
  package static func endsInName(_ bytes: ArraySlice<UInt8>) -> Bool {
    guard let major = bytes.first, bytes.count > 1 else { return false }
    let version = Version(major, bytes[bytes.startIndex + 1])
    return bytes.count >= (version.sendsPatch ? 5 : 4)
  }
}

/// What a daemon answers to ``ConnectRequest`` from a release that authenticates.
package enum MethodList: Sendable, Equatable {
  /// The methods it takes.
  case methods([String])
  /// It refuses the session; the code is usually one of ``Refusal``.
  case refused(code: Int8)

  /// The longest list, in bytes.
  package static let longest = 90

  /// The answer as bytes, to be sent in one write: the libraries read the list in one piece.
  ///
  /// Methods that do not fit ``longest`` are left out.
  package var bytes: [UInt8] {
    switch self {
    case .refused(let code): return [UInt8(bitPattern: code)]
    case .methods(let methods):
      var list: [UInt8] = []
      for method in methods where list.count + method.utf8.count < Self.longest {
        list += Array(method.utf8) + [UInt8(ascii: " ")]
      }
      return [UInt8(list.count)] + list
    }
  }

  /// Reads the answer from the start of a stream.
  ///
  /// - Throws: what is wrong with it.
  package static func parse(_ bytes: ArraySlice<UInt8>) throws(WireError) -> Parsed<Self> {
    guard let first = bytes.first else { return .incomplete }
    if first >= 0x80 { return .complete(.refused(code: Int8(bitPattern: first)), length: 1) }
    guard first <= longest else {
      throw .excessive(field: "method list", value: UInt64(first), limit: UInt64(longest))
    }
    let list = bytes.dropFirst().prefix(Int(first))
    guard list.count == first else { return .incomplete }
    let methods = list.split(separator: UInt8(ascii: " "))
      .map { String(decoding: $0, as: UTF8.self) }
    return .complete(.methods(methods), length: 1 + list.count)
  }
}

/// The methods by which a client wants to authenticate: three slots, the first empty one ends them.
package struct MethodChoice: Sendable, Equatable {
  /// Its length in bytes, always.
  package static let length = 90
  private static let slots = 3
  private static let slotLength = 30

  package let methods: [String]

  /// Takes the first three.
  package init(_ methods: [String]) { self.methods = Array(methods.prefix(Self.slots)) }

  package var bytes: [UInt8] {
    var bytes: [UInt8] = []
    for method in methods {
      bytes += method.utf8.prefix(Self.slotLength - 1)
      while bytes.count % Self.slotLength > 0 { bytes.append(0) }
    }
    return bytes + [UInt8](repeating: 0, count: Self.length - bytes.count)
  }

  /// Reads the choice from the start of a stream.
  package static func parse(_ bytes: ArraySlice<UInt8>) -> Parsed<Self> {
    guard bytes.count >= length else { return .incomplete }
    var methods: [String] = []
    for slot in 0..<slots {
      let start = bytes.startIndex + slot * slotLength
      let name = bytes[start..<start + slotLength].prefix { $0 != 0 }
      if name.isEmpty { break }
      methods.append(String(decoding: name, as: UTF8.self))
    }
    return .complete(Self(methods), length: length)
  }
}

/// The last step of the handshake.
package enum Acceptance: Sendable, Equatable {
  /// The session is open, under this private name `#user#daemon`.
  case accepted(Version, privateName: [UInt8])
  /// It is not; the code is usually one of ``Refusal``.
  case refused(code: Int8)

  private static let acceptCode: UInt8 = 1

  /// The answer as bytes for a client of a release; to be sent in one write.
  package func bytes(for client: Version) -> [UInt8] {
    switch self {
    case .refused(let code): return [UInt8(bitPattern: code)]
    case .accepted(let version, let name):
      var bytes = [Self.acceptCode, version.major, version.minor]
      if client.expectsPatch { bytes.append(version.patch) }
      return bytes + [UInt8(name.count)] + name
    }
  }

  /// Reads the answer from the start of a stream, as a client of a release.
  ///
  /// - Throws: what is wrong with it.
  package static func parse(
    _ bytes: ArraySlice<UInt8>,
    for client: Version
  ) throws(WireError) -> Parsed<Self> {
    var rest = bytes
    guard let code = rest.popFirst() else { return .incomplete }
    guard code == acceptCode else {
      guard code >= 0x80 else { throw .unknown(field: "acceptance", value: UInt64(code)) }
      return .complete(.refused(code: Int8(bitPattern: code)), length: 1)
    }
    guard let major = rest.popFirst(), let minor = rest.popFirst() else { return .incomplete }
    var patch: UInt8 = 0
    if client.expectsPatch {
      guard let byte = rest.popFirst() else { return .incomplete }
      patch = byte
    }
    guard let length = rest.popFirst() else { return .incomplete }
    guard (4...31).contains(length) else {
      throw .excessive(field: "private name", value: UInt64(length), limit: 31)
    }
    guard rest.count >= length else { return .incomplete }
    let name = rest.prefix(Int(length))
    let acceptance = Self.accepted(Version(major, minor, patch), privateName: Array(name))
    return .complete(acceptance, length: name.endIndex - bytes.startIndex)
  }
}
