// SPDX-License-Identifier: Apache-2.0

/// Swift text in which the characters of comments and string literals are blanks.
///
/// Line ends stay, so that places in the mask are places in the text. Code within an
/// interpolation counts as part of its literal.
func masked(_ text: String) -> String {
  var masker = Masker(Array(text.unicodeScalars))
  return masker.run()
}

private struct Masker {
  private let input: [Unicode.Scalar]
  private var output: [Unicode.Scalar]
  private var position = 0

  init(_ input: [Unicode.Scalar]) { (self.input, output) = (input, input) }

  mutating func run() -> String {
    while position < input.count {
      if starts("//") {
        while position < input.count, input[position] != "\n" { blank() }
      } else if starts("/*") {
        blockComment()
      } else if let hashes = literalOpening() {
        literal(hashes: hashes)
      } else {
        position += 1
      }
    }
    var result = String.UnicodeScalarView()
    result.append(contentsOf: output)
    return String(result)
  }

  private func starts(_ text: String, at offset: Int = 0) -> Bool {
    input[min(position + offset, input.count)...].starts(with: text.unicodeScalars)
  }

  private mutating func blank(_ count: Int = 1) {
    for _ in 0..<count where position < input.count {
      if input[position] != "\n" { output[position] = " " }
      position += 1
    }
  }

  private mutating func blockComment() {
    var depth = 0
    repeat {
      if starts("/*") {
        depth += 1
        blank(2)
      } else if starts("*/") {
        depth -= 1
        blank(2)
      } else {
        blank()
      }
    } while depth > 0 && position < input.count
  }

  /// How many `#` precede the quote of a literal that begins here; `nil` if none begins.
  private func literalOpening() -> Int? {
    var hashes = 0
    while starts("#", at: hashes) { hashes += 1 }
    return starts("\"", at: hashes) ? hashes : nil
  }

  /// Blanks a literal with everything in it; both quotes stay, as `"`.
  private mutating func literal(hashes: Int) {
    let quote = starts("\"\"\"", at: hashes) ? "\"\"\"" : "\""
    let marks = String(repeating: "#", count: hashes)
    blank(hashes + quote.unicodeScalars.count)
    while position < input.count, !starts(quote + marks) {
      if quote == "\"", input[position] == "\n" { return }
      guard starts("\\" + marks) else {
        blank()
        continue
      }
      blank(1 + hashes)
      if starts("(") { interpolation() } else { blank() }
    }
    blank(quote.unicodeScalars.count + hashes)
  }

  private mutating func interpolation() {
    var depth = 0
    repeat {
      if let hashes = literalOpening() {
        literal(hashes: hashes)
        continue
      }
      if starts("(") { depth += 1 }
      if starts(")") { depth -= 1 }
      blank()
    } while depth > 0 && position < input.count
  }
}
