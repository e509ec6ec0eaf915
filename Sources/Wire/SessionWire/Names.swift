// SPDX-License-Identifier: Apache-2.0

import Bytes
package import GroupModel

/// The field of a name: 32 bytes, the name up to the first NUL, what follows means nothing.
package enum NameField {
  package static let length = 32

  /// The name in a field; the last byte is taken for a NUL whatever it is.
  ///
  /// Bytes are as they came: empty, blank or 8-bit names are not told from others here.
  package static func name(in field: ArraySlice<UInt8>) -> InlineName {
    let name = field.prefix(InlineName.capacity).prefix { $0 != 0 }
    // At most 31 bytes without a NUL always make a name.
    return InlineName(name) ?? .empty
  }

  /// The names of consecutive fields, whose length must be a multiple of ``length``.
  package static func names(in fields: ArraySlice<UInt8>) -> [InlineName] {
    var names: [InlineName] = []
    names.reserveCapacity(fields.count / length)
    var start = fields.startIndex
    while start + length <= fields.endIndex {
      names.append(name(in: fields[start..<start + length]))
      start += length
    }
    return names
  }

  /// Consecutive fields of names, padded with zeros.
  package static func bytes(of names: some Sequence<InlineName>) -> [UInt8] {
    var writer = ByteWriter()
    for name in names { writer.write(field: name) }
    return writer.bytes
  }
}

extension ByteWriter {
  /// Writes a name as a field of 32 bytes.
  mutating func write(field name: InlineName) {
    // A name's words are its bytes, padded with zeros: exactly the field.
    write(name.words.high)
    write(name.words.low)
  }
}
