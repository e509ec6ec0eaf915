// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Configuration
import DaemonKit
import Glibc
import GroupModel
import Reactor
import Seal

/// Makes the file with the cluster key, and exchanges the key in it step by step.
struct Keygen: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make a key file, or exchange the key in one.",
    discussion: """
      Without an option FILE must not be there yet. To exchange a key without a gap: --add, copy \
      the file to all machines and send the daemons SIGHUP; --swap, the same; --drop, the same.
      """
  )

  @Option(help: "The cipher of a new key: chacha20-poly1305 or aes-256-gcm.")
  var cipher = Cipher.chaCha20Poly1305.name

  @Flag(help: "Add a second key, which is accepted but does not seal yet.")
  var add = false

  @Flag(help: "Put the second key first: it seals from here on.")
  var swap = false

  @Flag(help: "Take the second key out.")
  var drop = false

  @Argument(help: "The key file.")
  var file: String

  func validate() throws {
    guard Cipher(name: cipher) != nil else {
      let known = Cipher.allCases.map(\.name).joined(separator: " or ")
      throw ValidationError("'\(cipher)' is not a cipher; use \(known)")
    }
    if [add, swap, drop].filter({ $0 }).count > 1 {
      throw ValidationError("--add, --swap and --drop exclude each other")
    }
  }

  func run() throws {
    if add {
      let keys = try existing()
      guard keys.count == 1 else { throw CommandFailure(text: "\(file) holds two keys already") }
      try write(keys + [try newKey(besides: keys)])
    } else if swap {
      let keys = try existing()
      guard keys.count == 2 else { throw CommandFailure(text: "\(file) holds no second key") }
      try write([keys[1], keys[0]])
    } else if drop {
      let keys = try existing()
      guard keys.count == 2 else { throw CommandFailure(text: "\(file) holds no second key") }
      try write([keys[0]])
    } else {
      // A key that is in use must not be lost by mistyping.
      guard access(file, F_OK) != 0 else {
        throw CommandFailure(text: "\(file) is there already; add a second key with --add")
      }
      try write([try newKey(besides: [])])
    }
  }

  private func existing() throws -> [ClusterKey] {
    do {
      // Root may exchange the key of a daemon that runs as another user.
      let owner = geteuid() == 0 ? SmallFile.owner(of: file)?.user : nil
      let text = try SmallFile.readSecret(file, limit: KeyFile.longestText, owner: owner)
      return try KeyFile.parse(text: text, file: file).keys
    } catch {
      throw CommandFailure(text: "\(error)")
    }
  }

  private func newKey(besides keys: [ClusterKey]) throws -> ClusterKey {
    guard let cipher = Cipher(name: cipher), cipher.isAvailable else {
      throw CommandFailure(text: "this machine cannot do \(cipher)")
    }
    let id = (1...UInt16.max).shuffled().first { id in !keys.contains { $0.id == id } }
    let secret = KeyMaterial.random(count: Cipher.keyLength)
    guard let id, let key = ClusterKey(id: id, cipher: cipher, secret: secret) else {
      throw CommandFailure(text: "the system gave no random numbers")
    }
    return key
  }

  private func write(_ keys: [ClusterKey]) throws {
    do {
      // Whose it was, it stays: the daemon reads it again.
      let owner = SmallFile.owner(of: file)
      try SmallFile.write(Array(KeyFile.text(of: keys).utf8), to: file, owner: owner)
    } catch {
      throw CommandFailure(text: "\(error)")
    }
    let shown = keys.enumerated().map { index, key in
      "key \(key.id) (\(key.cipher.name)) \(index == 0 ? "seals" : "is accepted")"
    }
    Terminal.output("\(file): " + shown.joined(separator: ", "))
  }
}
