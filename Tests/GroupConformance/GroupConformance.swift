// SPDX-License-Identifier: Apache-2.0

import GroupModel

/// What every adapter of ``GroupConnection`` must do, as far as it declares that it can.
///
/// Each scenario needs a fresh backend with at least three users, and returns what is wrong.
package struct GroupConformance {
  package typealias Scenario = (name: String, run: @Sendable (any GroupBackend) -> [String])

  package static let scenarios: [Scenario] = [
    ("one order", oneOrder), ("views", views), ("a crash", crash), ("open groups", openGroups),
    ("private names", privateNames), ("a large payload", largePayload),
    ("a payload too long", tooLong), ("requests that cannot be", impossible),
    ("a cut and a merge", cutAndMerge), ("a disconnect", disconnect), ("many groups", manyGroups),
    ("nothing within a call", nothingWithin),
    ("loss and return of the backend", lossAndReturn), ("back-pressure", backPressure),
  ]

  // MARK: - Scenarios

  @Sendable private static func oneOrder(_ backend: any GroupBackend) -> [String] {
    var findings = joinAll(backend, "g")
    for round in 0..<20 {
      for user in 0..<3 {
        let isSafe = backend.capabilities.contains(.safe) && round % 2 == 0
        let refusal = backend.submit(
          .multicast(
            groups: ["g"],
            service: isSafe ? .safe : .agreed,
            tag: Int16(round),
            payload: [UInt8(user), UInt8(round)]
          ),
          by: user
        )
        if let refusal { findings.append("user \(user) is refused: \(refusal)") }
      }
    }
    backend.settle()
    let heard = (0..<3).map { messages(backend, $0) }
    if heard[0].count != 60 { findings.append("\(heard[0].count) of 60 messages") }
    if heard[1] != heard[0] || heard[2] != heard[0] { findings.append("orders differ") }
    for user in 0..<3 {
      let own = heard[0].filter { $0.payload.first == UInt8(user) }
      if own.map(\.tag) != (0..<20).map(Int16.init) { findings.append("sender \(user): \(own)") }
    }
    return findings
  }

  @Sendable private static func views(_ backend: any GroupBackend) -> [String] {
    var findings = joinAll(backend, "g")
    _ = backend.submit(.leave("g"), by: 1)
    backend.settle()
    _ = send(backend, "g", by: 0)
    backend.settle()
    guard case .left("g")? = backend.events(of: 1).last else {
      findings.append("the leaver hears \(backend.events(of: 1).suffix(2)) last")
      return findings
    }
    guard let view = views(backend, 0).last, let other = views(backend, 2).last,
      let leaver = member(backend, 1)
    else { return findings + ["no views"] }
    if view.members.count != 2 || view.members.contains(leaver) || view.cause != .leave(leaver) {
      findings.append("after the leave: \(view)")
    }
    if view.id != other.id || view.members != other.members { findings.append("views differ") }
    for user in 0..<3 {
      for view in views(backend, user) {
        if view.members != view.members.sorted() { findings.append("out of order: \(view)") }
        if member(backend, user).map(view.members.contains) != true {
          findings.append("user \(user) is not in its view \(view)")
        }
        let isTold = view.cameTogether != nil
        if isTold != backend.capabilities.contains(.cameTogether) {
          findings.append("cameTogether is not as declared: \(view)")
        }
      }
    }
    return findings
  }

  @Sendable private static func crash(_ backend: any GroupBackend) -> [String] {
    var findings = joinAll(backend, "g")
    let gone = member(backend, 2)
    let before = backend.events(of: 0).count
    backend.crash(2)
    backend.settle()
    let after = backend.events(of: 0).dropFirst(before)
    guard let view = views(backend, 0).last, let gone, view.members.count == 2 else {
      return findings + ["no view without the lost member: \(after)"]
    }
    if view.members.contains(gone) { findings.append("it is still there: \(view)") }
    switch view.cause {
    case .disconnect(gone): break
    case .network:
      let isSignalled = after.contains(.transitional("g"))
      if isSignalled != backend.capabilities.contains(.transitional) {
        findings.append("the signal is not as declared: \(after)")
      }
    case .join, .leave, .disconnect: findings.append("a wrong cause: \(view)")
    }
    if views(backend, 1).last?.id != view.id { findings.append("views differ") }
    return findings
  }

  @Sendable private static func openGroups(_ backend: any GroupBackend) -> [String] {
    _ = backend.submit(.join("g"), by: 0)
    backend.settle()
    let refusal = send(backend, "g", by: 1)
    backend.settle()
    guard backend.capabilities.contains(.openGroups) else {
      return refusal == .unsupported(.openGroups)
        ? [] : ["not refused: \(String(describing: refusal))"]
    }
    return messages(backend, 0).map(\.sender) == [member(backend, 1)] ? [] : ["it is lost"]
  }

  @Sendable private static func privateNames(_ backend: any GroupBackend) -> [String] {
    let findings = joinAll(backend, "g")
    guard let target = member(backend, 1) else { return ["no name"] }
    guard let name = GroupName(privateNameOf: target) else { return ["no private name"] }
    let request = GroupRequest.multicast(
      groups: ["g", name],
      service: .agreed,
      tag: 0,
      payload: [1]
    )
    let refusal = backend.submit(request, by: 0)
    backend.settle()
    guard backend.capabilities.contains(.privateNames) else {
      let isRefused = refusal == .unsupported(.privateNames)
      return findings + (isRefused ? [] : ["a private name is taken without the capability"])
    }
    let counts = (0..<3).map { messages(backend, $0).count }
    return findings + (counts == [1, 1, 1] ? [] : ["copies: \(counts)"])
  }

  @Sendable private static func largePayload(_ backend: any GroupBackend) -> [String] {
    var findings = joinAll(backend, "g")
    let payload = (0..<100 << 10).map { UInt8(truncatingIfNeeded: $0 &* 7 ^ $0 >> 8) }
    let request = GroupRequest.multicast(groups: ["g"], service: .agreed, tag: 0, payload: payload)
    if let refusal = backend.submit(request, by: 1) { findings.append("refused: \(refusal)") }
    backend.settle()
    for user in 0..<3 where messages(backend, user).map({ Array($0.payload) }) != [payload] {
      findings.append("user \(user) does not get it as it was")
    }
    return findings
  }

  @Sendable private static func tooLong(_ backend: any GroupBackend) -> [String] {
    var findings = joinAll(backend, "g")
    let payload = [UInt8](repeating: 0, count: 64 << 20)
    let request = GroupRequest.multicast(groups: ["g"], service: .agreed, tag: 0, payload: payload)
    switch backend.submit(request, by: 0) {
    case .tooLong(let limit)?:
      if limit >= payload.count || limit < 100 << 10 { findings.append("an odd limit: \(limit)") }
    case let other: findings.append("64 MiB: \(String(describing: other))")
    }
    backend.settle()
    if !messages(backend, 1).isEmpty { findings.append("what was refused is delivered") }
    return findings
  }

  /// What can have no effect is refused, and not dropped where its user does not hear of it.
  @Sendable private static func impossible(_ backend: any GroupBackend) -> [String] {
    var findings = joinAll(backend, "g")
    let counts = (0..<3).map { backend.events(of: $0).count }
    for groups: [GroupName] in [[], Array(repeating: "g", count: 1_000)] {
      let request = GroupRequest.multicast(groups: groups, service: .agreed, tag: 0, payload: [1])
      switch backend.submit(request, by: 0) {
      case .destinations(let limit)?:
        if !(1..<1_000).contains(limit) { findings.append("an odd limit: \(limit)") }
        let most = GroupRequest.multicast(
          groups: Array(repeating: "other", count: limit),
          service: .agreed,
          tag: 0,
          payload: [1]
        )
        if let refusal = backend.submit(most, by: 0) { findings.append("\(limit): \(refusal)") }
      case let other: findings.append("to \(groups.count): \(String(describing: other))")
      }
    }
    for user in 0..<3 where backend.capabilities.contains(.privateNames) {
      guard let member = member(backend, user), let name = GroupName(privateNameOf: member) else {
        return findings + ["no private name"]
      }
      for request: GroupRequest in [.join(name), .leave(name)] {
        let refusal = backend.submit(request, by: 0)
        if refusal != .privateName {
          findings.append("\(request): \(String(describing: refusal))")
        }
      }
    }
    backend.settle()
    let told = (0..<3).map { Array(backend.events(of: $0).dropFirst(counts[$0])) }
    if told != [[], [], []] { findings.append("what was refused has effects: \(told)") }
    return findings
  }

  @Sendable private static func cutAndMerge(_ backend: any GroupBackend) -> [String] {
    var findings = joinAll(backend, "g")
    backend.part([[0, 1], [2]])
    backend.settle()
    let sides = (0..<3).map { views(backend, $0).last }
    if sides.map({ $0?.members.count }) != [2, 2, 1] { findings.append("after the cut: \(sides)") }
    if sides[0]?.id != sides[1]?.id || sides[0]?.id == sides[2]?.id {
      findings.append("ids after the cut: \(sides)")
    }
    backend.part([[0, 1, 2]])
    backend.settle()
    let merged = (0..<3).map { views(backend, $0).last }
    guard let view = merged[0], view.members.count == 3 else {
      return findings + ["after the merge: \(merged)"]
    }
    if merged.contains(where: { $0?.id != view.id || $0?.members != view.members }) {
      findings.append("views differ: \(merged)")
    }
    guard backend.capabilities.contains(.cameTogether) else { return findings }
    let own = merged.map { $0?.cameTogether ?? [] }
    let expected = [[0, 1], [0, 1], [2]].map { $0.compactMap { member(backend, $0) }.sorted() }
    if own != expected { findings.append("came together: \(own), not \(expected)") }
    return findings
  }

  @Sendable private static func disconnect(_ backend: any GroupBackend) -> [String] {
    var findings = joinAll(backend, "g")
    guard let gone = member(backend, 1) else { return findings + ["no name"] }
    if let refusal = backend.submit(.disconnect, by: 1) { findings.append("refused: \(refusal)") }
    backend.settle()
    if backend.events(of: 1).last != .disconnected(.requested) {
      findings.append("its last event: \(String(describing: backend.events(of: 1).last))")
    }
    if views(backend, 0).last?.members.contains(gone) != false { findings.append("still there") }
    if views(backend, 0).last?.cause != .disconnect(gone) {
      findings.append("a wrong cause: \(String(describing: views(backend, 0).last))")
    }
    return findings
  }

  @Sendable private static func manyGroups(_ backend: any GroupBackend) -> [String] {
    let names = (0..<10_000).compactMap { GroupName(text: "group-\($0)") }
    var findings: [String] = []
    for (index, name) in names.enumerated() {
      for user in [0, 1 + index % 2] {
        if let refusal = backend.submit(.join(name), by: user) {
          findings.append("\(name) is refused: \(refusal)")
        }
      }
      if index % 1_000 == 999 { backend.settle() }
    }
    backend.part([[0], [1], [2]])
    backend.settle()
    backend.part([[0, 1, 2]])
    backend.settle()
    var latest: [GroupName: GroupView] = [:]
    for view in views(backend, 0) { latest[view.group] = view }
    let whole = names.filter { latest[$0]?.members.count == 2 }
    if whole.count != names.count { findings.append("\(whole.count) of \(names.count) merged") }
    return findings
  }

  /// Who submits is told of what follows later, even where it is alone and needs nobody's answer.
  @Sendable private static func nothingWithin(_ backend: any GroupBackend) -> [String] {
    var findings: [String] = []
    backend.part([[0], [1], [2]])
    backend.settle()
    let requests: [GroupRequest] = [
      .join("g"), .multicast(groups: ["g"], service: .safe, tag: 1, payload: [1]),
      .multicast(groups: ["g"], service: .agreed, tag: 2, payload: [2]), .leave("g"), .disconnect,
    ]
    let start = backend.events(of: 0).count
    for request in requests {
      let before = backend.events(of: 0).count
      if let refusal = backend.submit(request, by: 0) { findings.append("refused: \(refusal)") }
      let after = backend.events(of: 0).count
      if after != before { findings.append("\(after - before) events within \(request)") }
    }
    backend.settle()
    let told = backend.events(of: 0).dropFirst(start)
    let tags = told.compactMap { if case .message(let message) = $0 { message.tag } else { nil } }
    if tags != [1, 2] { findings.append("messages \(tags), not 1 and 2") }
    if told.last != .disconnected(.requested) {
      findings.append("the last event: \(told.suffix(1))")
    }
    return findings
  }

  /// A backend that comes back knows nothing: whoever used it is connected anew, joins anew, and is
  /// somebody new to the others.
  @Sendable private static func lossAndReturn(_ backend: any GroupBackend) -> [String] {
    var findings = joinAll(backend, "g")
    let old = Set((0..<3).flatMap { views(backend, $0).map(\.id) })
    let (start, others) = (backend.events(of: 2).count, views(backend, 0).count)
    backend.restart(2)
    backend.settle()
    var told = Array(backend.events(of: 2).dropFirst(start))
    if case .disconnected(let reason)? = told.first {
      if reason == .requested { findings.append("nobody asked for the loss: \(reason)") }
      told.removeFirst()
    }
    guard told.count == 1, case .connected(let member)? = told.first else {
      return findings + ["a return is told as \(told)"]
    }
    if let view = views(backend, 0).last, view.members.count != 2 {
      findings.append("before it joins anew: \(view)")
    }
    if let refusal = backend.submit(.join("g"), by: 2) { findings.append("refused: \(refusal)") }
    backend.settle()
    let last = (0..<3).map { views(backend, $0).last }
    guard let view = last[2], view.members.count == 3, view.members.contains(member) else {
      return findings + ["after it joined anew: \(last)"]
    }
    if last.contains(where: { $0?.id != view.id || $0?.members != view.members }) {
      findings.append("views differ: \(last)")
    }
    let new = views(backend, 0).dropFirst(others) + views(backend, 2).suffix(1)
    if new.contains(where: { old.contains($0.id) }) { findings.append("an id comes again: \(new)") }
    if let together = view.cameTogether, together != [member] {
      findings.append("it came with \(together), from nowhere")
    }
    let before = (0..<3).map { messages(backend, $0).count }
    for user in [0, 2] { _ = send(backend, "g", by: user) }
    backend.settle()
    let heard = (0..<3).map { Array(messages(backend, $0).dropFirst(before[$0])) }
    if heard[0].count != 2 || heard[1] != heard[0] || heard[2] != heard[0] {
      findings.append("messages after the return: \(heard)")
    }
    return findings
  }

  /// Who sends more than goes out is refused in time; all that was taken arrives, once and in order,
  /// and then there is room again.
  @Sendable private static func backPressure(_ backend: any GroupBackend) -> [String] {
    var findings = joinAll(backend, "g")
    var taken = 0
    var refusal: GroupRefusal?
    let limit = 4_000
    while refusal == nil, taken < limit {
      var payload = [UInt8](repeating: UInt8(truncatingIfNeeded: taken), count: 64 << 10)
      payload[0] = UInt8(truncatingIfNeeded: taken >> 8)
      refusal = backend.submit(
        .multicast(groups: ["g"], service: .agreed, tag: Int16(taken), payload: payload),
        by: 0
      )
      if refusal == nil { taken += 1 }
    }
    if refusal != .congested {
      findings.append("\(taken) messages, then \(String(describing: refusal))")
    }
    for _ in 0..<60 where messages(backend, 1).count < taken { backend.settle() }
    for user in 0..<3 {
      let tags = messages(backend, user).map(\.tag)
      if tags != (0..<taken).map(Int16.init) {
        findings.append("user \(user) got \(tags.count) of the \(taken) that were taken")
      }
    }
    if let refusal = send(backend, "g", by: 0) { findings.append("still refused: \(refusal)") }
    backend.settle()
    if messages(backend, 2).count != taken + 1 { findings.append("what came after is lost") }
    return findings
  }

  // MARK: - Parts of scenarios

  /// Users 0 to 2 join, and their last views agree.
  private static func joinAll(_ backend: any GroupBackend, _ group: GroupName) -> [String] {
    for user in 0..<3 {
      if let refusal = backend.submit(.join(group), by: user) { return ["refused: \(refusal)"] }
    }
    backend.settle()
    let last = (0..<3).map { views(backend, $0).last }
    guard let view = last[0], view.members.count == 3 else { return ["joined: \(last)"] }
    return last.allSatisfy { $0?.id == view.id && $0?.members == view.members }
      ? [] : ["views differ: \(last)"]
  }

  private static func send(
    _ backend: any GroupBackend,
    _ group: GroupName,
    by user: Int
  ) -> GroupRefusal? {
    backend.submit(
      .multicast(groups: [group], service: .agreed, tag: 0, payload: [9]),
      by: user
    )
  }

  private static func views(_ backend: any GroupBackend, _ user: Int) -> [GroupView] {
    backend.events(of: user).compactMap { if case .view(let view) = $0 { view } else { nil } }
  }

  private static func messages(_ backend: any GroupBackend, _ user: Int) -> [GroupMessage] {
    backend.events(of: user).compactMap {
      if case .message(let message) = $0 { message } else { nil }
    }
  }

  private static func member(_ backend: any GroupBackend, _ user: Int) -> MemberID? {
    backend.events(of: user).lazy
      .compactMap { if case .connected(let member) = $0 { member } else { nil } }.first
  }
}
