// SPDX-License-Identifier: Apache-2.0

import Addresses
import Glibc
import Machine
import Namespaces
import Reactor
import Synchronization
import Testing

@testable import Netlink

@Suite("Netlink on the loop", .enabled(if: Namespace.isAllowed, "needs root"))
struct NetlinkServiceTests {
  private func spin(_ loop: EventLoop, until done: () -> Bool) throws {
    let limit = BootClock.now + .seconds(5)
    while !done(), BootClock.now < limit { try loop.turn(until: limit) }
  }

  @Test("The first report is a snapshot; changes by others and by us follow")
  func reports() throws {
    let namespace = try Namespace.enter()
    defer { namespace.leave() }
    let loop = try EventLoop()
    var events: [NetworkEvent] = []
    var completions: [NetlinkService.Completion] = []
    let service = try NetlinkService(
      on: loop,
      report: { events.append($0) },
      complete: { completions.append($0) }
    )
    try spin(loop) { !events.isEmpty }
    guard case .snapshot(let links, let addresses) = events.first else {
      Issue.record("the first report is \(String(describing: events.first))")
      return
    }
    let eth0 = try #require(links.first { $0.name.text == "eth0" })
    #expect(Set(links.map(\.name.text)) == ["lo", "eth0", "peer0"])
    // The kernel says that a fresh veth pair has a carrier a moment after it is up.
    if eth0.state != .up {
      #expect(eth0.state == .noCarrier)
      let isUp = { (event: NetworkEvent) in
        if case .link(let link) = event {
          link.index == eth0.index && link.state == .up
        } else {
          false
        }
      }
      try spin(loop) { events.contains(where: isUp) }
      #expect(events.contains(where: isUp))
    }
    #expect(eth0.mac != nil)
    #expect(eth0.mtu == 1_500)
    #expect(addresses.contains { $0.prefix.description == "127.0.0.1/8" })

    let vip = address("10.0.0.5/32")
    events = []
    let request = service.submit([.add(vip, AddressOptions())])
    try spin(loop) {
      completions.count == 1
        && events.contains {
          if case .address(let seen) = $0 { seen.prefix == vip.prefix } else { false }
        }
    }
    #expect(completions.map(\.request) == [request])
    #expect(completions.map(\.outcomes) == [[.done]])

    events = []
    try Namespace.ip("addr del 10.0.0.5/32 dev eth0")
    let gone = NetworkEvent.addressGone(index: eth0.index, prefix: vip.prefix)
    try spin(loop) { events.contains(gone) }
    #expect(events.contains(gone))

    events = []
    try Namespace.ip("link set peer0 down")
    try spin(loop) {
      events.contains {
        if case .link(let link) = $0 {
          link.index == eth0.index && link.state == .noCarrier
        } else {
          false
        }
      }
    }
    try Namespace.ip("link del eth0")
    let vanished = NetworkEvent.linkGone(index: eth0.index, name: eth0.name)
    try spin(loop) { events.contains(vanished) }
    #expect(events.contains(vanished))
    service.finish()
  }

  @Test("When reports are lost the monitor says so, and goes on")
  func overrun() throws {
    let namespace = try Namespace.enter()
    defer { namespace.leave() }
    let monitor = try NetlinkMonitor(receiveBuffer: 4_096)
    let keeper = AddressKeeper(journal: nil)
    let vips = (1...200).map { address("10.0.0.\($0)/32") }
    _ = keeper.apply(vips.map { .add($0, AddressOptions()) })
    var reports: [NetlinkMonitor.Report] = []
    monitor.read(limit: 1_000) { reports.append($0) }
    #expect(reports.contains(.overrun))
    reports = []
    _ = keeper.apply([.remove(vips[0])])
    monitor.read { reports.append($0) }
    let eth0 = if_nametoindex("eth0")
    // On a busy machine the carrier of the fresh link is told of as late.
    #expect(reports.last == .event(.addressGone(index: eth0, prefix: vips[0].prefix)))
    #expect(!reports.contains(.overrun))
  }

  /// Holds up whatever is added until it is opened.
  private final class Gate: AddressJournal {
    private let isOpen = Mutex(false)
    func open() { isOpen.withLock { $0 = true } }
    func willAdd(_ address: OwnedAddress) -> Bool {
      while !isOpen.withLock({ $0 }) { usleep(1_000) }
      return true
    }
    func didRemove(_ address: OwnedAddress) {}
  }

  @Test("The hosts that the kernel knows are listed whatever changes of addresses wait for")
  func neighbors() throws {
    let namespace = try Namespace.enter()
    defer { namespace.leave() }
    try Namespace.ip("neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 nud reachable dev eth0")
    let loop = try EventLoop()
    let gate = Gate()
    var found: [NetworkNeighbor] = []
    var completions = 0
    let service = try NetlinkService(
      on: loop,
      journal: gate,
      report: { if case .neighbors(let all) = $0 { found = all } },
      complete: { _ in completions += 1 }
    )
    service.submit([.add(address("10.0.0.5/32"), AddressOptions())])
    service.askForNeighbors(on: [if_nametoindex("eth0")], most: 10)
    try spin(loop) { !found.isEmpty }
    #expect(found.map(\.neighbor.address.description) == ["10.0.0.9"] && completions == 0)
    gate.open()
    try spin(loop) { completions == 1 }
    #expect(completions == 1)
    service.finish()
  }

  @Test("Of many hosts those are told that were heard last, on the interfaces that matter")
  func latest() {
    let all = (1...9).map { number in
      let address = address("10.0.0.\(number)/32").prefix.address
      let neighbor = Neighbor(address, at: MACAddress(0x0200_0000_0000 + UInt64(number)))
      return NetworkNeighbor(
        index: number == 9 ? 2 : 1,
        neighbor: neighbor,
        age: UInt32(abs(number - 5))
      )
    }
    let two = NetlinkService.latest(2, of: all, on: [1])
    #expect(two.map(\.age) == [0, 1])
    #expect(NetlinkService.latest(8, of: all, on: [1]) == Array(all.prefix(8)))
  }

  @Test("Finishing waits for what was asked")
  func finish() throws {
    let namespace = try Namespace.enter()
    defer { namespace.leave() }
    let loop = try EventLoop()
    var completions: [NetlinkService.Completion] = []
    let service = try NetlinkService(
      on: loop,
      report: { _ in },
      complete: { completions.append($0) }
    )
    for number in 1...20 {
      service.submit([.add(address("10.0.0.\(number)/32"), AddressOptions())])
    }
    service.finish()
    #expect(completions.map(\.outcomes) == Array(repeating: [.done], count: 20))
    let late = [AddressChange.remove(address("10.0.0.1/32"))]
    service.submit(late)
    service.finish()
    #expect(completions.last?.outcomes == late.map { .failed(NetlinkError($0, .busy)) })
  }
}
