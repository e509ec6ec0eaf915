// SPDX-License-Identifier: Apache-2.0

import Addresses
import ConfigurationText
import GroupModel

/// What can be judged only once the whole file is read.
extension Parser {
  /// The configuration, if the draft is complete; reports what is missing or contradictory.
  mutating func checked(resolve: (String) -> IPAddress?) -> SpreadConfiguration? {
    guard let last = tokens.last else { return nil }
    guard !draft.segments.isEmpty else {
      if draft.seen[.segment] == nil {
        report(
          Diagnostic(
            "there is no Spread_Segment: it says which daemons there are",
            at: last.location,
            advice: "add Spread_Segment ADDRESS:PORT { NAME ADDRESS ... }"
          )
        )
      }
      return nil
    }
    resolveNames(resolve)
    checkDaemons()
    checkInterfaces()
    checkKey(at: last.location)
    checkWindows()
    checkMethods()
    let timers = checkedTimers()
    let daemons = draft.daemons.compactMap(Self.finished(in: draft.segments))
    guard daemons.count == draft.daemons.count else { return nil }
    return SpreadConfiguration(
      segments: draft.segments.map { .init(address: $0.address?.value, port: $0.port) },
      daemons: daemons,
      ring: ring(timers: timers, multicast: multicast()),
      sessions: sessions,
      process: .init(
        user: draft.user,
        group: draft.group,
        runtimeDirectory: draft.runtimeDirectory,
        control: draft.control,
        portReuse: draft.portReuse
      ),
      log: draft.log,
      notices: draft.notices.sorted { $0.location < $1.location }
    )
  }

  private static func finished(
    in segments: [Draft.Segment]
  ) -> (Draft.Daemon) -> SpreadConfiguration.Daemon? {
    { daemon in
      guard let address = daemon.address?.value else { return nil }
      return SpreadConfiguration.Daemon(
        node: daemon.name.value,
        endpoint: Endpoint(address: address, port: segments[daemon.segment].port),
        segment: daemon.segment,
        clientAddresses: daemon.interfaces?.filter(\.takesClients).map(\.address.value)
      )
    }
  }

  private func ring(timers: RingTimers, multicast: IPAddress?) -> SpreadConfiguration.Ring {
    let window = draft.window?.value ?? 256
    return SpreadConfiguration.Ring(
      cluster: draft.cluster,
      key: draft.key ?? .none,
      timers: timers,
      multicast: multicast,
      window: window,
      personalWindow: draft.personalWindow?.value ?? min(64, window),
      accelerated: draft.accelerated,
      acceleratedWindow: draft.acceleratedWindow?.value ?? 20,
      mtu: draft.mtu ?? 1_500,
      stateDirectory: draft.stateDirectory ?? "/var/lib/spread"
    )
  }

  private var sessions: SpreadConfiguration.Sessions {
    SpreadConfiguration.Sessions(
      listeners: draft.listeners,
      unixSockets: draft.unixSockets,
      unixSocketMode: draft.unixSocketMode,
      limit: draft.maxSessions,
      limitPerAddress: draft.maxSessionsPerAddress,
      queueMessages: draft.queueMessages,
      queueBytes: draft.queueBytes,
      waitingBytes: draft.waitingBytes,
      groups: draft.sessionGroups,
      slowSession: draft.slowSession,
      handshakeTimeout: draft.handshakeTimeout,
      longestMessage: draft.longestMessage,
      allowedMethods: SpreadConfiguration.AuthMethod.allCases.filter {
        (draft.allowed ?? [.null]).contains($0)
      },
      requiredMethods: draft.required.map(\.value),
      accessFile: draft.accessFile
    )
  }

  // MARK: - Daemons

  private mutating func resolveNames(_ resolve: (String) -> IPAddress?) {
    for index in draft.daemons.indices where draft.daemons[index].address == nil {
      let name = draft.daemons[index].name
      if let address = resolve(name.value.description) {
        draft.daemons[index].address = Located(value: address, location: name.location)
      } else {
        draft.daemonsAreDoubtful = true
        report(
          Diagnostic(
            "\(name.value) has no address, and no address is found for the name",
            at: name.location,
            advice: "write its address behind it"
          )
        )
      }
    }
  }

  private mutating func checkDaemons() {
    for (index, daemon) in draft.daemons.enumerated() {
      if let address = daemon.address, let reason = address.value.unreachability {
        report(
          Diagnostic(
            "\(address.value) cannot be a daemon's address: it is \(reason)",
            at: address.location,
            advice: "write a stationary address of \(daemon.name.value)"
          )
        )
      }
      for earlier in draft.daemons[..<index] {
        guard let (problem, place) = Self.clash(of: daemon, with: earlier) else { continue }
        report(Diagnostic(problem, at: place, advice: "change one of the two"))
        break
      }
    }
  }

  /// What makes it impossible that both are daemons of one ring, and where.
  private static func clash(
    of daemon: Draft.Daemon,
    with earlier: Draft.Daemon
  ) -> (String, SourceLocation)? {
    let (name, other) = (daemon.name.value, earlier.name.value)
    let line = earlier.name.location.line
    if name == other {
      return ("the name \(name) is given twice: first in line \(line)", daemon.name.location)
    }
    if name.digest == other.digest {
      let problem = "the name \(name) has the same digest as \(other) in line \(line): daemons "
      return (problem + "would be mistaken for each other", daemon.name.location)
    }
    guard let mine = daemon.address, let theirs = earlier.address?.value else { return nil }
    if mine.value == theirs {
      let problem = "\(theirs) is given twice: first to \(other) in line \(line)"
      return (problem, mine.location)
    }
    if mine.value.bitWidth != theirs.bitWidth {
      let problem =
        "\(mine.value) is of another family than \(theirs) in line \(line): a ring uses "
      return (problem + "one family", mine.location)
    }
    if mine.value.isLoopback != theirs.isLoopback {
      let problem = "of \(mine.value) and \(theirs) in line \(line), one is a loopback address: no "
      return (problem + "other machine reaches it", mine.location)
    }
    return nil
  }

  private mutating func checkInterfaces() {
    for daemon in draft.daemons {
      guard let interfaces = daemon.interfaces, let main = daemon.address else { continue }
      if !draft.daemonsAreDoubtful,
        !interfaces.contains(where: { $0.takesDaemons && $0.address.value == main.value })
      {
        report(
          Diagnostic(
            "the interface block of \(daemon.name.value) leaves out \(main.value), where the other "
              + "daemons reach it",
            at: main.location,
            advice: "add D \(main.value) to the block, or make its D address the main one"
          )
        )
      }
      for interface in interfaces {
        let address = interface.address
        if interface.daemon, address.value != main.value {
          note(
            "D \(address.value) has no effect: daemons use the main address \(main.value)",
            at: address.location,
            advice: "remove the D"
          )
        }
        if interface.monitor {
          let problem = "M \(address.value) has no effect: there is no monitor protocol"
          note(problem, at: address.location, advice: "remove the M; use spreadctl")
        }
      }
    }
  }

  /// The group that all daemons can use; notes what is carried otherwise than written.
  private mutating func multicast() -> IPAddress? {
    var group: IPAddress?
    for segment in draft.segments {
      guard let address = segment.address else { continue }
      // A daemon that is alone has nobody to send to.
      guard draft.daemons.count > 1 || address.value.isMulticast else { continue }
      guard address.value.isMulticast else {
        note(
          "the broadcast address \(address.value) is not used: messages are sent to each daemon",
          at: address.location,
          advice: "write a multicast address to have each sent only once"
        )
        continue
      }
      guard draft.segments.count == 1 else {
        note(
          "the multicast group \(address.value) is not used: one of several segments has it",
          at: address.location,
          advice: "put all daemons into one segment if the group reaches them"
        )
        continue
      }
      group = address.value
      let other = draft.daemons.lazy.compactMap(\.address).first {
        $0.value.bitWidth != address.value.bitWidth
      }
      if let other {
        report(
          Diagnostic(
            "the multicast group \(address.value) is of another family than \(other.value)",
            at: address.location,
            advice: "write a group of the family of the daemons"
          )
        )
      }
    }
    return group
  }

  // MARK: - Settings

  private mutating func checkKey(at end: SourceLocation) {
    guard draft.seen[.key] == nil, draft.daemons.count > 1 else { return }
    let hosts = draft.daemons.compactMap(\.address?.value)
    guard !hosts.allSatisfy(\.isLoopback) else { return }
    report(
      Diagnostic(
        "there is no Key: daemons on several machines go unsealed only where the file says so",
        at: end,
        advice: "add Key = PATH, a file that spreadctl keygen makes, or else Key = none"
      )
    )
  }

  private mutating func checkWindows() {
    if let personal = draft.personalWindow, personal.value > draft.window?.value ?? 256 {
      report(
        Diagnostic(
          "PersonalWindow \(personal.value) is above Window, which is "
            + "\(draft.window?.value ?? 256)",
          at: personal.location,
          advice: "lower it, or raise Window"
        )
      )
    }
    guard draft.accelerated, let after = draft.acceleratedWindow else { return }
    let personal = draft.personalWindow?.value ?? min(64, draft.window?.value ?? 256)
    guard after.value > personal else { return }
    report(
      Diagnostic(
        "AcceleratedWindow \(after.value) is above PersonalWindow, which is \(personal)",
        at: after.location,
        advice: "lower it, or raise PersonalWindow"
      )
    )
  }

  private mutating func checkMethods() {
    let allowed = draft.allowed ?? [.null]
    for method in draft.required where !allowed.contains(method.value) {
      report(
        Diagnostic(
          "RequiredAuthMethods names \(method.value.rawValue), which is not allowed: no client "
            + "could connect",
          at: method.location,
          advice: "add AllowedAuthMethods = \"NULL \(method.value.rawValue)\""
        )
      )
    }
  }
}
