// SPDX-License-Identifier: Apache-2.0

import ConfigurationText

extension Parser {
  /// How deep files may include each other.
  private static let deepestInclusion = 8
  /// The most files one statement may name.
  private static let mostIncluded = 256

  /// Reads the statements of other files in the place of `Include`.
  mutating func parseInclude(at token: Token) throws(Diagnostic) {
    let path = try takeText("the path of a file, or a pattern such as conf.d/*.conf")
    guard files.count <= Self.deepestInclusion else {
      throw Diagnostic(
        "files include each other more than \(Self.deepestInclusion) deep",
        at: token.location,
        advice: "include this one further out"
      )
    }
    guard let include else {
      throw Diagnostic(
        "Include cannot be used here",
        at: token.location,
        advice: "write the statements themselves"
      )
    }
    let found: [WackamoleConfiguration.IncludedFile]
    do throws(WackamoleConfiguration.IncludeFailure) {
      found = try include(path.text, token.location.file)
    } catch {
      throw Diagnostic(
        "cannot include \(path.shown): \(error.text)",
        at: path.location,
        advice: "correct the path, or remove the statement"
      )
    }
    guard found.count <= Self.mostIncluded else {
      throw Diagnostic(
        "\(path.shown) names \(found.count) files, and \(Self.mostIncluded) are possible",
        at: path.location,
        advice: "write a narrower pattern"
      )
    }
    for file in found { try parse(file, includedAt: path) }
  }

  private mutating func parse(
    _ file: WackamoleConfiguration.IncludedFile,
    includedAt token: Token
  ) throws(Diagnostic) {
    guard !files.contains(file.path) else {
      throw Diagnostic(
        "\(visible(file.path)) includes itself",
        at: token.location,
        advice: "remove one of the Include statements"
      )
    }
    bytesRead += file.text.count
    guard bytesRead <= WackamoleConfiguration.longestText else {
      throw Diagnostic(
        "with \(visible(file.path)) the configuration has more than "
          + "\(WackamoleConfiguration.longestText) bytes",
        at: token.location,
        advice: "check that these are the right files"
      )
    }
    let outer = (tokens, position)
    tokens = Lexer.tokens(
      of: file.text,
      file: file.path,
      longest: WackamoleConfiguration.longestText,
      reportingTo: &collector
    )
    position = 0
    files.append(file.path)
    while next.kind != .end { parseStatement() }
    files.removeLast()
    (tokens, position) = outer
  }
}
