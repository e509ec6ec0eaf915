// SPDX-License-Identifier: Apache-2.0

import Testing

@Suite("The source tree")
struct TidyTests {
  @Test("The tree is read whole")
  func tree() {
    #expect(Tree.swift.count > 60 && Tree.pure.count > 30)
    #expect(Tree.files.contains { $0.path == "Package.swift" })
    #expect(Tree.files.contains { $0.path == "CShims/CLinux/shim.h" })
  }

  @Test("No file has more than 500 lines")
  func fileLength() {
    let found = Tree.swift.filter { $0.lines.count > 500 }.map { "\($0): \($0.lines.count) lines" }
    #expect(found.isEmpty, "\(found.joined(separator: "\n"))")
  }

  @Test("No function has more than 70 lines")
  func functionLength() {
    report(Tree.swift.flatMap { Rules.longFunctions(in: $0, limit: 70) })
  }

  @Test("Values, codecs, engines and nodes use no clock, randomness, output, task or trap")
  func bannedWords() {
    report(Tree.pure.flatMap(Rules.bannedWords))
  }

  @Test("No product imports Foundation")
  func foundation() {
    let found = Tree.swift.filter { file in
      file.layer != nil && file.code.contains(#/\bimport\s+Foundation/#)
    }
    #expect(found.isEmpty, "\(found)")
  }

  @Test("Engines and nodes name every case of their enums")
  func defaults() {
    let files = Tree.pure.filter { $0.layer == "Engines" || $0.layer == "Nodes" }
    report(files.flatMap(Rules.defaults))
  }

  @Test("Values, codecs, engines and nodes do not depend on the order of hash tables")
  func hashOrder() {
    report(Tree.pure.flatMap(Rules.hashOrder))
  }

  @Test("Each C shim is imported by one module")
  func shims() {
    let names = Tree.files.compactMap { file -> String? in
      let parts = file.path.split(separator: "/").map(String.init)
      return parts.first == "CShims" && parts.last == "module.modulemap" ? parts[1] : nil
    }
    #expect(names.count >= 3)
    for name in names {
      let importers = Set(
        Tree.swift.filter { file in
          guard file.layer != nil, let pattern = try? Regex(#"\bimport\s+\#(name)\b"#) else {
            return false
          }
          return file.code.contains(pattern)
        }
        .map(\.module)
      )
      #expect(importers.count <= 1, "\(name): \(importers.sorted())")
    }
  }

  @Test("Every source file states its licence in its first three lines")
  func licence() {
    let kinds = [".swift", ".py", ".h", ".conf", ".service", ".sh"]
    let found = Tree.files.filter { file in
      let isScript = file.text.hasPrefix("#!")
      let isManual = file.path.hasPrefix("man/")
      guard isScript || isManual || kinds.contains(where: file.path.hasSuffix) else { return false }
      return !file.lines.prefix(3).contains { $0.contains("SPDX-License-Identifier: Apache-2.0") }
    }
    #expect(found.isEmpty, "\(found)")
  }

  @Test("Nothing names the place it was written at")
  func places() {
    // Put together here, so that this file does not name them.
    let places = ["/wo" + "rk/", "/opt/" + "swift", ".lib" + "rary/"]
    let found = Tree.files.flatMap { file in
      places.filter(file.text.contains).map { "\(file): \($0)" }
    }
    #expect(found.isEmpty, "\(found.joined(separator: "\n"))")
  }

  private func report(
    _ findings: [Finding],
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let text = findings.map(\.description).joined(separator: "\n")
    #expect(findings.isEmpty, "\(text)", sourceLocation: sourceLocation)
  }
}
