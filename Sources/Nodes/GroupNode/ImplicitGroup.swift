// SPDX-License-Identifier: Apache-2.0

import Bytes
package import GroupModel
import Ring

/// The one group of a ring whose members are the ring's: views are the ring's configurations.
package struct ImplicitGroup: Sendable, Equatable {
  /// What is added to each payload, in bytes.
  static let overhead = 2

  private let me: MemberID
  private var name: GroupName?
  private var configuration: Delivery.RegularConfiguration?

  package init(me: MemberID) { self.me = me }

  /// The user enters: it learns its identity and the view the ring is in.
  mutating func join(_ name: GroupName) -> [GroupEvent] {
    guard self.name == nil else { return [] }
    self.name = name
    guard let configuration else { return [.connected(me)] }
    // Whoever enters has no previous view: it came alone.
    let view = self.view(of: configuration, named: name, cameTogether: [me], cause: .join(me))
    return [.connected(me), .view(view)]
  }

  mutating func leave() -> [GroupEvent] {
    guard let left = name else { return [] }
    name = nil
    return [.left(left)]
  }

  /// A message as the ring carries it: the sender's mark, then its payload.
  func encode(tag: Int16, payload: [UInt8]) -> [UInt8] {
    var writer = ByteWriter(reserving: payload.count + 2)
    writer.write(tag)
    writer.write(payload)
    return writer.bytes
  }

  mutating func take(_ delivery: Delivery) -> [GroupEvent] {
    switch delivery {
    case .message(let message):
      guard let name else { return [] }
      var reader = ByteReader(message.payload)
      guard let tag = try? reader.read(Int16.self) else { return [] }
      let received = GroupMessage(
        sender: MemberID(node: message.sender, process: me.process),
        groups: [name],
        service: message.service,
        tag: tag,
        payload: reader.readRest()
      )
      return [.message(received)]
    case .transitional(let transitional):
      // A merge without loss has no signal (Group.Cut).
      guard let name, let configuration,
        transitional.members.count < configuration.members.count
      else { return [] }
      return [.transitional(name)]
    case .regular(let next):
      configuration = next
      guard let name else { return [] }
      let together = next.cameTogether.nodes.map { MemberID(node: $0, process: me.process) }
      return [.view(view(of: next, named: name, cameTogether: together, cause: .network))]
    }
  }

  private func view(
    of configuration: Delivery.RegularConfiguration,
    named name: GroupName,
    cameTogether: [MemberID],
    cause: ViewCause
  ) -> GroupView {
    GroupView(
      group: name,
      id: ViewID(ring: configuration.ring, index: 0),
      members: configuration.members.nodes.map { MemberID(node: $0, process: me.process) },
      cameTogether: cameTogether,
      cause: cause
    )
  }
}
