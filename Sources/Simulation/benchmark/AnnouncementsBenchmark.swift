// SPDX-License-Identifier: Apache-2.0

import Addresses
import Announcements
import ArgumentParser
import GroupModel
import LinkWire
import Machine

/// What the announcer costs the loop for each event while it has very much to tell.
struct AnnouncementsBenchmark: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "announcements",
    abstract: "Events of the announcer while there is much to tell."
  )

  @Option(help: "How many addresses are held, each a VIF.")
  var addresses = 200

  @Option(help: "How many single hosts Notify names.")
  var notified = 1_000

  @Option(help: "How many hosts the kernel knows.")
  var neighbors = 5_000

  func run() throws {
    guard (1...4_096).contains(addresses), (0...1_024).contains(notified),
      (0...65_000).contains(neighbors)
    else {
      throw ValidationError("at most 4096 addresses, 1024 hosts of Notify, and 65000 neighbours")
    }
    var announcer = Announcer(addresses: addresses, notified: notified)
    print("\(addresses) addresses, \(notified) hosts of Notify, \(neighbors) neighbours:")
    announcer.learn(neighbors)
    announcer.announce()
    announcer.listen(frames: 2_000)
    announcer.cancel()
    for (name, costs) in announcer.costs {
      let sorted = costs.sorted()
      let mean = costs.reduce(0, +) / Double(costs.count)
      let p99 = sorted[(sorted.count - 1) * 99 / 100]
      let figures = [mean, p99, sorted[sorted.count - 1]].map { "\(Int($0 * 1_000_000))" }
      print("  \(name): \(figures[0]) us, p99 \(figures[1]) us, worst \(figures[2]) us")
    }
  }
}

/// An announcer with a clock, and what each of its events took.
private struct Announcer {
  private var engine: AnnouncementsEngine
  private let vifs: [VirtualInterface]
  private let eth0: InterfaceName
  private var now = Instant.boot
  private var effects = EffectQueue<AnnouncementsEngine.Effect>()
  private(set) var costs: [(name: String, seconds: [Double])] = []

  init(addresses: Int, notified: Int) {
    guard let eth0 = InterfaceName("eth0") else { preconditionFailure("a name") }
    func at(_ number: UInt32, _ length: Int) -> IPPrefix {
      let address = IPAddress.v4(IPv4Address(0x0A00_0000 + number))
      guard let prefix = IPPrefix(address: address, length: length) else {
        preconditionFailure("a prefix")
      }
      return prefix
    }
    let all = (0..<UInt32(addresses)).map {
      InterfaceAddress(interface: eth0, prefix: at(0x10000 + $0, 16))
    }
    vifs = all.compactMap { VirtualInterface(addresses: [$0]) }
    var settings = AnnouncementsEngine.Settings()
    settings.managed = vifs
    settings.networks = all.map { .init(of: $0, length: 8) }
    settings.audiences = (0..<UInt32(notified)).map {
      .network(at(0x20001 + $0, 32), interface: nil, throttle: nil, ping: false)
    }
    settings.audiences.append(.knownHosts(ping: false))
    (self.eth0, engine) = (eth0, AnnouncementsEngine(settings))
    feed(.hardware(eth0, MACAddress(0x0200_0000_0A01)), as: nil)
    feed(.members(["b"]), as: nil)
  }

  private static func client(_ number: Int) -> Neighbor {
    let address = IPAddress.v4(IPv4Address(0x0A03_0000 + UInt32(number)))
    return Neighbor(address, at: MACAddress(0x0200_0100_0000 + UInt64(number)))
  }

  mutating func learn(_ count: Int) {
    let sightings = (0..<count).map {
      AnnouncementsEngine.Sighting(Self.client($0), ago: .seconds($0 % 600))
    }
    now += .seconds(1_000)
    feed(.neighbors(sightings, on: eth0), as: "the kernel's neighbours")
    now += .seconds(60)
    feed(.neighbors(sightings, on: eth0), as: "the kernel's neighbours, again")
  }

  mutating func announce() {
    for vif in vifs { feed(.announce(vif), as: "announce") }
  }

  /// Deadlines as they fall due, and a frame of a neighbour between each two.
  mutating func listen(frames: Int) {
    let client = MACAddress(0x0200_0000_0C01)
    for number in 0..<frames {
      while let next = engine.nextDeadline, next <= now { advance() }
      let question = ARPPacket.request(
        for: IPv4Address(0x0A01_0000 + UInt32(number % vifs.count)),
        from: IPv4Address(0x0A04_0000 + UInt32(number)),
        at: client
      )
      feed(.received(question.framed().encoded(), on: eth0), as: "a neighbour's frame")
      now += .milliseconds(2)
    }
  }

  mutating func cancel() {
    for vif in vifs { feed(.cancel(vif.id), as: "cancel") }
  }

  private mutating func advance() {
    let began = processorSeconds()
    engine.advance(to: now, into: &effects)
    _ = engine.nextDeadline
    note(began, as: "a deadline")
  }

  private mutating func feed(_ event: AnnouncementsEngine.Event, as name: String?) {
    let began = processorSeconds()
    engine.handle(event, at: now, into: &effects)
    _ = engine.nextDeadline
    if let name { note(began, as: name) }
  }

  private mutating func note(_ began: Double, as name: String) {
    let cost = processorSeconds() - began
    _ = effects.takeAll()
    if let index = costs.firstIndex(where: { $0.name == name }) {
      costs[index].seconds.append(cost)
    } else {
      costs.append((name, [cost]))
    }
  }
}
