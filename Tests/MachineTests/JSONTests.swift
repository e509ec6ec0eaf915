// SPDX-License-Identifier: Apache-2.0

import Bytes
import Machine
import Testing

@Suite("JSON")
struct JSONTests {
  private static let sample = JSONValue.object([
    .init("a", .array([.null, .bool(true), .bool(false), .integer(-12), .integer(.max)])),
    .init("quoted \" \\ \u{1F600} \n\u{1}", .string("é")), .init("none", .object([])),
    .init("empty", .array([])),
  ])

  @Test("What is written is read again, in both forms")
  func roundTrip() throws {
    for text in [Self.sample.compact, Self.sample.indented] {
      #expect(try JSONValue(parsing: Array(text.utf8)) == Self.sample)
    }
    let escaped = #" { "x" : [ "\u00e9\ud83d\ude00\/\b" , 0 ] } "#
    let value = try JSONValue(parsing: Array(escaped.utf8))
    #expect(value["x"]?.elements == [.string("é\u{1F600}/\u{8}"), .integer(0)])
    #expect(value["y"] == nil && value.integer == nil && value["x"]?.elements[1].integer == 0)
  }

  @Test(
    "What is no JSON of whole numbers is refused",
    arguments: [
      "", "{", "[1,]", "[1 2]", "{\"a\"}", "{\"a\":}", "{a:1}", "01", "1.5", "1e3", "-", "+1",
      "nul",
      "\"", "\"\\x\"", "\"\\ud800\"", "\"\\ud800\\u0041\"", "\"\\u+123\"", "\"\u{1}\"", "1 2",
      "99999999999999999999", String(repeating: "[", count: 100),
    ]
  )
  func malformed(_ text: String) {
    #expect(throws: JSONValue.Malformed.self) { try JSONValue(parsing: Array(text.utf8)) }
  }

  @Test("No damage makes the parser trap", arguments: 0..<4)
  func damage(seed: UInt64) {
    var random = SplitMix64(seed: seed)
    let text = Array(Self.sample.indented.utf8)
    for _ in 0..<2_000 {
      var damaged = text
      for _ in 0..<3 {
        damaged[Int.random(in: 0..<damaged.count, using: &random)] = .random(
          in: 0...255,
          using: &random
        )
      }
      guard let value = try? JSONValue(parsing: damaged) else { continue }
      #expect((try? JSONValue(parsing: Array(value.compact.utf8))) == value)
    }
  }
}
