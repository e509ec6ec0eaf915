// SPDX-License-Identifier: Apache-2.0

extension JSONValue {
  /// Why a text is not JSON that this type can hold, and how many bytes were read before that.
  package struct Malformed: Error, Sendable, Equatable {
    package let offset: Int
  }

  /// Reads a JSON text (RFC 8259) whose numbers are all whole.
  package init(parsing text: [UInt8]) throws(Malformed) {
    var parser = JSONParser(text: text)
    self = try parser.document()
  }

  /// The member of that name; `nil` if there is none, or this is no object.
  package subscript(name: String) -> JSONValue? {
    guard case .object(let members) = self else { return nil }
    return members.first { $0.name == name }?.value
  }

  /// `nil` for anything but a number.
  package var integer: Int64? {
    if case .integer(let value) = self { value } else { nil }
  }

  /// `nil` for anything but a string.
  package var string: String? {
    if case .string(let value) = self { value } else { nil }
  }

  /// `nil` for anything but true and false.
  package var bool: Bool? {
    if case .bool(let value) = self { value } else { nil }
  }

  /// The elements; none for anything but an array.
  package var elements: [JSONValue] {
    if case .array(let values) = self { values } else { [] }
  }
}

private struct JSONParser {
  private static let deepest = 64

  let text: [UInt8]
  private var place = 0
  private var depth = 0

  init(text: [UInt8]) { self.text = text }

  mutating func document() throws(JSONValue.Malformed) -> JSONValue {
    let value = try value()
    skipBlanks()
    guard place == text.count else { throw malformed }
    return value
  }

  private var malformed: JSONValue.Malformed { JSONValue.Malformed(offset: place) }

  private var next: UInt8? { place < text.count ? text[place] : nil }

  private mutating func skipBlanks() {
    while let byte = next, [0x20, 0x09, 0x0A, 0x0D].contains(byte) { place += 1 }
  }

  private mutating func take(_ byte: UInt8) -> Bool {
    skipBlanks()
    guard next == byte else { return false }
    place += 1
    return true
  }

  private mutating func take(word: StaticString) -> Bool {
    let bytes = Array(String(describing: word).utf8)
    guard text[place...].starts(with: bytes) else { return false }
    place += bytes.count
    return true
  }

  private mutating func value() throws(JSONValue.Malformed) -> JSONValue {
    depth += 1
    defer { depth -= 1 }
    guard depth <= Self.deepest else { throw malformed }
    skipBlanks()
    switch next {
    case UInt8(ascii: "{"): return .object(try members())
    case UInt8(ascii: "["): return .array(try values())
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t") where take(word: "true"): return .bool(true)
    case UInt8(ascii: "f") where take(word: "false"): return .bool(false)
    case UInt8(ascii: "n") where take(word: "null"): return .null
    default: return .integer(try integer())  // not ours: bytes
    }
  }

  private mutating func values() throws(JSONValue.Malformed) -> [JSONValue] {
    place += 1
    var found: [JSONValue] = []
    if take(UInt8(ascii: "]")) { return found }
    repeat { found.append(try value()) } while take(UInt8(ascii: ","))
    guard take(UInt8(ascii: "]")) else { throw malformed }
    return found
  }

  private mutating func members() throws(JSONValue.Malformed) -> [JSONValue.Member] {
    place += 1
    var found: [JSONValue.Member] = []
    if take(UInt8(ascii: "}")) { return found }
    repeat {
      skipBlanks()
      guard next == UInt8(ascii: "\"") else { throw malformed }
      let name = try string()
      guard take(UInt8(ascii: ":")) else { throw malformed }
      found.append(JSONValue.Member(name, try value()))
    } while take(UInt8(ascii: ","))
    guard take(UInt8(ascii: "}")) else { throw malformed }
    return found
  }

  private mutating func integer() throws(JSONValue.Malformed) -> Int64 {
    let start = place
    while let byte = next, byte == UInt8(ascii: "-") || (0x30...0x39).contains(byte) { place += 1 }
    let digits = String(decoding: text[start..<place], as: UTF8.self)
    let bare = digits.drop { $0 == "-" }
    guard let value = Int64(digits), bare == "0" || !bare.hasPrefix("0") else { throw malformed }
    // A fraction or an exponent would follow here.
    if let byte = next, [0x2E, 0x45, 0x65].contains(byte) { throw malformed }
    return value
  }

  private mutating func string() throws(JSONValue.Malformed) -> String {
    place += 1
    var bytes: [UInt8] = []
    while let byte = next {
      place += 1
      switch byte {
      case UInt8(ascii: "\""):
        guard let text = String(validating: bytes, as: UTF8.self) else { throw malformed }
        return text
      case UInt8(ascii: "\\"): bytes += Array(String(try escape()).utf8)
      case 0..<0x20: throw malformed
      default: bytes.append(byte)  // not ours: bytes
      }
    }
    throw malformed
  }

  private mutating func escape() throws(JSONValue.Malformed) -> Unicode.Scalar {
    guard let byte = next else { throw malformed }
    place += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{C}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"): return try escapedScalar()
    default: throw malformed  // not ours: bytes
    }
  }

  private mutating func escapedScalar() throws(JSONValue.Malformed) -> Unicode.Scalar {
    let unit = try hexadecimal()
    if let scalar = Unicode.Scalar(unit) { return scalar }
    // The first half of a pair; its second half must follow.
    guard (0xD800...0xDBFF).contains(unit), take(word: "\\u") else { throw malformed }
    let second = try hexadecimal()
    guard (0xDC00...0xDFFF).contains(second),
      let scalar = Unicode.Scalar(0x1_0000 + (unit & 0x3FF) << 10 + second & 0x3FF)
    else { throw malformed }
    return scalar
  }

  private mutating func hexadecimal() throws(JSONValue.Malformed) -> UInt32 {
    guard place + 4 <= text.count,
      let value = UInt32(String(decoding: text[place..<place + 4], as: UTF8.self), radix: 16),
      text[place] != UInt8(ascii: "+")
    else { throw malformed }
    place += 4
    return value
  }
}
