// SPDX-License-Identifier: Apache-2.0

import Foundation

/// One file of the source tree.
struct SourceFile: Sendable, CustomStringConvertible {
  /// From the top of the tree on.
  let path: String
  let text: String
  let lines: [String]
  /// The text without comments and literals, if it is Swift.
  let code: String

  init(path: String, text: String) {
    (self.path, self.text) = (path, text)
    lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    code = path.hasSuffix(".swift") ? masked(text) : ""
  }

  var description: String { path }

  /// The folder below `Sources` that stands for the layer; `nil` for files elsewhere.
  var layer: String? {
    let parts = path.split(separator: "/")
    return parts.count > 2 && parts[0] == "Sources" ? String(parts[1]) : nil
  }

  /// The folder of the target that the file belongs to.
  var module: String { path.split(separator: "/").dropLast().joined(separator: "/") }
}

/// The source tree that these tests were built from.
enum Tree {
  static let root = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  /// The folders that hold what the project consists of; others are products of building.
  private static let folders = [
    "CShims", "Sources", "Tests", "docs", "examples", "man", "scripts", "systemd", ".ci",
  ]

  /// Every text file of the project, in the order of the paths.
  static let files: [SourceFile] = {
    let manager = FileManager.default
    let top = (try? manager.contentsOfDirectory(atPath: root.path())) ?? []
    var paths = top.filter { $0 != "Package.resolved" && $0 != ".git" }
    for folder in folders {
      let below = manager.enumerator(atPath: root.appending(path: folder).path())
      while let path = below?.nextObject() as? String { paths.append("\(folder)/\(path)") }
    }
    return paths.sorted().compactMap { path in
      guard !path.contains("__pycache__"), !path.contains("/.build"),
        let data = manager.contents(atPath: root.appending(path: path).path()),
        let text = String(data: data, encoding: .utf8)
      else { return nil }
      return SourceFile(path: path, text: text)
    }
  }()

  static let swift = files.filter { $0.path.hasSuffix(".swift") }

  /// The files whose code must be deterministic and free of the outside world.
  static let pure = swift.filter { file in
    ["Values", "Wire", "Engines", "Nodes"].contains(file.layer)
  }
}
