// SPDX-License-Identifier: Apache-2.0

import ConfigurationText
import GroupModel
import Testing

@testable import Configuration

@Suite("Key files")
struct KeyFileTests {
  private let secret = String(repeating: "0f", count: 32)

  private func problems(_ text: String) -> String {
    do {
      _ = try KeyFile.parse(text: Array(text.utf8), file: "k")
      return ""
    } catch {
      return error.description
    }
  }

  @Test("What is written is read")
  func roundTrip() throws {
    let keys = try [(1, Cipher.chaCha20Poly1305), (65_535, .aes256GCM)].map { id, cipher in
      let secret = (0..<32).map { UInt8(truncatingIfNeeded: $0 * 9 + id) }
      return try #require(ClusterKey(id: UInt16(id), cipher: cipher, secret: secret))
    }
    let text = KeyFile.text(of: keys)
    #expect(try KeyFile.parse(text: Array(text.utf8), file: "k").keys == keys)
  }

  @Test("Every fault is told with its place, and no secret is repeated")
  func faults() {
    #expect(problems("").contains("k:1:1: the file holds no key"))
    #expect(problems("kye 1 x y").contains("k:1:1: a line must begin"))
    #expect(problems("\nkey 0 aes-256-gcm \(secret)").contains("k:2:1: the id is not a number"))
    #expect(problems("key 1 rot13 \(secret)").contains("'rot13' is not a cipher"))
    #expect(problems("key 1 aes-256-gcm \(secret) more").contains("an id, a cipher and a secret"))
    let short = problems("key 1 aes-256-gcm \(secret.dropLast())")
    #expect(short.contains("64 hexadecimal digits"))
    #expect(!short.contains("0f0f"))
    let good = "key 1 aes-256-gcm \(secret)\n"
    #expect(problems(good + good).contains("key 1 stands twice"))
    let three = (1...3).map { "key \($0) aes-256-gcm \(secret)\n" }.joined()
    #expect(problems(three).contains("more than two keys"))
    #expect(problems("# note\n\n" + good) == "")
  }
}
