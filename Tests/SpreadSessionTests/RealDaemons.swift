// SPDX-License-Identifier: Apache-2.0

import Addresses
import Bytes
import Glibc
import GroupConformance
import GroupModel
import Machine
import Namespaces
import Reactor
import SessionClient
import SpreadSession
import Testing
import Transport

/// Three running daemons on the loopback of a namespace, with a session of the adapter at each.
///
/// The daemons are processes, cut from each other by a packet filter; the sessions share the loop of
/// the test. Must be used and ended on one thread, within a namespace of its own.
final class RealDaemons: FencedBackend {
  private static let names = ["a", "b", "c"]
  private static let patience = Duration.seconds(30)

  let capabilities: GroupCapabilities
  private let loop: EventLoop
  private let folder: String
  private let program: String
  private var daemons: [ChildProcess?] = [nil, nil, nil]
  private var sessions: [SpreadSession?] = [nil, nil, nil]
  private(set) var users = FencedUsers()
  private(set) var parts = [[0, 1, 2]]

  init() throws {
    loop = try EventLoop()
    folder = "\(temporaryFolder)/real-\(getpid())-\(UInt32.random(in: 0 ... .max))"
    guard mkdir(folder, 0o700) == 0 else { throw SystemError("make \(folder)", .last) }
    var path = [CChar](repeating: 0, count: 4_096)
    let length = readlink("/proc/self/exe", &path, path.count)
    let own = String(
      decoding: path.prefix(max(0, length)).map(UInt8.init(bitPattern:)),
      as: UTF8.self
    )
    program = own[..<(own.lastIndex(of: "/") ?? own.startIndex)] + "/spreadd"
    capabilities = [.safe, .transitional, .cameTogether, .openGroups, .privateNames]
    for host in 0..<3 {
      try configure(host)
      try start(host)
    }
    for host in 0..<3 { try connect(host) }
    settle()
  }

  /// Ends everything; nothing is left of it.
  func end() {
    sessions = []
    for daemon in daemons {
      daemon?.signal(SIGKILL)
      _ = daemon?.wait(until: BootClock.now + .seconds(5))
    }
    try? Namespace.run(["rm", "-rf", folder])
    try? Namespace.run(["nft", "flush", "ruleset"])
  }

  // MARK: - Daemons

  /// The time-outs are long: these daemons are not optimised, and run beside other tests.
  private func configure(_ host: Int) throws {
    let name = Self.names[host]
    let text = """
      Spread_Segment unicast:4803 { a 127.0.0.1 b 127.0.0.2 c 127.0.0.3 }
      ClientListen = none
      UnixSocket = \(folder)/\(name)
      ControlSocket = \(folder)/\(name).control
      StateDir = \(folder)/\(name).state
      RuntimeDir = \(folder)
      EventLogFile = \(folder)/\(name).log
      DaemonUser = root
      DaemonGroup = root
      Profile = wan
      MaxSessionMessages = 1000000
      MaxSessionBytes = 256M

      """
    guard let file = fopen("\(folder)/\(name).conf", "w") else {
      throw SystemError("write a configuration", .last)
    }
    fputs(text, file)
    fclose(file)
  }

  private func start(_ host: Int) throws {
    let name = Self.names[host]
    // It does not outlive this thread, however that ends.
    daemons[host] = try ChildProcess(
      "/usr/bin/setpriv",
      arguments: [
        "--pdeathsig", "KILL", "--", program, "-f", "-n", name, "-c", "\(folder)/\(name).conf",
      ],
      descriptors: []
    )
  }

  /// A daemon's answer to `status`; `nil` if there is none.
  private func status(_ host: Int) -> JSONValue? {
    let path = "\(folder)/\(Self.names[host]).control"
    return (try? LineClient.request("status", at: path)).flatMap { try? JSONValue(parsing: $0) }
  }

  private var isAsParted: Bool {
    parts.allSatisfy { part in
      part.allSatisfy { host in
        let members = status(host)?["ring"]?["members"]?.elements.compactMap(\.string)
        return members == part.sorted().map { Self.names[$0] }
      }
    }
  }

  private var hasOnlyTheseSessions: Bool {
    sessions.indices.allSatisfy { host in
      status(host)?["sessions"]?["open"]?.integer == (users.isActive(host) ? 1 : 0)
    }
  }

  // MARK: - Sessions

  private func connect(_ host: Int) throws {
    var settings = SessionClientEngine.Settings(name: Array("user".utf8))
    settings.firstPause = .milliseconds(10)
    settings.longestPause = .milliseconds(100)
    settings.longestBacklog = 1 << 20
    let session = try SpreadSession(
      to: .path("\(folder)/\(Self.names[host])"),
      settings: settings,
      seed: UInt64(host),
      on: loop
    ) { _ in }
    session.deliver { [unowned self] in users.take($0, of: host) }
    sessions[host] = session
  }

  func submit(_ request: GroupRequest, by user: Int) -> GroupRefusal? {
    guard let session = sessions[user] else { return .disconnected }
    if request == .disconnect { users.end(user) }
    do throws(GroupRefusal) {
      try session.submit(request)
      return nil
    } catch {
      return error
    }
  }

  func crash(_ user: Int) {
    sessions[user] = nil
    users.end(user)
  }

  func restart(_ user: Int) {
    daemons[user]?.signal(SIGKILL)
    _ = daemons[user]?.wait(until: BootClock.now + .seconds(5))
    do {
      try start(user)
    } catch {
      Issue.record("cannot start it again: \(error)")
    }
    wait("the loss") { !self.users.isConnected(user) || !self.users.isActive(user) }
  }

  func part(_ parts: [[Int]]) {
    self.parts = parts
    do {
      try Namespace.cutLoopback(into: parts)
    } catch {
      Issue.record("cannot cut: \(error)")
    }
  }

  // MARK: - Time

  /// Waits until the daemons are as the cut wants them, everybody has its session, and all that was
  /// said before has arrived.
  func settle() {
    wait("rings of \(parts)") { self.isAsParted }
    wait("sessions") { self.users.areAllConnected }
    wait("the end of sessions that are over") { self.hasOnlyTheseSessions }
    passFences()
  }

  func wait(_ what: String, until isSo: () -> Bool) {
    let limit = BootClock.now + Self.patience
    while !isSo() {
      guard BootClock.now < limit else {
        Issue.record("\(what): not within \(Self.patience)")
        return
      }
      do {
        try loop.turn(until: BootClock.now + .milliseconds(10))
      } catch {
        Issue.record("the loop: \(error)")
        return
      }
    }
  }
}

@Suite("The session adapter and three running daemons", .serialized)
struct RealDaemonsTests {
  @Test(
    "Cut, merged, killed and started again, it conforms",
    .enabled(if: Namespace.isAllowed),
    arguments: GroupConformance.scenarios.indices.filter {
      // 10,000 groups take daemons that are not optimised too long.
      GroupConformance.scenarios[$0].name != "many groups"
    }
  )
  func conformance(index: Int) throws {
    let namespace = try Namespace.enter()
    defer { namespace.leave() }
    let backend = try RealDaemons()
    defer { backend.end() }
    let scenario = GroupConformance.scenarios[index]
    for finding in scenario.run(backend) {
      Issue.record("\(scenario.name): \(finding.prefix(2_000))")
    }
  }
}
