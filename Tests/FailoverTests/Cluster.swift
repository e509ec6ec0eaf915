// SPDX-License-Identifier: Apache-2.0

import Addresses
import Failover
import FailoverWire
import GroupModel
import Machine

/// Fail-over engines over an oracle of Extended Virtual Synchrony: no ring, only its promises.
///
/// Every configuration has one log. Those that go on together deliver the same part of it, and at
/// least what they sent themselves. When each event reaches each member is up to the test, and so
/// is when each kernel request ends.
struct Cluster {
  struct Node {
    let id: NodeID
    var member: MemberID
    var engine: FailoverEngine?
    /// What is delivered next, oldest first.
    var inbox: [Item] = []
    /// Submitted, and not yet ordered.
    var outbox: [[UInt8]] = []
    var kernel: [Operation] = []
    /// Possibly on its interfaces: from the request to add up to the acknowledged removal.
    var claimed: [VIFID] = []
    /// Really on its interfaces.
    var present: [VIFID] = []
    /// Its process does not run, though the backend keeps it in the group.
    var isHung = false
    /// It is in the group, but not one of us: it says nothing.
    var isMute = false
    var joined = false
    var departed = false
    var configuration: Int?
    /// Names the nodes that hold the same messages: nodes go on together only within one.
    var lineage = 0
    var installed: ViewID?
    /// The messages delivered since the view.
    var delivered = 0
    var announced: [VIFID] = []
    var notes: [FailoverEngine.Note] = []
    var answers: [UInt64: FailoverEngine.Answer] = [:]
    /// What the node's storage holds.
    var isDrained = false
    var proven: Instant?
    var refusesToAdd: [VIFID] = []
    var refusesToRemove: [VIFID] = []
  }

  enum Item {
    case message(position: Int, GroupMessage)
    case view(GroupView, configuration: Int, lineage: Int)
  }

  enum Operation {
    case add(VirtualInterface)
    case remove(VirtualInterface)
  }

  struct Configuration {
    let members: [NodeID]
    var count = 0
  }

  static let group: GroupName = "wack1"
  let vifs: [VirtualInterface]
  var nodes: [Node]
  var configurations: [Configuration] = []
  var now = Instant.boot
  var violations: [String] = []
  var counters = Counters()
  /// The backend gives the last node other bytes than the rest: a bug to be found.
  var isLying = false
  private var lineages = 0
  private let adjust: (NodeID, inout FailoverEngine.Settings) -> Void

  struct Counters {
    var merges = 0
    var cutExchanges = 0
    var threeSets = 0
    var conflicts = 0
    var cutMoves = 0
    var refusals = 0
    var uninstalled = 0
    var lost = 0
    var balances = 0

    mutating func add(_ other: Self) {
      merges += other.merges
      cutExchanges += other.cutExchanges
      threeSets += other.threeSets
      conflicts += other.conflicts
      cutMoves += other.cutMoves
      refusals += other.refusals
      uninstalled += other.uninstalled
      lost += other.lost
      balances += other.balances
    }
  }

  init(
    nodes names: [NodeID],
    vifs count: Int,
    adjust: @escaping (NodeID, inout FailoverEngine.Settings) -> Void = { _, _ in }
  ) {
    vifs = (1...count).map { vif($0) }
    nodes = names.map { Node(id: $0, member: MemberID(node: $0, process: $0.name)) }
    self.adjust = adjust
    for index in nodes.indices { start(index) }
  }

  // MARK: Life of a node

  mutating func start(_ index: Int) {
    var settings = FailoverEngine.Settings(node: nodes[index].id, group: Self.group, vifs: vifs)
    adjust(nodes[index].id, &settings)
    let id = nodes[index].id
    let isDrained = nodes[index].isDrained
    nodes[index] = Node(id: id, member: nodes[index].member)
    nodes[index].isDrained = isDrained
    nodes[index].engine = FailoverEngine(settings, isDrained: isDrained)
    feed(.link(eth0, .up), to: index)
    feed(.group(.connected(nodes[index].member)), to: index)
    nodes[index].lineage = newLineage()
  }

  mutating func crash(_ index: Int) {
    nodes[index].engine = nil
    nodes[index].inbox = []
    nodes[index].outbox = []
    nodes[index].kernel = []
    nodes[index].claimed = []
    nodes[index].present = []
    nodes[index].configuration = nil
    nodes[index].installed = nil
    nodes[index].joined = false
  }

  /// The backend is lost and returns; what the node was about to hear and say is gone.
  mutating func reconnect(_ index: Int) {
    nodes[index].inbox = []
    nodes[index].outbox = []
    nodes[index].configuration = nil
    nodes[index].installed = nil
    nodes[index].lineage = newLineage()
    feed(.group(.disconnected(.unreachable("lost"))), to: index)
    while !nodes[index].kernel.isEmpty { completeKernel(index) }
    feed(.group(.connected(nodes[index].member)), to: index)
  }

  mutating func newLineage() -> Int {
    lineages += 1
    return lineages
  }

  // MARK: Steps

  var canOrder: [Int] {
    nodes.indices.filter { index in
      !nodes[index].outbox.isEmpty && nodes[index].configuration != nil && !nodes[index].isHung
        && !nodes[index].inbox.contains {
          if case .view = $0 { true } else { false }
        } && nodes[index].installed != nil
    }
  }

  /// Gives the node's oldest submitted message its place in the order.
  mutating func order(_ index: Int) {
    guard let configuration = nodes[index].configuration, !nodes[index].outbox.isEmpty else {
      return
    }
    let message = GroupMessage(
      sender: nodes[index].member,
      groups: [Self.group],
      service: .agreed,
      tag: tag(of: configuration),
      payload: nodes[index].outbox.removeFirst()[...]
    )
    let nothing = GroupMessage(
      sender: message.sender,
      groups: message.groups,
      service: .agreed,
      tag: message.tag,
      payload: []
    )
    let position = configurations[configuration].count
    configurations[configuration].count += 1
    for other in nodes.indices where nodes[other].configuration == configuration {
      let garbled = isLying && other == nodes.count - 1
      nodes[other].inbox.append(.message(position: position, garbled ? nothing : message))
    }
  }

  mutating func deliver(_ index: Int) {
    guard !nodes[index].inbox.isEmpty else { return }
    switch nodes[index].inbox.removeFirst() {
    case .message(_, let message):
      nodes[index].delivered += 1
      feed(.group(.message(message)), to: index)
    case .view(let view, _, _):
      countCut(by: view, at: index)
      nodes[index].installed = view.id
      nodes[index].delivered = 0
      feed(.group(.view(view)), to: index)
    }
  }

  private mutating func countCut(by view: GroupView, at index: Int) {
    guard let status = nodes[index].engine?.status else { return }
    if status.phase == .exchanging { counters.cutExchanges += 1 }
    if status.vifs.contains(where: { $0.state == .moving }) { counters.cutMoves += 1 }
  }

  mutating func completeKernel(_ index: Int) {
    guard !nodes[index].kernel.isEmpty else { return }
    switch nodes[index].kernel.removeFirst() {
    case .add(let vif):
      if nodes[index].refusesToAdd.contains(vif.id) {
        counters.refusals += 1
        feed(.acquired(vif.id, .failed("no buffer space")), to: index)
      } else {
        if !nodes[index].present.contains(vif.id) { nodes[index].present.append(vif.id) }
        feed(.acquired(vif.id, .done), to: index)
      }
    case .remove(let vif):
      if nodes[index].refusesToRemove.contains(vif.id) {
        counters.refusals += 1
        feed(.released(vif.id, .failed("operation not permitted")), to: index)
      } else {
        nodes[index].present.removeAll { $0 == vif.id }
        nodes[index].claimed.removeAll { $0 == vif.id }
        feed(.released(vif.id, .done), to: index)
      }
    }
  }

  mutating func wake(_ index: Int) {
    guard let deadline = nodes[index].engine?.nextDeadline, deadline <= now,
      !nodes[index].isHung
    else { return }
    var effects = EffectQueue<FailoverEngine.Effect>()
    nodes[index].engine?.advance(to: now, into: &effects)
    perform(effects.takeAll(), at: index)
  }

  mutating func feed(_ event: FailoverEngine.Event, to index: Int) {
    var effects = EffectQueue<FailoverEngine.Effect>()
    nodes[index].engine?.handle(event, at: now, into: &effects)
    perform(effects.takeAll(), at: index)
  }

  private mutating func perform(_ effects: [FailoverEngine.Effect], at index: Int) {
    for effect in effects {
      switch effect {
      case .request(.join): nodes[index].joined = true
      case .request(.multicast(_, _, _, let payload)):
        if !nodes[index].isMute { nodes[index].outbox.append(payload) }
      case .request(.disconnect): leaveGroup(index)
      case .request(.leave): break
      case .acquire(let vif):
        checkSecondHolder(vif.id, at: index)
        if !nodes[index].claimed.contains(vif.id) { nodes[index].claimed.append(vif.id) }
        nodes[index].kernel.append(.add(vif))
      case .release(let vif): nodes[index].kernel.append(.remove(vif))
      case .announce(let vif):
        if !nodes[index].present.contains(vif.id) {
          violations.append("\(nodes[index].id) announces \(vif.id) without having it")
        }
        nodes[index].announced.append(vif.id)
      case .cancelAnnouncements: break
      case .answer(let ticket, let answer): nodes[index].answers[ticket.rawValue] = answer
      case .keep(let isDrained): nodes[index].isDrained = isDrained
      case .proven(let instant): nodes[index].proven = instant
      case .note(let note):
        count(note)
        nodes[index].notes.append(note)
      case .departed: nodes[index].departed = true
      }
    }
    if nodes[index].departed { crash(index) }  // The process ends.
  }

  private mutating func leaveGroup(_ index: Int) {
    nodes[index].inbox = []
    nodes[index].outbox = []
    nodes[index].configuration = nil
    nodes[index].installed = nil
    nodes[index].joined = false
    feed(.group(.disconnected(.requested)), to: index)
  }

  private mutating func count(_ note: FailoverEngine.Note) {
    switch note {
    case .merged(_, let sets, let conflicts):
      counters.merges += 1
      if sets > 2 { counters.threeSets += 1 }
      if conflicts > 0 { counters.conflicts += 1 }
    case .assigned(_, _, _, _, .balance): counters.balances += 1
    default: break
    }
  }

  // MARK: Properties

  /// DESIGN 3 (i): nobody acquires what another member with the same installed view has.
  private mutating func checkSecondHolder(_ vif: VIFID, at index: Int) {
    for other in nodes.indices
    where other != index && nodes[other].engine != nil
      && nodes[other].installed == nodes[index].installed && nodes[other].claimed.contains(vif)
    {
      violations.append(
        "\(nodes[index].id) acquires \(vif), which \(nodes[other].id) has in the same view"
      )
    }
  }

  /// A place in the order: which view, how many messages of it were delivered, and with whom the
  /// rest is; 0 while the log goes on.
  struct Position: Equatable {
    let view: ViewID
    let delivered: Int
    let ending: Int
  }

  func position(of index: Int) -> Position? {
    let node = nodes[index]
    var ending = node.configuration == nil ? node.lineage : 0
    for item in node.inbox {
      if case .view(_, _, let lineage) = item {
        ending = lineage
        break
      }
    }
    return node.installed.map { Position(view: $0, delivered: node.delivered, ending: ending) }
  }

  func holders(of vif: VIFID) -> [NodeID] {
    nodes.filter { $0.present.contains(vif) }.map(\.id)
  }

  /// Lets everything happen in a fair order for a time; configurations stay as they are.
  mutating func run(for duration: Duration) {
    let end = now + duration
    var turns = 0
    while violations.isEmpty {
      settle()
      turns += 1
      if turns > 20_000 { violations.append("time does not pass: a deadline stays due") }
      let next = nodes.filter { !$0.isHung }.compactMap { $0.engine?.nextDeadline }.min()
      guard let next, next <= end else { break }
      now = max(now, next)
      for index in nodes.indices { wake(index) }
    }
    now = end
  }

  /// Delivers and completes all there is, without time passing.
  mutating func settle() {
    var busy = true
    while busy {
      busy = false
      for index in canOrder {
        order(index)
        busy = true
      }
      for index in nodes.indices where !nodes[index].inbox.isEmpty && !nodes[index].isHung {
        deliver(index)
        busy = true
      }
      for index in nodes.indices where !nodes[index].kernel.isEmpty && !nodes[index].isHung {
        completeKernel(index)
        busy = true
      }
    }
  }

  /// Gives a node a command with this ticket.
  mutating func command(_ command: FailoverEngine.Command, _ ticket: UInt64, at index: Int) {
    feed(.command(command, .init(ticket)), to: index)
  }

  /// Another configuration is read while the node runs.
  mutating func reload(_ index: Int, vifs: [VirtualInterface], ticket: UInt64 = 99) {
    var settings = FailoverEngine.Settings(node: nodes[index].id, group: Self.group, vifs: vifs)
    adjust(nodes[index].id, &settings)
    command(.reload(settings), ticket, at: index)
  }

  /// One line per VIF: who has it, by node name.
  var coverage: [String] {
    vifs.map { vif in
      holders(of: vif.id).map(\.description).joined(separator: "+")
    }
  }

  /// Nodes in the order of names.
  func index(_ id: NodeID) -> Int { nodes.firstIndex { $0.id == id } ?? 0 }
}

let eth0 = interface("eth0")

func interface(_ name: String) -> InterfaceName {
  guard let name = InterfaceName(name) else { preconditionFailure(name) }
  return name
}

/// The VIF 10.0.0.(100 + n) on eth0.
func vif(_ number: Int, on name: String = "eth0") -> VirtualInterface {
  let address = IPAddress.v4(IPv4Address(0x0A00_0064 + UInt32(number)))
  guard let prefix = IPPrefix(address: address, length: 32),
    let vif = VirtualInterface(
      addresses: [InterfaceAddress(interface: interface(name), prefix: prefix)]
    )
  else { preconditionFailure("no VIF \(number)") }
  return vif
}
