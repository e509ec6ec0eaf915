// SPDX-License-Identifier: Apache-2.0

/// One place where a rule is broken.
struct Finding: Sendable, Equatable, CustomStringConvertible {
  let path: String
  /// Counted from 1.
  let line: Int
  let text: String

  var description: String { "\(path):\(line): \(text)" }
}

/// What the formatter cannot check.
enum Rules {
  /// Functions, initialisers and the like with more lines than `limit`.
  static func longFunctions(in file: SourceFile, limit: Int) -> [Finding] {
    let lines = file.code.split(separator: "\n", omittingEmptySubsequences: false)
    let opening = #/^\s*(?:[\w@()]+\s+)*(?:func\b|init[?(<]|deinit\b|subscript\b)/#
    var findings: [Finding] = []
    for (index, line) in lines.enumerated() where line.contains(opening.plain) {
      guard let end = endOfBody(from: index, in: lines), end - index + 1 > limit else { continue }
      findings.append(
        Finding(
          path: file.path,
          line: index + 1,
          text: "a function of \(end - index + 1) lines; \(limit) are the most"
        )
      )
    }
    return findings
  }

  /// The line of the brace that closes the body of the declaration in line `start`; `nil` if the
  /// declaration has no body.
  private static func endOfBody(from start: Int, in lines: [Substring]) -> Int? {
    var (depth, parentheses, opened) = (0, 0, false)
    for index in start..<lines.count {
      // A requirement of a protocol has no body: the next declaration or brace ends it.
      if !opened, parentheses == 0, index > start,
        lines[index].contains(#/^\s*(?:\}|func\b|var\b|$)/#)
      {
        return nil
      }
      for character in lines[index] {
        switch character {
        case "(": parentheses += 1
        case ")": parentheses -= 1
        case "{" where parentheses == 0 || opened:
          (depth, opened) = (depth + 1, true)
        case "}" where opened: depth -= 1
        default: break
        }
        if opened, depth == 0 { return index }
      }
    }
    return nil
  }

  /// Words that code which must be deterministic and pure cannot contain.
  static func bannedWords(in file: SourceFile) -> [Finding] {
    banned.flatMap { pattern, what in
      file.code.matches(of: pattern.plain).map { match in
        finding("'\(match.output)' is \(what)", at: match.range.lowerBound, in: file)
      }
    }
  }

  private static var banned: [(Regex<Substring>, String)] {
    [
      (
        #/\bimport\s+(?:Foundation|FoundationEssentials|Glibc|Dispatch|Synchronization)\b/#,
        "an import of the outside world"
      ),
      (
        #/\b(?:ContinuousClock|SuspendingClock|SystemRandomNumberGenerator)\b/#,
        "ambient time or randomness"
      ),
      (#/\bTask\s*(?:\{|\.|<)/#, "a task"),
      (#/\.(?:shuffled|shuffle|randomElement)\(\s*\)/#, "ambient randomness"),
      (#/\.random\(\s*in:(?:(?!\busing:)[^()]|\([^()]*\))*\)/#, "ambient randomness"),
      (#/\b(?:Bool|Int|UInt\d*)\.random\(\s*\)/#, "ambient randomness"),
      (#/\b(?:debugPrint|print|dump)\(/#, "output"),
      (#/\btry!/#, "a trap on an error"),
      (#/\bas!/#, "a trap on a type"),
      (#/\bfatalError\b/#, "a trap"),
      (#/\b(?:Date|UUID)\(\s*\)/#, "ambient time or randomness"),
    ]
  }

  /// `default:` without the remark that the enum is not ours.
  static func defaults(in file: SourceFile) -> [Finding] {
    let code = file.code.split(separator: "\n", omittingEmptySubsequences: false)
    return zip(code, file.lines).enumerated().compactMap { index, pair in
      guard pair.0.contains(#/\bdefault\s*:/#.plain), !pair.1.contains("// not ours:") else {
        return nil
      }
      return Finding(
        path: file.path,
        line: index + 1,
        text: "'default:' hides cases to come; name them, or add '// not ours: WHAT'"
      )
    }
  }

  /// Iteration over a set or dictionary that the same file declares, as far as text shows it.
  static func hashOrder(in file: SourceFile) -> [Finding] {
    let declaration =
      #/\b(?:let|var)\s+(\w+)\s*(?::\s*(?:inout\s+)?(?:Set<|Dictionary<|\[\s*[\w.<>, ]+\s*:)|=\s*(?:Set[<(]|Dictionary[<(]|\[\s*:\s*\]|\[[\w.]+\s*:\s*\[?[\w.]+\]?\]\(\)))/#
    var findings: [Finding] = []
    var names: [String] = []
    for match in file.code.matches(of: declaration.plain) where !names.contains(String(match.1)) {
      names.append(String(match.1))
    }
    let order = "map|compactMap|flatMap|reduce|forEach|first|keys|values|popFirst|enumerated|prefix"
    for name in names {
      let patterns = [
        #"\bin\s+(?:self\.)?\#(name)\b(?!\s*[.(\[?!])"#,
        #"\b\#(name)\.(?:\#(order))\b(?!\s*\.\s*(?:sorted|contains|count|isEmpty|min|max|allSatisfy))"#,
      ]
      for pattern in patterns {
        guard let pattern = try? Regex(pattern) else { continue }
        for match in file.code.matches(of: pattern.plain) {
          findings.append(
            finding(
              "the order of '\(name)' is random",
              at: match.range.lowerBound,
              in: file
            )
          )
        }
      }
    }
    return findings.filter { !file.lines[$0.line - 1].contains("// any order:") }
  }

  static func finding(
    _ text: String,
    at index: String.Index,
    in file: SourceFile
  ) -> Finding {
    let line = 1 + file.code[..<index].count { $0 == "\n" }
    return Finding(path: file.path, line: line, text: text)
  }
}

extension Regex {
  /// The pattern with words as a programmer sees them: a point or a sign ends one.
  var plain: Regex<Output> { wordBoundaryKind(.simple).matchingSemantics(.unicodeScalar) }
}
