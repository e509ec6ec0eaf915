// SPDX-License-Identifier: Apache-2.0

import Addresses
import Glibc
import Machine
import Namespaces
import Reactor
import Synchronization
import Testing

@testable import Netlink

/// Remembers what it was told, and refuses beyond a number of addresses.
private final class Notes: AddressJournal {
  let noted = Mutex<[String]>([])
  let limit: Int
  init(limit: Int = .max) { self.limit = limit }

  func willAdd(_ address: OwnedAddress) -> Bool {
    noted.withLock { noted in
      guard noted.count < limit else { return false }
      noted.append("+\(address)")
      return true
    }
  }
  func didRemove(_ address: OwnedAddress) { noted.withLock { $0.append("-\(address)") } }
  var all: [String] { noted.withLock { $0 } }
}

@Suite("Addresses in the kernel", .enabled(if: Namespace.isAllowed, "needs root"))
struct AddressKeeperTests {
  private let options = AddressOptions()

  /// The addresses on eth0 and peer0, without those that the kernel adds by itself.
  private func listed(_ keeper: AddressKeeper) throws -> [String] {
    try keeper.snapshot().addresses.map { $0.prefix }
      .filter { prefix in
        switch prefix.address {
        case .v4(let address): address.rawValue >> 24 != 127
        case .v6(let address): address.rawValue != 1 && address.rawValue >> 118 != 0xFE80 >> 6
        }
      }
      .sorted().map(\.description)
  }

  @Test("Addresses of both families are added and removed, and said to be so already")
  func addAndRemove() throws {
    let namespace = try Namespace.enter()
    defer { namespace.leave() }
    let notes = Notes()
    let keeper = AddressKeeper(journal: notes)
    let both = [address("10.0.0.101/32"), address("2001:db8::1/128")]
    #expect(keeper.apply(both.map { .add($0, options) }) == [.done, .done])
    #expect(try listed(keeper) == ["10.0.0.101/32", "2001:db8::1/128"])
    #expect(keeper.apply(both.map { .add($0, options) }) == [.already, .already])
    #expect(keeper.apply(both.map { .remove($0) }) == [.done, .done])
    #expect(keeper.apply(both.map { .remove($0) }) == [.already, .already])
    #expect(try listed(keeper) == [])
    let (v4, v6) = (both[0].description, both[1].description)
    #expect(notes.all == ["+\(v4)", "+\(v6)", "-\(v4)", "-\(v6)"])
  }

  @Test("The host's own addresses are never touched")
  func hostAddresses() throws {
    let namespace = try Namespace.enter()
    defer { namespace.leave() }
    let notes = Notes()
    let keeper = AddressKeeper(journal: notes)
    try Namespace.ip("addr add 10.0.0.7/24 dev eth0")
    try Namespace.ip("addr add 2001:db8::7/64 dev eth0")
    let own = [address("10.0.0.7/24"), address("2001:db8::7/64")]
    #expect(keeper.apply(own.map { .add($0, options) }) == [.already, .already])
    let removals: [AddressChange] = own.map { .remove($0) }
    #expect(keeper.apply(removals) == removals.map { .failed(NetlinkError($0, .notOurs)) })
    let renewals: [AddressChange] = own.map { .renew($0, options) }
    #expect(keeper.apply(renewals) == renewals.map { .failed(NetlinkError($0, .notOurs)) })
    #expect(notes.all == [])
    // The same address with another prefix is another address; the host's one stays.
    let other = address("10.0.0.7/32")
    #expect(keeper.apply([.add(other, options), .remove(other)]) == [.done, .done])
    #expect(try listed(keeper) == ["10.0.0.7/24", "2001:db8::7/64"])
  }

  @Test("Label, scope, lifetimes and flags are as asked, and renewed")
  func attributes() throws {
    let namespace = try Namespace.enter()
    defer { namespace.leave() }
    let keeper = AddressKeeper(journal: nil)
    var options = AddressOptions()
    options.label = "eth0:v1"
    options.scope = 253
    options.validLifetime = 100
    options.preferredLifetime = 0
    #expect(keeper.apply([.add(address("10.0.0.9/32"), options)]) == [.done])
    func seen() throws -> NetworkAddress? {
      try keeper.snapshot().addresses
        .first { $0.prefix == address("10.0.0.9/32").prefix }
    }
    let first = try #require(try seen())
    #expect(first.label == "eth0:v1")
    #expect(first.scope == 253)
    #expect(first.flags & 0x200 != 0)
    #expect((98...100).contains(try #require(first.validLifetime)))
    #expect(first.preferredLifetime == 0)
    options.validLifetime = 5_000
    #expect(keeper.apply([.renew(address("10.0.0.9/32"), options)]) == [.done])
    #expect((4_998...5_000).contains(try #require(try seen()?.validLifetime)))
    // Without duplicate address detection an IPv6 address is not tentative (0x40).
    #expect(keeper.apply([.add(address("2001:db8::9/128"), AddressOptions())]) == [.done])
    let v6 = try keeper.snapshot().addresses
      .first { $0.prefix == address("2001:db8::9/128").prefix }
    #expect(try #require(v6).flags & 0x42 == 0x02)
    #expect(try #require(v6).validLifetime == nil)
  }

  @Test("Each change of a batch has its own outcome, with the reason in words")
  func failures() throws {
    let namespace = try Namespace.enter()
    defer { namespace.leave() }
    let notes = Notes()
    let keeper = AddressKeeper(journal: notes)
    var zero = AddressOptions()
    zero.validLifetime = 0
    let changes: [AddressChange] = [
      .add(address("10.0.0.1/32", on: "nosuch0"), options),
      .add(address("10.0.0.2/32"), zero),
      .add(address("10.0.0.3/32"), options),
      .remove(address("10.0.0.4/32", on: "nosuch0")),
    ]
    let outcomes = keeper.apply(changes)
    #expect(
      outcomes[0]
        == .failed(
          NetlinkError(
            changes[0],
            .noSuchInterface(address("10.0.0.1/32", on: "nosuch0").interface)
          )
        )
    )
    guard case .failed(let refused) = outcomes[1], case .kernel(let errno, _) = refused.reason
    else {
      Issue.record("a lifetime of zero was accepted: \(outcomes[1])")
      return
    }
    #expect(errno == Errno(EINVAL))
    #expect(refused.description.hasPrefix("add eth0:10.0.0.2/32: Invalid argument (EINVAL)"))
    #expect(outcomes[2] == .done)
    #expect(outcomes[3] == .already)
    // What the kernel refused is not left in the journal.
    #expect(
      notes.all == ["+eth0:10.0.0.2/32", "+eth0:10.0.0.3/32", "-eth0:10.0.0.2/32"]
    )
  }

  @Test("An address that cannot be noted for the guardian is not added")
  func unguarded() throws {
    let namespace = try Namespace.enter()
    defer { namespace.leave() }
    let keeper = AddressKeeper(journal: Notes(limit: 1))
    let changes: [AddressChange] = [
      .add(address("10.0.0.1/32"), options), .add(address("10.0.0.2/32"), options),
    ]
    #expect(
      keeper.apply(changes) == [.done, .failed(NetlinkError(changes[1], .unguarded))]
    )
    #expect(try listed(keeper) == ["10.0.0.1/32"])
  }

  @Test("Addresses that went with their interface, or are adopted, can be removed and put back")
  func comingAndGoing() throws {
    let namespace = try Namespace.enter()
    defer { namespace.leave() }
    let notes = Notes()
    let keeper = AddressKeeper(journal: notes)
    let vip = address("10.0.0.5/32")
    #expect(keeper.apply([.add(vip, options)]) == [.done])
    try Namespace.ip("addr del 10.0.0.5/32 dev eth0")
    #expect(keeper.apply([.add(vip, options)]) == [.done])
    try Namespace.ip("link del eth0")
    #expect(keeper.apply([.remove(vip)]) == [.already])
    try Namespace.ip("link add eth0 type veth peer name peer0")
    try Namespace.ip("link set eth0 up")
    try Namespace.ip("addr add 10.0.0.5/32 dev eth0")
    // A new run of the daemon knows from its state directory that this one is its own.
    let next = AddressKeeper(journal: notes)
    next.adopt([vip])
    #expect(next.apply([.remove(vip)]) == [.done])
    #expect(try listed(next) == [])
  }

  @Test("Addresses that the kernel removes along with their primary are put back in the same turn")
  func siblings() throws {
    let namespace = try Namespace.enter()
    defer { namespace.leave() }
    let keeper = AddressKeeper(journal: nil)
    var labelled = AddressOptions()
    labelled.label = "eth0:v2"
    let vips = (1...3).map { address("10.0.0.\($0)/24") }
    #expect(
      keeper.apply([.add(vips[0], options), .add(vips[1], labelled), .add(vips[2], options)])
        == [.done, .done, .done]
    )
    #expect(keeper.apply([.remove(vips[0])]) == [.done])
    #expect(try listed(keeper) == ["10.0.0.2/24", "10.0.0.3/24"])
    #expect(try keeper.snapshot().addresses.contains { $0.label == "eth0:v2" })
    // One that somebody else has removed before is not put back by the way.
    try Namespace.ip("addr del 10.0.0.3/24 dev eth0")
    #expect(keeper.apply([.add(vips[0], options), .remove(vips[1])]) == [.done, .done])
    #expect(try listed(keeper) == ["10.0.0.1/24"])
    #expect(keeper.takeLosses() == [])
  }

  @Test("A thousand addresses go in and out, 512 in a datagram")
  func many() throws {
    let namespace = try Namespace.enter()
    defer { namespace.leave() }
    let keeper = AddressKeeper(journal: nil)
    let vips = (0..<1_000).map { address("10.9.\($0 / 250).\($0 % 250 + 1)/32") }
    #expect(keeper.apply(vips.map { .add($0, options) }).allSatisfy { $0 == .done })
    #expect(try listed(keeper).count == 1_000)
    #expect(keeper.apply(vips.map { .remove($0) }).allSatisfy { $0 == .done })
    #expect(try listed(keeper) == [])
  }

  @Test("From its limit on nothing is sent but removals")
  func limit() throws {
    let namespace = try Namespace.enter()
    defer { namespace.leave() }
    let notes = Notes()
    let keeper = AddressKeeper(journal: notes)
    let vips = (1...3).map { address("10.0.0.\($0)/32") }
    let soon = BootClock.now + .seconds(60)
    #expect(keeper.apply([.add(vips[0], options)], until: soon) == [.done])
    let late: [AddressChange] = [
      .add(vips[1], options), .remove(vips[0]), .renew(vips[2], options),
    ]
    #expect(
      keeper.apply(late, until: BootClock.now) == [
        .failed(NetlinkError(late[0], .expired)), .done, .failed(NetlinkError(late[2], .expired)),
      ]
    )
    #expect(try listed(keeper) == [])
    #expect(Set(notes.all.filter { $0.hasPrefix("+") }).count == 3)
    #expect(notes.all.filter { $0.hasPrefix("-") }.count == 3)
  }
}
