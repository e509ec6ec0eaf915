// SPDX-License-Identifier: Apache-2.0

import ConfigurationText
import GroupModel

extension Parser {
  mutating func parseGroup(at token: Token) throws(Diagnostic) {
    draft.group = try parseScalar(at: token, named: "Group") { parser throws(Diagnostic) in
      let value = try parser.takeText("the name of a group")
      guard let group = GroupName(text: value.text) else {
        throw Diagnostic(
          "\(value.shown) is not the name of a group",
          at: value.location,
          advice: "use 1 to 31 printable ASCII characters other than blank, !, \", and #"
        )
      }
      return group
    }
  }
}
