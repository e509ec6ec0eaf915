// SPDX-License-Identifier: Apache-2.0

import Addresses
import Configuration
import ConfigurationText
import GroupModel
import Testing

@Suite("Included files")
struct IncludeTests {
  /// Parses the file `main` of a few files; a pattern `x*` names all that begin with x.
  private func parse(_ files: [String: String]) throws(Diagnostics) -> WackamoleConfiguration {
    try WackamoleConfiguration.parse(
      text: Array((files["main"] ?? "").utf8),
      file: "main",
      include: { name, _ throws(WackamoleConfiguration.IncludeFailure) in
        let start = name.prefix { $0 != "*" }
        let found = files.keys.filter { name.hasSuffix("*") ? $0.hasPrefix(start) : $0 == name }
        guard !found.isEmpty || name.hasSuffix("*") else {
          throw .init("No such file or directory")
        }
        return found.sorted().map { .init(path: $0, text: Array((files[$0] ?? "").utf8)) }
      }
    )
  }

  private func problems(_ files: [String: String]) -> [String] {
    do throws(Diagnostics) {
      _ = try parse(files)
      return []
    } catch {
      return error.list.map(\.description)
    }
  }

  private let engine = "Engine { Node = a Key = none Peers { a:10.0.0.1 } }\n"

  @Test("Statements of other files stand where they are included")
  func inclusion() throws {
    let configuration = try parse([
      "main": engine + "Include d/* Group = g Include 'none*'",
      "d/1": "VIFs { eth0:10.0.0.101/32 }",
      "d/2": "Include e\nVIFs { eth0:10.0.0.102/32 }",
      "e": "Mature = 2s VIFs { eth0:10.0.0.103/32 }",
    ])
    #expect(
      configuration.virtualInterfaces.map(\.id.description)
        == ["10.0.0.101", "10.0.0.103", "10.0.0.102"]
    )
    #expect(configuration.group == "g" && configuration.mature == .seconds(2))
  }

  @Test("A fault is told with the file it is in, and so is the place it contradicts")
  func places() {
    let found = problems([
      "main": engine + "Group = g\nInclude x",
      "x": "\n  Group = h\nVIFs { eth0:10.0.0.101/33 }",
    ])
    #expect(found.count == 2, "\(found)")
    #expect(found[0].hasPrefix("x:2:3: Group is given twice: first in line 2 of main;"))
    #expect(found[1].hasPrefix("x:3:23: "))
  }

  @Test("Braces do not reach beyond their file")
  func braces() {
    let found = problems([
      "main": engine + "Include x\neth0:10.0.0.102/32 }", "x": "VIFs { eth0:10.0.0.101/32",
    ])
    #expect(found.contains { $0.hasPrefix("x:1:6: the { of VIFs is not closed") }, "\(found)")
    #expect(found.contains { $0.hasPrefix("main:3:") }, "\(found)")
  }

  @Test("Files that are missing, include themselves, or are too many, are refused")
  func refusals() {
    let vifs = "VIFs { eth0:10.0.0.101/32 }\n"
    let missing = problems(["main": engine + vifs + "Include x"])
    #expect(
      missing == [
        "main:3:9: cannot include 'x': No such file or directory; "
          + "correct the path, or remove the statement"
      ]
    )
    let circle = problems(["main": engine + vifs + "Include x", "x": "Include y", "y": "Include x"])
    #expect(circle.count == 1 && circle[0].hasPrefix("y:1:9: x includes itself"), "\(circle)")
    var deep = ["main": engine + vifs + "Include f0"]
    for level in 0..<20 { deep["f\(level)"] = "Include f\(level + 1)" }
    #expect(problems(deep).map { $0.contains("more than 8 deep") } == [true])
    var many = ["main": engine + vifs + "Include f*"]
    for number in 0..<257 { many["f\(number)"] = "" }
    #expect(problems(many).map { $0.contains("names 257 files, and 256") } == [true])
    let half = String(repeating: " ", count: WackamoleConfiguration.longestText / 2)
    let large = problems(["main": engine + vifs + "Include f*", "f1": half, "f2": half])
    #expect(large.map { $0.contains("more than 1048576 bytes") } == [true])
  }
}
