// SPDX-License-Identifier: Apache-2.0

import Addresses
import Announcements
import GroupModel
import LinkWire
import Machine
import Testing

/// When which frames are sent.
@Suite struct AnnouncementsTests {
  private let eth0 = interface("eth0")
  private let hardware = MACAddress(0x0200_0000_0A01)

  private func engine(
    _ adjust: (inout AnnouncementsEngine.Settings) -> Void = { _ in }
  ) -> Driver {
    var settings = AnnouncementsEngine.Settings()
    adjust(&settings)
    var driver = Driver(AnnouncementsEngine(settings))
    driver.feed(.hardware(eth0, hardware))
    return driver
  }

  @Test("A VIF is announced in both forms at 0, 0.1, 0.5, 1 and 2 s")
  func series() throws {
    var driver = engine()
    driver.feed(.announce(vif("10.0.0.101")))
    driver.run(until: .seconds(10))
    #expect(driver.times == [0, 0, 100, 100, 500, 500, 1_000, 1_000, 2_000, 2_000])
    let address = IPv4Address(0x0A00_0065)
    let request = ARPPacket.gratuitousRequest(for: address, at: hardware).framed().encoded()
    let reply = ARPPacket.gratuitousReply(for: address, at: hardware).framed().encoded()
    #expect(driver.frames == (0..<5).flatMap { _ in [request, reply] })
    #expect(driver.engine.nextDeadline == nil)
  }

  @Test("Every address of a set is announced, each on its interface")
  func set() {
    var driver = engine()
    driver.feed(.hardware(interface("eth1"), MACAddress(0x0200_0000_0A02)))
    driver.feed(.announce(vif("10.0.0.103", "eth1/192.168.1.1", "2001:db8::1")))
    #expect(driver.interfaces == ["eth0", "eth0", "eth1", "eth1", "eth0"])
    let advertisement = NeighborAdvertisement(
      unsolicitedFor: IPv6Address(0x2001_0DB8 << 96 | 1),
      at: hardware,
      router: false
    )
    #expect(driver.frames.last == advertisement.framed(from: hardware).encoded())
  }

  @Test("Other settings hold at once, and repeat nothing that was sent in time")
  func reconfigured() {
    var driver = engine { $0.offsets = [.zero, .seconds(1), .seconds(60)] }
    driver.feed(.announce(vif("10.0.0.101")))
    driver.run(until: .milliseconds(1_500))
    #expect(driver.times == [0, 0, 1_000, 1_000])
    var settings = AnnouncementsEngine.Settings()
    settings.offsets = [.zero, .milliseconds(500), .seconds(1), .seconds(3)]
    settings.refresh = .seconds(10)
    driver.feed(.reconfigure(settings))
    #expect(driver.times.count == 4)
    driver.run(until: .seconds(14))
    #expect(driver.times == [0, 0, 1_000, 1_000, 3_000, 3_000, 13_000, 13_000])
  }

  @Test("After a release nothing is sent, not even what was queued")
  func cancelled() {
    var driver = engine { ($0.burst, $0.framesPerSecond) = (1, 10) }
    driver.feed(.announce(vif("10.0.0.101")))
    #expect(driver.times == [0])
    driver.run(until: .milliseconds(50))
    driver.feed(.cancel(vif("10.0.0.101").id))
    driver.run(until: .seconds(10))
    #expect(driver.times == [0])
    #expect(driver.engine.nextDeadline == nil)
  }

  @Test("A cancelled VIF leaves the others queued")
  func cancelsOne() {
    var driver = engine { ($0.burst, $0.framesPerSecond) = (1, 10) }
    driver.feed(.announce(vif("10.0.0.101")))
    driver.feed(.announce(vif("10.0.0.102")))
    driver.feed(.cancel(vif("10.0.0.101").id))
    driver.run(until: .milliseconds(450))
    #expect(driver.frames.count == 3)
    #expect(driver.frames.dropFirst().allSatisfy { $0[31] == 102 })
  }

  @Test("In no second are there more frames than the rate and one burst")
  func paced() {
    var driver = engine { ($0.burst, $0.framesPerSecond) = (8, 20) }
    for number in 1...40 { driver.feed(.announce(vif("10.0.0.\(number)"))) }
    driver.run(until: .seconds(30))
    let times = driver.times
    for start in times {
      #expect(times.count { $0 >= start && $0 < start + 1_000 } <= 28)
    }
    // Each VIF got its turn, in both forms, although the rate allows less than one step of all.
    for number in 1...40 {
      let own = driver.frames.filter { $0[31] == UInt8(number) }
      #expect(own.contains { $0[21] == 1 } && own.contains { $0[21] == 2 })
    }
  }

  @Test("A new announcement starts the series again")
  func restarted() {
    var driver = engine()
    driver.feed(.announce(vif("10.0.0.101")))
    driver.run(until: .milliseconds(300))
    driver.feed(.announce(vif("10.0.0.101")))
    driver.run(until: .seconds(10))
    #expect(driver.times.count == 14)
    #expect(driver.times.last == 2_300)
  }

  @Test("Without a hardware address nothing is sent; with it the rest of the series is")
  func lateHardware() {
    var driver = Driver(AnnouncementsEngine(.init()))
    driver.feed(.announce(vif("10.0.0.101")))
    driver.run(until: .milliseconds(200))
    #expect(driver.frames.isEmpty)
    driver.feed(.hardware(eth0, hardware))
    driver.run(until: .seconds(10))
    #expect(driver.times == [500, 500, 1_000, 1_000, 2_000, 2_000])
  }

  @Test("A loop that was late does not make up for missed steps")
  func late() {
    var driver = engine()
    driver.feed(.announce(vif("10.0.0.101")))
    driver.jump(to: .seconds(3))
    #expect(driver.times == [0, 0, 3_000, 3_000])
  }

  @Test("What is refreshed is announced again and again, until its release")
  func refresh() {
    var driver = engine { $0.refresh = .seconds(60) }
    driver.feed(.announce(vif("10.0.0.101")))
    driver.run(until: .seconds(130))
    #expect(driver.times.suffix(4) == [62_000, 62_000, 122_000, 122_000])
    #expect(driver.times.count == 14)
    driver.feed(.cancel(vif("10.0.0.101").id))
    driver.run(until: .seconds(1_000))
    #expect(driver.times.count == 14)
    #expect(driver.engine.nextDeadline == nil)
  }

  @Test("What could not be sent when it was due is sent as soon as it can be, and only that")
  func unsent() {
    var driver = engine()
    driver.feed(.members(["b"]))
    driver.feed(.announce(vif("10.0.0.102")))
    driver.run(until: .milliseconds(700))
    let before = driver.frames.count
    driver.feed(.announce(vif("10.0.0.101")))
    // It is found out a moment later.
    driver.now += .milliseconds(1)
    driver.feed(.unsent)
    #expect(driver.told.map(\.time) == [0, 701], "a message makes the token go round")
    driver.feed(.unsent)
    driver.run(until: .milliseconds(703))
    driver.feed(.sendable)
    #expect(driver.times.suffix(2) == [703, 703])
    #expect(driver.frames.count == before + 4)
    #expect(driver.frames.suffix(2) == driver.frames.dropLast(2).suffix(2))
    driver.feed(.sendable)
    #expect(driver.frames.count == before + 4)
    // What is released meanwhile is not made good.
    driver.feed(.unsent)
    driver.feed(.cancel(vif("10.0.0.101").id))
    driver.feed(.sendable)
    #expect(driver.frames.count == before + 4)
  }

  // MARK: Strangers

  private let stranger = MACAddress(0x0200_0000_0AFF)
  private let address = IPv4Address(0x0A00_0065)

  /// A stranger's claim of the address, in one of the forms.
  private func claim(_ form: (IPv4Address, MACAddress) -> ARPPacket) -> AnnouncementsEngine.Event {
    .received(form(address, stranger).framed().encoded(), on: eth0)
  }

  private func gratuitous(_ address: IPv4Address, _ hardware: MACAddress) -> ARPPacket {
    .gratuitousReply(for: address, at: hardware)
  }

  @Test("One claim is no conflict; who goes on is told of once a minute, and defended against")
  func conflict() {
    var driver = engine()
    driver.feed(.announce(vif("10.0.0.101")))
    driver.run(until: .seconds(5))
    let announced = driver.frames.count
    driver.feed(claim(gratuitous))
    driver.run(until: .milliseconds(5_900))
    driver.feed(claim(gratuitous))
    #expect(driver.conflicts.isEmpty && driver.frames.count == announced)
    for second in 6..<26 {
      driver.run(until: .seconds(second))
      driver.feed(claim(gratuitous))
    }
    #expect(driver.conflicts == ["10.0.0.101 at \(stranger)"])
    #expect(driver.frames.count == announced + 4, "defended twice in 20 s, in both forms")
    #expect(driver.engine.conflicts.map(\.hardware) == [stranger])
    driver.run(until: .seconds(67))
    driver.feed(claim(gratuitous))
    #expect(driver.conflicts.count == 2)
    driver.feed(.cancel(vif("10.0.0.101").id))
    #expect(driver.engine.conflicts.isEmpty)
    driver.feed(claim(gratuitous))
    driver.run(until: .seconds(70))
    driver.feed(claim(gratuitous))
    #expect(driver.conflicts.count == 2)
  }

  @Test("Our own frames, probes, other addresses, and other interfaces are no claims")
  func noConflict() {
    var driver = engine()
    driver.feed(.announce(vif("10.0.0.101")))
    func feed(_ event: AnnouncementsEngine.Event) {
      for _ in 0..<3 {
        driver.now += .seconds(2)
        driver.feed(event)
      }
    }
    feed(
      .received(
        ARPPacket.gratuitousReply(for: address, at: hardware).framed().encoded(),
        on: eth0
      )
    )
    var probe = ARPPacket.gratuitousRequest(for: address, at: stranger)
    probe.sender = IPv4Address(0)
    feed(.received(probe.framed().encoded(), on: eth0))
    var question = ARPPacket.gratuitousRequest(for: address, at: stranger)
    question.sender = IPv4Address(0x0A00_0001)
    feed(.received(question.framed().encoded(), on: eth0))
    feed(
      .received(gratuitous(address, stranger).framed().encoded(), on: interface("eth1"))
    )
    feed(.received([1, 2, 3], on: eth0))
    #expect(driver.conflicts.isEmpty)
  }

  @Test("Conflicts that are only reported are not defended against, ignored ones not even reported")
  func policies() {
    for (policy, told) in [(AnnouncementsEngine.ConflictPolicy.report, 1), (.ignore, 0)] {
      var driver = engine { $0.conflicts = policy }
      driver.feed(.announce(vif("10.0.0.101")))
      driver.run(until: .seconds(5))
      let announced = driver.frames.count
      for second in 6..<10 {
        driver.run(until: .seconds(second))
        driver.feed(claim(gratuitous))
      }
      #expect(driver.conflicts.count == told)
      #expect(driver.frames.count == announced)
    }
  }

  @Test("A neighbour advertisement claims an IPv6 address")
  func conflictIPv6() {
    var driver = engine()
    driver.feed(.announce(vif("2001:db8::1")))
    let target = IPv6Address(0x2001_0DB8 << 96 | 1)
    let frame = NeighborAdvertisement(unsolicitedFor: target, at: stranger, router: false)
      .framed(from: stranger).encoded()
    for second in 3..<6 {
      driver.run(until: .seconds(second))
      driver.feed(.received(frame, on: eth0))
    }
    #expect(driver.conflicts == ["2001:db8::1 at \(stranger)"])
  }
}

/// An announcer with a clock.
struct Driver {
  var engine: AnnouncementsEngine
  var now = Instant.boot
  var frames: [[UInt8]] = []
  var interfaces: [String] = []
  /// In milliseconds.
  var times: [Int64] = []
  var conflicts: [String] = []
  var told: [(time: Int64, hardware: [MACAddress], hosts: [AnnouncementsEngine.Sighting])] = []

  init(_ engine: AnnouncementsEngine) { self.engine = engine }

  mutating func feed(_ event: AnnouncementsEngine.Event) {
    var effects = EffectQueue<AnnouncementsEngine.Effect>()
    engine.handle(event, at: now, into: &effects)
    record(effects.takeAll())
  }

  mutating func run(until time: Duration) {
    let end = Instant(sinceBoot: time)
    while let deadline = engine.nextDeadline, deadline <= end {
      now = max(now, deadline)
      wake()
    }
    now = end
  }

  mutating func jump(to time: Duration) {
    now = Instant(sinceBoot: time)
    wake()
  }

  private mutating func wake() {
    var effects = EffectQueue<AnnouncementsEngine.Effect>()
    engine.advance(to: now, into: &effects)
    record(effects.takeAll())
  }

  private mutating func record(_ effects: [AnnouncementsEngine.Effect]) {
    for effect in effects {
      switch effect {
      case .inject(let frame, let interface):
        frames.append(frame)
        interfaces.append(interface.text)
        times.append(Int64(now.sinceBoot / .milliseconds(1)))
      case .tell(let hardware, let hosts):
        told.append((Int64(now.sinceBoot / .milliseconds(1)), hardware, hosts))
      case .conflict(_, let address, let hardware):
        conflicts.append("\(address) at \(hardware)")
      }
    }
  }
}

func interface(_ name: String) -> InterfaceName {
  guard let name = InterfaceName(name) else { preconditionFailure(name) }
  return name
}

/// A VIF of these addresses, on eth0 unless an interface stands before a slash.
func vif(_ texts: String...) -> VirtualInterface {
  let addresses = texts.map { text in
    let parts = text.split(separator: "/")
    guard let last = parts.last, let address = IPAddress(text: last),
      let prefix = IPPrefix(address: address, length: address.bitWidth)
    else { preconditionFailure(text) }
    let name = parts.count > 1 ? String(parts[0]) : "eth0"
    return InterfaceAddress(interface: interface(name), prefix: prefix)
  }
  guard let vif = VirtualInterface(addresses: addresses) else { preconditionFailure("empty") }
  return vif
}
