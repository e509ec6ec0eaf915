// SPDX-License-Identifier: Apache-2.0

import Addresses
import Announcements
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
    let request = ARPPacket.gratuitousRequest(for: address, at: hardware).broadcast().encoded()
    let reply = ARPPacket.gratuitousReply(for: address, at: hardware).broadcast().encoded()
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
    #expect(driver.frames.last == advertisement.multicast(from: hardware).encoded())
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
}

/// An announcer with a clock.
struct Driver {
  var engine: AnnouncementsEngine
  var now = Instant.boot
  var frames: [[UInt8]] = []
  var interfaces: [String] = []
  /// In milliseconds.
  var times: [Int64] = []

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
