// SPDX-License-Identifier: Apache-2.0

package import Bytes
package import GroupModel

/// Asks a boot to prove that it is live, or is the proof: the body of a `challenge` datagram.
///
/// A proof repeats the number of the question under the boot id in question, which nobody can do
/// who only recorded datagrams of that boot.
package struct Challenge: Sendable, Equatable {
  package enum Role: UInt8, Sendable, Equatable {
    case question = 0
    case answer = 1
  }

  package var sender: NodeID
  package var role: Role
  /// Drawn at random for each question.
  package var number: UInt128
  /// The boot that is asked, or that answers.
  package var boot: BootID

  package init(sender: NodeID, role: Role, number: UInt128, boot: BootID) {
    (self.sender, self.role, self.number, self.boot) = (sender, role, number, boot)
  }

  /// Decodes an opened body.
  package init(decoding body: ArraySlice<UInt8>) throws(WireError) {
    var reader = ByteReader(body)
    sender = try reader.readNode()
    let rawRole: UInt8 = try reader.read()
    guard let role = Role(rawValue: rawRole) else {
      throw .unknown(field: "role", value: UInt64(rawRole))
    }
    self.role = role
    number = try reader.read()
    boot = BootID(try reader.read(), try reader.read(), try reader.read(), try reader.read())
    try reader.finish()
  }

  /// Appends the body, without a header.
  package func write(to writer: inout ByteWriter) {
    writer.write(sender)
    writer.write(role.rawValue)
    writer.write(number)
    for word in boot.words { writer.write(word) }
  }
}
