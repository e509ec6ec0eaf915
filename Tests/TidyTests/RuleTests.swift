// SPDX-License-Identifier: Apache-2.0

import Testing

/// The rules themselves, on text with planted faults.
@Suite("Rules of the source tree")
struct RuleTests {
  private func file(_ text: String) -> SourceFile {
    SourceFile(path: "Sources/Engines/X/X.swift", text: text)
  }

  @Test(
    "Comments and literals are blanked, and nothing else",
    arguments: [
      "a ‹// b›\nc ‹/* d /* e */ f */› g", #"x = ‹"a { \" // b"› + y"#,
      ##"x = ‹#"a " \ b"#› + y"##, #"x = ‹"a\(f("}") + g(1))b"› { }"#,
      "x = ‹\"\"\"\n  a \" {\n  \"\"\"› + y", "‹\"open›\n{ }", #"‹"\\"› + x"#, "a / b * c",
      ##"‹#"\#(f("}"))"#› + #selector"##,
    ]
  )
  func masking(_ template: String) {
    // What stands between the marks is blanked.
    var (text, expected, isBlanked) = ("", "", false)
    for character in template {
      switch character {
      case "‹": isBlanked = true
      case "›": isBlanked = false
      default:
        text.append(character)
        expected.append(isBlanked && character != "\n" ? " " : character)
      }
    }
    #expect(masked(text) == expected)
  }

  @Test("A function's lines are counted from its first to its last")
  func functions() {
    let body = Array(repeating: "    work(\"}\")  // }", count: 5).joined(separator: "\n")
    let text = """
      protocol P {
        func requirement() -> Int
        init(x: Int)
      }
      struct S {
        package static func long(
          _ body: () -> Void = {}
        ) {
      \(body)
        }
        init?(x: Int) {
      \(body)
        }
        func short() { work { } }
      }
      """
    let lines = Rules.longFunctions(in: file(text), limit: 6)
    #expect(lines.map(\.line) == [6, 15])
    #expect(lines.first?.text.hasPrefix("a function of 9 lines") == true)
    #expect(Rules.longFunctions(in: file(text), limit: 9).isEmpty)
  }

  @Test(
    "Each banned word is found",
    arguments: [
      "import Foundation", "internal import Glibc", "let c = ContinuousClock()", "Task { }",
      "Task.detached { }", "x.shuffled()", "x.randomElement()", "Int.random(in: 0..<3)",
      "Double.random(in: f(1)...g(2))", "Bool.random()", "print(x)", "try! f()", "x as! Y",
      "fatalError(\"x\")", "Date()",
    ]
  )
  func banned(_ text: String) {
    #expect(Rules.bannedWords(in: file("let a = 1\n\(text)\n")).map(\.line) == [2])
  }

  @Test(
    "What is no banned word is left alone",
    arguments: [
      "Int.random(in: 0..<3, using: &random)", "x.randomElement(using: &random)",
      "Int.random(\n  in: f(0)..<3,\n  using: &random\n)", "x.shuffled(using: &g)", "// print(x)",
      "let text = \"print(x) try! f()\"", "footprint(x)", "TaskList { }", "try f()", "x as? Y",
    ]
  )
  func allowed(_ text: String) {
    #expect(Rules.bannedWords(in: file(text)).isEmpty)
  }

  @Test("A default without a remark is found")
  func defaults() {
    let text = """
      switch x {
      case .a: 1
      default: 2
      }
      switch y {
      default: 3  // not ours: text
      }
      f(default: 4) // default:
      """
    #expect(Rules.defaults(in: file(text)).map(\.line) == [3, 8])
  }

  @Test(
    "Iteration over a hash table is found",
    arguments: [
      "var t: Set<Int> = []\nfor x in t { }", "let t = Set(y)\nfor x in t where x > 1 { }",
      "var t: [Int: Int] = [:]\nfor (k, v) in t { }", "var t = [Int: Int]()\n_ = t.map { $0 }",
      "var t: [Int: [Int]]\nfor v in t.values { }", "var t: [A: B] { get }\n_ = t.keys.map { $0 }",
      "let t: Dictionary<Int, Int>\nfor x in self.t { }", "var t: Set<Int>\n_ = t.first",
    ]
  )
  func hashOrder(_ text: String) {
    #expect(Rules.hashOrder(in: file(text)).map(\.line) == [2])
  }

  @Test(
    "Uses without order are left alone",
    arguments: [
      "var t: Set<Int>\nif t.contains(1) { t.insert(2) }", "var t: [Int: Int]\nt[1] = t[2]",
      "var t: [Int: Int]\nfor k in t.keys.sorted() { }", "var t: [Int]\nfor x in t { }",
      "var t: Set<Int>\nfor x in t.sorted() { }",
      "var t: Set<Int>\nfor x in t { }  // any order: sum",
      "var t: Set<Int>\nfor x in trees { }", "var t: [[Int]]\nfor x in t { }",
    ]
  )
  func noOrder(_ text: String) {
    #expect(Rules.hashOrder(in: file(text)).isEmpty)
  }
}
