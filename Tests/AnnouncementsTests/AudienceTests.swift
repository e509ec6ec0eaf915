// SPDX-License-Identifier: Apache-2.0

import Addresses
import Announcements
import GroupModel
import LinkWire
import Machine
import Testing

/// Who is told of a VIF by itself, and whom the members know.
@Suite struct AudienceTests {
  private let eth0 = interface("eth0")
  private let hardware = MACAddress(0x0200_0000_0A01)
  private let peer = MACAddress(0x0200_0000_0A02)
  private let stranger = MACAddress(0x0200_0000_0AFF)
  private let client = MACAddress(0x0200_0000_0CCC)
  private let vip = IPv4Address(0x0A00_0065)

  private func engine(_ adjust: (inout AnnouncementsEngine.Settings) -> Void = { _ in }) -> Driver {
    var settings = AnnouncementsEngine.Settings()
    settings.offsets = [.zero, .seconds(2)]
    settings.managed = [vif("10.0.0.101")]
    adjust(&settings)
    var driver = Driver(AnnouncementsEngine(settings))
    driver.feed(.hardware(eth0, hardware))
    return driver
  }

  private func host(_ last: UInt32) -> IPv4Address { IPv4Address(0x0A00_0000 + last) }

  private func network(_ text: String, _ length: Int) -> IPPrefix {
    guard let address = IPAddress(text: text),
      let prefix = IPPrefix(address: address, length: length)
    else { preconditionFailure(text) }
    return prefix
  }

  /// The frame by which the holder of the VIF tells a host, to everybody if it is not known where it is.
  private func telling(_ last: UInt32, at place: MACAddress = .broadcast) -> [UInt8] {
    ARPPacket.request(for: host(last), from: vip, at: hardware).framed(to: place).encoded()
  }

  /// A host asks where the VIF is.
  private func question(from last: UInt32, _ place: MACAddress) -> AnnouncementsEngine.Event {
    .received(ARPPacket.request(for: vip, from: host(last), at: place).framed().encoded(), on: eth0)
  }

  /// Somebody claims the VIF for three seconds.
  private func claims(_ driver: inout Driver, by place: MACAddress) {
    for _ in 0..<3 {
      driver.now += .seconds(1)
      let frame = ARPPacket.gratuitousReply(for: vip, at: place).framed().encoded()
      driver.feed(.received(frame, on: eth0))
    }
  }

  /// The frames that are not announcements to everybody.
  private func targeted(_ driver: Driver) -> [[UInt8]] {
    let announcements = [
      ARPPacket.gratuitousRequest(for: vip, at: hardware).framed().encoded(),
      ARPPacket.gratuitousReply(for: vip, at: hardware).framed().encoded(),
    ]
    return driver.frames.filter { !announcements.contains($0) }
  }

  @Test(
    "Each host of a network is told twice, at its throttle, but for the VIF and what is no host"
  )
  func networks() {
    var driver = engine {
      $0.audiences = [
        .network(network("10.0.0.0", 29), interface: nil, throttle: 10, ping: true),
        .network(network("10.0.0.101", 32), interface: nil, throttle: nil, ping: false),
        .network(network("10.0.1.0", 24), interface: nil, throttle: nil, ping: false),
        .network(network("10.0.0.9", 32), interface: interface("eth1"), throttle: nil, ping: false),
      ]
    }
    driver.feed(.announce(vif("10.0.0.101")))
    driver.run(until: .milliseconds(1_999))
    // Two announcements, then one host every 100 ms; .0 is the network's own address.
    #expect(driver.times == [0, 0, 0, 100, 200, 300, 400, 500, 600])
    #expect(targeted(driver) == (1...7).map { telling($0) })
    driver.run(until: .seconds(60))
    #expect(targeted(driver) == (1...7).map { telling($0) } + (1...7).map { telling($0) })
    #expect(driver.engine.nextDeadline == nil)
  }

  @Test("A hint says how wide the network is; pace holds for everything together")
  func hints() {
    let address = vif("10.0.0.101").addresses[0]
    var driver = engine {
      $0.networks = [.init(of: address, length: 16)]
      $0.audiences = [.network(network("10.0.1.0", 24), interface: nil, throttle: nil, ping: false)]
      (($0.framesPerSecond), ($0.burst)) = (100, 1)
    }
    driver.feed(.announce(vif("10.0.0.101")))
    driver.run(until: .milliseconds(1_999))
    #expect(driver.frames.count == 200)
    #expect(zip(driver.times, driver.times.dropFirst()).allSatisfy { $1 - $0 == 10 })
    // The second round waits for the end of the first.
    driver.feed(.cancel(vif("10.0.0.101").id))
    driver.run(until: .seconds(60))
    #expect(driver.frames.count == 200, "nothing of a VIF outlives its release")
  }

  @Test("A client that asked for the VIF, at whatever member, is told where it is now")
  func knownHosts() {
    var driver = engine { $0.audiences = [.knownHosts(ping: true)] }
    driver.feed(.members(["b"]))
    driver.feed(question(from: 9, client))
    driver.feed(
      .neighbors(
        [.init(Neighbor(.v4(host(8)), at: MACAddress(0x0200_0000_0008)), ago: .zero)],
        on: eth0
      )
    )
    let elsewhere = MACAddress(0x0200_0000_0007)
    let told = AnnouncementsEngine.Sighting(
      Neighbor(.v4(host(7)), at: elsewhere),
      ago: .seconds(30)
    )
    let far = Neighbor(.v4(IPv4Address(0x0A00_0207)), at: elsewhere)
    driver.feed(.told("b", hardware: [peer], hosts: [told, .init(far, ago: .zero)]))
    driver.feed(.announce(vif("10.0.0.101")))
    driver.run(until: .seconds(1))
    let places = [(7, elsewhere), (8, MACAddress(0x0200_0000_0008)), (9, client)]
    let expected = places.flatMap { last, place in
      let echo = EchoRequest(from: .v4(vip), to: .v4(host(UInt32(last))))
      return [telling(UInt32(last), at: place), echo?.framed(to: place, from: hardware).encoded()]
    }
    #expect(targeted(driver) == expected)
    // The others hear of what was seen here only.
    #expect(driver.told.map(\.time) == [0, 1_000])
    #expect(driver.told.allSatisfy { $0.hardware == [hardware] })
    #expect(driver.told[1].hosts.map(\.neighbor.address) == [.v4(host(8)), .v4(host(9))])
    driver.run(until: .seconds(125))
    #expect(driver.told.map(\.time) == [0, 1_000, 61_000, 121_000])
    // They are forgotten in the end.
    driver.run(until: .seconds(21 * 60 + 2))
    #expect(driver.told.last?.hosts.isEmpty == true)
    driver.feed(.members([]))
    #expect(driver.engine.nextDeadline == nil)
  }

  @Test(
    "Without an audience nobody is remembered, and members, strangers and groups are no clients"
  )
  func noClients() {
    for isAsked in [false, true] {
      var driver = engine { if isAsked { $0.audiences = [.knownHosts(ping: false)] } }
      driver.feed(.members(["b"]))
      driver.feed(.told("b", hardware: [peer], hosts: []))
      driver.feed(question(from: 2, peer))
      driver.feed(question(from: 3, .broadcast))
      driver.feed(question(from: 4, hardware))
      driver.feed(question(from: 101, stranger))
      if !isAsked { driver.feed(question(from: 9, client)) }
      driver.run(until: .seconds(2))
      #expect(driver.told.last?.hosts.isEmpty == true)
    }
  }

  @Test("However many speak, so many are remembered and so many told, the latest")
  func bounds() {
    var driver = engine { $0.audiences = [.knownHosts(ping: false)] }
    for number in 0..<5_000 {
      driver.now += .milliseconds(1)
      let address = IPv4Address(0x0A01_0000 + UInt32(number))
      let frame = ARPPacket.request(for: vip, from: address, at: client).framed().encoded()
      driver.feed(.received(frame, on: eth0))
    }
    driver.feed(.members(["b"]))
    driver.run(until: .seconds(7))
    #expect(driver.told[1].hosts.count == 512)
    let latest = driver.told[1].hosts.map(\.neighbor.address).min()
    #expect(latest == .v4(IPv4Address(0x0A01_0000 + 5_000 - 512)))
  }

  @Test("Who holds an address asks at the beginning and at the end whether somebody else has it")
  func probes() {
    var driver = engine { $0.probes = true }
    driver.feed(.announce(vif("10.0.0.101")))
    driver.run(until: .seconds(10))
    let probe = ARPPacket.probe(for: vip, from: hardware).framed().encoded()
    #expect(zip(driver.frames, driver.times).filter { $0.0 == probe }.map(\.1) == [0, 2_000])
  }

  @Test(
    "A stranger with an address of the cluster is noticed where it is not held, a member is none"
  )
  func strangersElsewhere() {
    var driver = engine()
    driver.feed(.members(["b", "c"]))
    driver.feed(.told("b", hardware: [peer], hosts: []))
    claims(&driver, by: stranger)
    #expect(driver.conflicts.isEmpty, "it may be c")
    driver.feed(.told("c", hardware: [stranger], hosts: []))
    claims(&driver, by: stranger)
    claims(&driver, by: peer)
    #expect(driver.conflicts.isEmpty)
    let other = MACAddress(0x0200_0000_0BAD)
    claims(&driver, by: other)
    #expect(driver.conflicts == ["10.0.0.101 at \(other)"])
    #expect(driver.frames.isEmpty, "only the holder defends it")
    // Behind a partition it is still no stranger.
    driver.feed(.members(["b"]))
    driver.now += .seconds(100)
    claims(&driver, by: stranger)
    #expect(driver.conflicts.count == 1)
  }

  @Test("A host of IPv6 is asked for in the name of the address")
  func ipv6() {
    var driver = engine {
      $0.managed = [vif("2001:db8::1")]
      $0.audiences = [
        .network(network("2001:db8::7", 128), interface: nil, throttle: nil, ping: false),
        .knownHosts(ping: false),
      ]
    }
    let (target, asker) = (
      IPv6Address(0x2001_0DB8 << 96 | 1), IPv6Address(0x2001_0DB8 << 96 | 9)
    )
    let question = NeighborSolicitation(for: target, from: asker, at: client)
    driver.feed(.received(question.framed(from: client).encoded(), on: eth0))
    driver.feed(.announce(vif("2001:db8::1")))
    driver.run(until: .seconds(1))
    let unknown = NeighborSolicitation(
      for: IPv6Address(0x2001_0DB8 << 96 | 7),
      from: target,
      at: hardware
    )
    let known = NeighborSolicitation(for: asker, from: target, at: hardware)
    #expect(
      driver.frames.dropFirst() == [
        unknown.framed(from: hardware).encoded(),
        known.framed(to: client, from: hardware).encoded(),
      ]
    )
  }

  @Test("Link-local hosts of IPv6 are told too, as routers are, by multicast on the link")
  func linkLocal() {
    let fe80 = { (last: UInt128) in IPv6Address(0xFE80 << 112 | last) }
    let target = IPv6Address(0x2001_0DB8 << 96 | 1)
    var driver = engine {
      $0.offsets = [.zero]
      $0.managed = [vif("2001:db8::1"), vif("eth1/2001:db8:1::1"), vif("10.0.0.101")]
      $0.audiences = [
        .network(network("fe80::7", 128), interface: eth0, throttle: nil, ping: true),
        .knownHosts(ping: true),
      ]
    }
    driver.feed(.hardware(interface("eth1"), peer))
    let question = NeighborSolicitation(for: target, from: fe80(9), at: client)
    driver.feed(.received(question.framed(from: client).encoded(), on: eth0))
    for vif in [vif("2001:db8::1"), vif("eth1/2001:db8:1::1"), vif("10.0.0.101")] {
      driver.feed(.announce(vif))
    }
    driver.run(until: .seconds(1))
    func telling(_ host: UInt128, _ vip: IPv6Address, _ own: MACAddress) -> [UInt8] {
      NeighborSolicitation(for: fe80(host), from: vip, at: own).framed(from: own).encoded()
    }
    let other = IPv6Address(0x2001_0DB8_0001 << 80 | 1)
    let frames = targeted(driver).filter { !$0[..<6].elementsEqual([0x33, 0x33, 0, 0, 0, 1]) }
    #expect(
      Set(frames) == [
        telling(7, target, hardware), telling(9, target, hardware), telling(9, other, peer),
      ]
    )
    #expect(frames.count == 3)
  }

  @Test("A refresh is an announcement to everybody, and nothing else")
  func refresh() {
    var driver = engine {
      ($0.refresh, $0.probes) = (.seconds(10), true)
      $0.audiences = [.network(network("10.0.0.9", 32), interface: nil, throttle: nil, ping: false)]
    }
    driver.feed(.announce(vif("10.0.0.101")))
    driver.run(until: .seconds(3))
    #expect(targeted(driver).count == 4, "two probes and two questions")
    driver.run(until: .seconds(60))
    #expect(targeted(driver).count == 4)
    #expect(driver.frames.count > 8)
  }

  @Test("However late a frame of a series or a round goes out, it is made good when it could not")
  func unsentLater() {
    var driver = engine {
      ($0.framesPerSecond, $0.burst) = (10, 1)
      $0.audiences = [.network(network("10.0.0.9", 32), interface: nil, throttle: nil, ping: false)]
    }
    driver.feed(.announce(vif("10.0.0.101")))
    // The two announcements go out 100 ms apart, and then the question.
    driver.run(until: .milliseconds(200))
    #expect(driver.frames.count == 3)
    driver.feed(.unsent)
    driver.run(until: .milliseconds(900))
    #expect(driver.frames.count == 3)
    driver.feed(.sendable)
    driver.run(until: .milliseconds(1_500))
    #expect(driver.frames.count == 6)
    #expect(targeted(driver).count == 2)
  }

  @Test("Rounds take turns, and end with a reload that wants none")
  func turns() {
    var driver = engine {
      ($0.framesPerSecond, $0.burst) = (100, 1)
      $0.managed = [vif("10.0.0.101"), vif("10.0.0.102")]
      $0.audiences = [.network(network("10.0.0.0", 25), interface: nil, throttle: nil, ping: false)]
    }
    driver.feed(.announce(vif("10.0.0.101")))
    driver.feed(.announce(vif("10.0.0.102")))
    driver.run(until: .milliseconds(140))
    let senders = driver.frames.suffix(10).compactMap { frame in
      (try? EthernetFrame(decoding: frame[...])).flatMap { try? ARPPacket(decoding: $0.payload) }?
        .sender
    }
    #expect(Set(senders).count == 2)
    #expect(zip(senders, senders.dropFirst()).allSatisfy { $0 != $1 })
    var settings = AnnouncementsEngine.Settings()
    settings.offsets = [.zero, .seconds(2)]
    driver.feed(.reconfigure(settings))
    let before = driver.frames.count
    driver.run(until: .milliseconds(1_900))
    #expect(driver.frames.count == before)
  }

  @Test("Other interfaces of this machine are no strangers, and alone nobody can tell who is one")
  func ownInterfaces() {
    var driver = engine()
    claims(&driver, by: stranger)
    #expect(driver.conflicts.isEmpty, "alone, and it is not held here")
    let second = MACAddress(0x0200_0000_1A01)
    driver.feed(.station([hardware, second]))
    driver.feed(.announce(vif("10.0.0.101")))
    claims(&driver, by: second)
    #expect(driver.conflicts.isEmpty)
    driver.feed(.members(["b"]))
    driver.run(until: driver.now.sinceBoot + .seconds(2))
    #expect(driver.told.last?.hardware == [hardware, second])
    claims(&driver, by: stranger)
    #expect(driver.conflicts.count == 1 && driver.engine.conflicts.count == 1)
    driver.run(until: driver.now.sinceBoot + .seconds(61))
    #expect(driver.engine.conflicts.isEmpty, "it is silent")
    claims(&driver, by: stranger)
    driver.feed(.told("b", hardware: [stranger], hosts: []))
    #expect(driver.engine.conflicts.isEmpty, "it was a member")
  }

  @Test("Another hardware address is announced and told at once, with all rounds anew")
  func otherHardware() {
    let other = MACAddress(0x0200_0000_0A11)
    var driver = engine {
      $0.audiences = [.network(network("10.0.0.0", 24), interface: nil, throttle: 10, ping: false)]
    }
    driver.feed(.hardware(interface("eth1"), MACAddress(0x0200_0000_0B01)))
    driver.feed(.members(["b"]))
    driver.feed(.announce(vif("10.0.0.101")))
    driver.feed(.announce(vif("eth1/10.0.0.102")))
    driver.run(until: .seconds(5))
    driver.frames = []
    driver.feed(.hardware(eth0, hardware))
    #expect(driver.frames.isEmpty, "it is what the neighbours know")
    let told = driver.told.count
    driver.feed(.hardware(eth0, other))
    let first = ARPPacket.request(for: host(1), from: vip, at: other).framed(to: .broadcast)
    #expect(
      driver.frames == [
        ARPPacket.gratuitousRequest(for: vip, at: other).framed().encoded(),
        ARPPacket.gratuitousReply(for: vip, at: other).framed().encoded(),
        first.encoded(),
      ]
    )
    #expect(driver.told.count == told + 1 && driver.told.last?.hardware.first == other)
    driver.run(until: .seconds(8))
    #expect(driver.times.suffix(1_000).contains(7_000), "and the rest of the series follows")
  }

  @Test("Who comes with other hardware is no stranger to those it joins")
  func otherHardwareAtStart() {
    var member = engine()
    member.feed(.members(["b"]))
    member.feed(.told("b", hardware: [peer], hosts: []))
    var comer = Driver(AnnouncementsEngine(.init()))
    comer.feed(.hardware(eth0, stranger))
    comer.feed(.members(["a"]))
    #expect(comer.told.count == 1 && comer.told[0].hosts.isEmpty)
    member.feed(.told("b", hardware: comer.told[0].hardware, hosts: []))
    claims(&member, by: stranger)
    #expect(member.conflicts.isEmpty)
  }

  @Test("However many audiences there are, one event does only so much; the rest follows at once")
  func bounded() {
    let foreign = (0..<1_000).map { number in
      AnnouncementsEngine.Audience.network(
        network("10.1.\(number / 250).\(number % 250)", 32),
        interface: nil,
        throttle: nil,
        ping: false
      )
    }
    var driver = engine {
      let own = network("10.0.0.9", 32)
      $0.audiences = foreign + [.network(own, interface: nil, throttle: nil, ping: false)]
    }
    driver.feed(.announce(vif("10.0.0.101")))
    #expect(targeted(driver).isEmpty)
    #expect(driver.engine.nextDeadline.map { $0 <= driver.now } == true)
    driver.run(until: .milliseconds(1))
    #expect(targeted(driver) == [telling(9)] && driver.times.last == 0)
  }

  @Test("Each network is told at its own throttle")
  func throttles() {
    var driver = engine {
      $0.offsets = [.zero]
      $0.audiences = [
        .network(network("10.0.0.0", 26), interface: nil, throttle: 4, ping: false),
        .network(network("10.0.0.128", 26), interface: nil, throttle: 10, ping: false),
      ]
    }
    driver.feed(.announce(vif("10.0.0.101")))
    driver.run(until: .milliseconds(1_990))
    let told = targeted(driver)
    #expect(told.filter { (1...8).map { telling($0) }.contains($0) }.count == 8)
    #expect(told.filter { (128...147).map { telling($0) }.contains($0) }.count == 20)
    #expect(told.count == 28)
  }

  @Test("A client that is heard of while others are being told is told, too")
  func knownMeanwhile() {
    var driver = engine {
      ($0.framesPerSecond, $0.burst) = (10, 1)
      $0.audiences = [.knownHosts(ping: false)]
    }
    driver.feed(question(from: 8, client))
    driver.feed(question(from: 12, client))
    driver.feed(.announce(vif("10.0.0.101")))
    driver.run(until: .milliseconds(250))
    driver.feed(question(from: 9, client))
    driver.run(until: .milliseconds(1_000))
    #expect(targeted(driver) == [8, 9, 12].map { telling($0, at: client) })
  }

  @Test("Of many hosts that are learnt together, the latest are kept, each once")
  func together() {
    var driver = engine {
      ($0.framesPerSecond, $0.burst) = (100_000, 10_000)
      $0.managed = [vif("10.0.0.101")]
      $0.networks = [.init(of: vif("10.0.0.101").addresses[0], length: 16)]
      $0.audiences = [.knownHosts(ping: false)]
    }
    func sighting(_ number: UInt32, _ age: Int64) -> AnnouncementsEngine.Sighting {
      let place = MACAddress(0x0200_0001_0000 + UInt64(number))
      return .init(Neighbor(.v4(host(number)), at: place), ago: .seconds(age))
    }
    driver.now += .seconds(1_000)
    // The higher the number the longer ago, and not in order.
    let all = (0..<2_000).map { (index: UInt32) in 0x1000 + index * 7 % 2_000 }
    driver.feed(.neighbors(all.map { sighting($0, Int64($0 - 0x1000) / 4) }, on: eth0))
    let others = (0..<500).map { (index: UInt32) in 0x1000 + 1_900 + index }
    driver.feed(.told("b", hardware: [peer], hosts: others.map { sighting($0, 1) }))
    driver.feed(.announce(vif("10.0.0.101")))
    driver.run(until: driver.now.sinceBoot + .seconds(1))
    // The 100 that b saw too are new again, and the oldest of the others have given way.
    let kept = (0..<1_548).map { 0x1000 + $0 } + others
    #expect(
      targeted(driver) == kept.map { telling($0, at: MACAddress(0x0200_0001_0000 + UInt64($0))) }
    )
  }
}
