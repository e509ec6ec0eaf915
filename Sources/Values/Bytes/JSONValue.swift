// SPDX-License-Identifier: Apache-2.0

/// A JSON text to be (RFC 8259); members of an object keep their order.
package indirect enum JSONValue: Sendable, Equatable {
  case null
  case bool(Bool)
  case integer(Int64)
  case string(String)
  case array([JSONValue])
  case object([Member])

  package struct Member: Sendable, Equatable {
    package let name: String
    package let value: JSONValue

    package init(_ name: String, _ value: JSONValue) { (self.name, self.value) = (name, value) }
  }

  /// A string, or null for `nil`.
  package static func text(_ text: String?) -> Self { text.map { .string($0) } ?? .null }

  /// The text with line breaks and two blanks of indentation a level.
  package var indented: String {
    var output = ""
    write(into: &output, depth: 0, indented: true)
    return output
  }

  /// The text on one line.
  package var compact: String {
    var output = ""
    write(into: &output, depth: 0, indented: false)
    return output
  }

  private func write(into output: inout String, depth: Int, indented: Bool) {
    switch self {
    case .null: output += "null"
    case .bool(let value): output += value ? "true" : "false"
    case .integer(let value): output += String(value)
    case .string(let text): Self.quote(text, into: &output)
    case .array(let values):
      Self.list(values, in: ("[", "]"), into: &output, depth, indented) { value, output in
        value.write(into: &output, depth: depth + 1, indented: indented)
      }
    case .object(let members):
      Self.list(members, in: ("{", "}"), into: &output, depth, indented) { member, output in
        Self.quote(member.name, into: &output)
        output += indented ? ": " : ":"
        member.value.write(into: &output, depth: depth + 1, indented: indented)
      }
    }
  }

  private static func list<Item>(
    _ items: [Item],
    in brackets: (String, String),
    into output: inout String,
    _ depth: Int,
    _ indented: Bool,
    write: (Item, inout String) -> Void
  ) {
    output += brackets.0
    for (index, item) in items.enumerated() {
      if index > 0 { output += "," }
      if indented { output += "\n" + String(repeating: "  ", count: depth + 1) }
      write(item, &output)
    }
    if indented, !items.isEmpty { output += "\n" + String(repeating: "  ", count: depth) }
    output += brackets.1
  }

  private static func quote(_ text: String, into output: inout String) {
    output += "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": output += "\\\""
      case "\\": output += "\\\\"
      case "\n": output += "\\n"
      case "\t": output += "\\t"
      case "\r": output += "\\r"
      case "\0"..<" ", "\u{7F}":
        let code = String(scalar.value, radix: 16)
        output += "\\u" + String(repeating: "0", count: 4 - code.count) + code
      default: output.unicodeScalars.append(scalar)
      }
    }
    output += "\""
  }
}
