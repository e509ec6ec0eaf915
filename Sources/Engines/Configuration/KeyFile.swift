// SPDX-License-Identifier: Apache-2.0

package import ConfigurationText
package import GroupModel

/// The file that holds the cluster key: what `Key = PATH` names and the key tool writes.
///
///     # comment
///     key ID CIPHER SECRET       ID 1 to 65535, SECRET 64 hexadecimal digits
///
/// The first key seals; a second one is accepted too, so that keys are exchanged without a gap: add
/// the new key as second everywhere, then put it first everywhere, then take the old one out.
package struct KeyFile: Sendable, Equatable {
  /// The most bytes a key file may have.
  package static let longestText = 4_096

  /// One or two; the first one seals.
  package let keys: [ClusterKey]

  /// Parses the text of a key file; secrets are never repeated in a diagnostic.
  ///
  /// - Throws: everything that is wrong, each with its place.
  package static func parse(text: [UInt8], file: String) throws(Diagnostics) -> Self {
    var collector = DiagnosticCollector()
    var keys: [ClusterKey] = []
    let lines = text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    for (index, line) in lines.enumerated() {
      let place = SourceLocation(file: file, line: index + 1, column: 1)
      let words = String(decoding: line, as: UTF8.self).split {
        $0 == " " || $0 == "\t" || $0 == "\r"
      }
      guard let first = words.first, !first.hasPrefix("#") else { continue }
      switch key(from: words) {
      case .success(let key):
        if keys.contains(where: { $0.id == key.id }) {
          let advice = "give each key an id of its own"
          collector.report(Diagnostic("key \(key.id) stands twice", at: place, advice: advice))
        }
        keys.append(key)
      case .failure(let fault):
        collector.report(Diagnostic(fault.problem, at: place, advice: fault.advice))
      }
    }
    let end = SourceLocation(file: file, line: lines.count, column: 1)
    if keys.isEmpty, !collector.foundAny {
      collector.report(
        Diagnostic("the file holds no key", at: end, advice: "write one with the key tool")
      )
    }
    if keys.count > 2 {
      let advice = "keep the one that seals and the one it replaces or is replaced by"
      collector.report(Diagnostic("more than two keys", at: end, advice: advice))
    }
    guard !collector.foundAny else { throw collector.diagnostics }
    return Self(keys: keys)
  }

  /// The text of a file with these keys.
  package static func text(of keys: [ClusterKey]) -> String {
    let lines = keys.map { key in
      let digits = key.secret.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
      return "key \(key.id) \(key.cipher.name) \(digits)\n"
    }
    return
      "# Ring keys: the first seals, a second is accepted. Keep this file secret (mode 0600).\n"
      + lines.joined()
  }

  private struct Fault: Error {
    let problem: String
    let advice: String
  }

  private static func key(from words: [Substring]) -> Result<ClusterKey, Fault> {
    let form = "write: key ID CIPHER SECRET, as the key tool does"
    guard words[0] == "key" else {
      return .failure(Fault(problem: "a line must begin with the word key", advice: form))
    }
    guard words.count == 4 else {
      return .failure(Fault(problem: "a key has an id, a cipher and a secret", advice: form))
    }
    guard let id = UInt16(words[1]), id != 0 else {
      return .failure(Fault(problem: "the id is not a number from 1 to 65535", advice: form))
    }
    guard let cipher = Cipher(name: String(words[2])) else {
      let known = Cipher.allCases.map(\.name).joined(separator: " or ")
      return .failure(Fault(problem: "'\(words[2])' is not a cipher", advice: "use \(known)"))
    }
    guard let secret = bytes(hexadecimal: words[3]),
      let key = ClusterKey(id: id, cipher: cipher, secret: secret)
    else {
      let problem = "the secret is not 64 hexadecimal digits"
      return .failure(Fault(problem: problem, advice: "write a new key with the key tool"))
    }
    return .success(key)
  }

  private static func bytes(hexadecimal text: Substring) -> [UInt8]? {
    let digits = Array(text.utf8)
    guard digits.count == 2 * Cipher.keyLength else { return nil }
    var bytes: [UInt8] = []
    for index in stride(from: 0, to: digits.count, by: 2) {
      guard let high = value(of: digits[index]), let low = value(of: digits[index + 1])
      else { return nil }
      bytes.append(high << 4 | low)
    }
    return bytes
  }

  private static func value(of digit: UInt8) -> UInt8? {
    switch digit {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
    default: nil  // not ours: bytes, not an enumeration of this package
    }
  }
}
