// SPDX-License-Identifier: Apache-2.0

import Addresses
import Glibc
import Machine
import Testing

/// What the C library makes of the text of an address, in network order; `nil` if it refuses it.
private func reference(_ text: String, family: Int32) -> [UInt8]? {
  var octets = [UInt8](repeating: 0, count: family == AF_INET ? 4 : 16)
  return inet_pton(family, text, &octets) == 1 ? octets : nil
}

/// How the C library writes an address.
private func reference(octets: [UInt8]) -> String {
  var buffer = [CChar](repeating: 0, count: 64)
  let family = octets.count == 4 ? AF_INET : AF_INET6
  inet_ntop(family, octets, &buffer, socklen_t(buffer.count))
  return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

@Suite("Addresses")
struct AddressTests {
  @Test("IPv4 is read as the C library reads it, and written back")
  func ipv4() {
    let texts = [
      "0.0.0.0", "10.0.0.1", "255.255.255.255", "1.2.3.4", "", ".", "...", "1.2.3", "1.2.3.4.5",
      "256.1.1.1", "1.2.3.256", "1.2.3.999", "01.2.3.4", "1.2.3.04", "1.2.3.00", "0.0.0.00",
      " 1.2.3.4", "1.2.3.4 ", "1.2.3.-4", "1.2.3.+4", "1.2.3.a", "0x1.2.3.4", "1..2.3", "1.2.3.4\n",
      "1.2.3.\u{664}", "1234.1.1.1",
    ]
    for text in texts {
      #expect(IPv4Address(text: text)?.octets == reference(text, family: AF_INET), "\(text)")
    }
  }

  @Test(
    "IPv6 text forms of RFC 4291 are read, and others are refused, as the C library does",
    arguments: [
      "::", "::1", "1::", "1::8", "2001:db8::1", "2001:DB8::1", "1:2:3:4:5:6:7:8",
      "::2:3:4:5:6:7:8",
      "1:2:3:4:5:6:7::", "1::3:4:5:6:7:8", "::ffff:10.0.0.1", "1:2:3:4:5:6:1.2.3.4", "::1.2.3.4",
      "1::1.2.3.4", "64:ff9b::192.0.2.33", "0:0:0:0:0:0:0:0", "0000:0000::0001", "fe80::1",
      "", ":", ":::", "::::", "1", "1:2", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", ":1:2:3:4:5:6:7",
      "1:2:3:4:5:6:7:", ":1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8:", "1::2::3", "1:::2", "::1::", ":1::",
      "::1:", "1:::", ":::1", "12345::", "::g", "::-1", "::+1", "1.2.3.4", "::1.2.3", "::1.2.3.256",
      "1:2:3:4:5:6:7:1.2.3.4", "::1.2.3.4:5", "1.2.3.4::", "::2:3:4:5:6:7:1.2.3.4",
      "1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8", "1:2:3:4::5:6:7:8", "fe80::1%eth0", "[::1]",
      "::1/64",
      " ::1", "::1 ", "::01.2.3.4", "::00001",
    ]
  )
  func ipv6(_ text: String) {
    #expect(IPv6Address(text: text)?.octets == reference(text, family: AF_INET6))
  }

  @Test("Random text over the alphabet of IPv6 is judged as the C library judges it")
  func randomText() {
    var random = SplitMix64(seed: 3)
    let alphabet = Array("::::::0012af.F")
    var accepted = 0
    for _ in 0..<20_000 {
      let length = Int.random(in: 1..<14, using: &random)
      let text = String((0..<length).compactMap { _ in alphabet.randomElement(using: &random) })
      let expected = reference(text, family: AF_INET6)
      #expect(IPv6Address(text: text)?.octets == expected, "\(text)")
      if expected != nil { accepted += 1 }
    }
    #expect(accepted > 500)
  }

  @Test("IPv6 is written as RFC 5952 asks, section by section")
  func rfc5952() throws {
    let pairs = [
      ("2001:0db8:0000:0000:0000:0000:0002:0001", "2001:db8::2:1"),  // 4.1, 4.2.1
      ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),  // 4.2.2
      ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"),  // 4.2.3, the longest run
      ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),  // 4.2.3, the first of two
      ("2001:DB8::ABCD", "2001:db8::abcd"),  // 4.3
      ("0:0:0:0:0:0:0:0", "::"), ("0:0:0:0:0:0:0:1", "::1"), ("1:0:0:0:0:0:0:0", "1::"),
      ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"), ("0:0:1:2:3:4:0:0", "::1:2:3:4:0:0"),
    ]
    for (text, expected) in pairs {
      #expect(try #require(IPv6Address(text: text)).description == expected)
    }
  }

  @Test("Whatever address is written is read back as the same")
  func roundTrips() throws {
    var random = SplitMix64(seed: 5)
    for _ in 0..<2_000 {
      // Groups of zeros are common, so that runs of every length and place occur.
      var value: UInt128 = 0
      for _ in 0..<8 {
        let group = UInt16.random(in: .min ... .max, using: &random)
        value = value << 16 | (Bool.random(using: &random) ? 0 : UInt128(group))
      }
      let six = IPv6Address(value)
      #expect(IPv6Address(text: six.description) == six)
      // The C library writes some addresses with a dotted tail; all others are written alike.
      let written = reference(octets: six.octets)
      if !written.contains(".") { #expect(six.description == written) }
      let four = IPv4Address(UInt32.random(in: .min ... .max, using: &random))
      #expect(IPv4Address(text: four.description) == four)
      #expect(four.description == reference(octets: four.octets))
    }
  }

  @Test("Addresses are in numeric order, IPv4 before IPv6")
  func order() throws {
    let texts = ["9.0.0.0", "10.0.0.2", "10.0.0.10", "255.0.0.0", "::1", "::9", "::10", "fe80::1"]
    let addresses = try texts.map { try #require(IPAddress(text: $0)) }
    #expect(addresses == addresses.reversed().sorted())
    #expect(addresses.map(\.description) == texts)
    #expect(addresses.map(\.bitWidth) == [32, 32, 32, 32, 128, 128, 128, 128])
  }

  @Test("A prefix has a length that fits its family")
  func prefixes() throws {
    let four = try #require(IPAddress(text: "10.0.0.1"))
    let six = try #require(IPAddress(text: "2001:db8::1"))
    for (address, length, isValid) in [
      (four, 0, true), (four, 32, true), (four, 33, false), (four, -1, false),
      (six, 128, true), (six, 129, false), (six, .min, false), (six, .max, false),
    ] {
      #expect((IPPrefix(address: address, length: length) != nil) == isValid)
    }
    #expect(IPPrefix(address: six, length: 64)?.description == "2001:db8::1/64")
    #expect(Endpoint(address: six, port: 4813).description == "[2001:db8::1]:4813")
    #expect(Endpoint(address: four, port: 4813).description == "10.0.0.1:4813")
  }

  @Test("Interface names are what Linux takes")
  func interfaces() {
    for name in ["eth0", "a", "eth0.100", "br-lan", "abcdefghijklmno", "eth0:1", "..."] {
      #expect(InterfaceName(name)?.text == name)
    }
    for name in ["", ".", "..", "abcdefghijklmnop", "a b", "a/b", "a\t", "eth\u{0}", "ethé"] {
      #expect(InterfaceName(name) == nil, "\(name)")
    }
  }

  @Test("Hardware addresses are six octets")
  func hardware() throws {
    let address = try #require(MACAddress(octets: [0x02, 0, 0x5E, 0x10, 0xFF, 0x01]))
    #expect(address.description == "02:00:5e:10:ff:01")
    #expect(address.octets == [0x02, 0, 0x5E, 0x10, 0xFF, 0x01])
    #expect(MACAddress(octets: address.octets) == address)
    #expect(MACAddress.broadcast.octets == Array(repeating: 0xFF, count: 6))
    #expect(MACAddress(.max) == .broadcast)
    #expect(MACAddress(octets: [UInt8](repeating: 1, count: 5)) == nil)
    #expect(MACAddress(octets: [UInt8](repeating: 1, count: 7)) == nil)
  }

  @Test("A VIF is identified and ordered by its primary address alone")
  func virtualInterfaces() throws {
    func address(_ interface: String, _ text: String, _ length: Int) throws -> InterfaceAddress {
      let parsed = try #require(IPAddress(text: text))
      return InterfaceAddress(
        interface: try #require(InterfaceName(interface)),
        prefix: try #require(IPPrefix(address: parsed, length: length))
      )
    }
    let here = VirtualInterface(addresses: [try address("eth0", "10.0.0.9", 32)])
    let there = VirtualInterface(
      addresses: [try address("ens3", "10.0.0.9", 24), try address("ens4", "10.0.0.1", 32)]
    )
    let other = VirtualInterface(addresses: [try address("eth0", "10.0.0.10", 32)])
    #expect(here?.id == there?.id)
    #expect(try #require(here) < #require(other))
    #expect(VirtualInterface(addresses: []) == nil)
    #expect(try address("eth0", "2001:db8::1", 64).description == "eth0:[2001:db8::1]/64")
  }
}
