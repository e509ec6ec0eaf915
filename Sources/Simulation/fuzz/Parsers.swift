// SPDX-License-Identifier: Apache-2.0

import Addresses
import Bytes
import Checking
import Configuration
import ConfigurationText
import FailoverWire
import GroupModel
import GroupsWire
import Health
import LinkWire
import Machine
import RingWire
import RunnerWire
import SessionWire
import SpreadConfiguration

/// Decoders and parsers fed with damaged samples; what they accept joins the samples.
struct Parsers {
  private struct Target {
    var corpus: Corpus
    let accepts: (ArraySlice<UInt8>) -> Bool
  }

  private var random: SplitMix64
  private var targets: [Target]
  private(set) var accepted: UInt64 = 0
  private(set) var refused: UInt64 = 0

  init(seed: UInt64) {
    random = SplitMix64(seed: seed)
    targets = Self.targets
  }

  mutating func run(steps: Int) {
    for _ in 0..<steps {
      let index = Int.random(in: 0..<targets.count, using: &random)
      let bytes = targets[index].corpus.damaged(&random)
      if targets[index].accepts(bytes[...]) {
        accepted += 1
        targets[index].corpus.add(bytes, &random)
      } else {
        refused += 1
      }
    }
  }

  private static var targets: [Target] {
    let mac = MACAddress(0x0200_0000_0001)
    let arp = ARPPacket.gratuitousReply(for: IPv4Address(0x0A00_0065), at: mac)
    let advertisement = NeighborAdvertisement(
      unsolicitedFor: IPv6Address(0x2001_0DB8 << 96 | 1),
      at: mac,
      router: true
    )
    var challenge = ByteWriter()
    Challenge(sender: "a", role: .question, number: 1, boot: BootID(1, 2, 3, 4))
      .write(to: &challenge)
    let question = NeighborSolicitation(
      for: IPv6Address(0x2001_0DB8 << 96 | 2),
      from: IPv6Address(0x2001_0DB8 << 96 | 1),
      at: mac
    ).framed(from: mac)
    let neighbors = NeighborsReport(
      hardware: [mac],
      hosts: [.init(Neighbor(.v4(IPv4Address(9)), at: mac), age: 1)]
    )
    let job = RunnerMessage.Job(
      number: 1,
      lane: "a",
      program: .init(path: "/x", arguments: ["b"], user: "c"),
      environment: ["D=e"],
      timeout: .seconds(3)
    )
    let envelope = Envelope(
      keyID: 1,
      counter: 2,
      view: ViewID(epoch: 3, origin: 4, index: 5),
      tag: PayloadTag(6, 7),
      payload: FailoverMessage.mature.encoded()[...]
    )
    let endpoint = Endpoint(address: .v4(IPv4Address(1)), port: 80)
    let check = Check(
      name: "web",
      probe: .http(.init(endpoint: endpoint, target: "/", host: "h"))
    )
    let setups = RunnerMessage.checks([.init(check: check, state: .passed)])
    let key = "key 7 aes-256-gcm " + String(repeating: "0f", count: 32) + "\n"
    return [
      Target(corpus: Corpus([arp.encoded()])) { (try? ARPPacket(decoding: $0)) != nil },
      Target(corpus: Corpus([advertisement.encoded()])) {
        (try? NeighborAdvertisement(decoding: $0)) != nil
      },
      Target(corpus: Corpus([question.payload.map(\.self)])) {
        (try? NeighborSolicitation(decoding: $0)) != nil
      },
      Target(corpus: Corpus([neighbors.encoded()])) { bytes in
        guard let read = try? NeighborsReport(decoding: bytes) else { return false }
        return read.hosts.count <= NeighborsReport.mostHosts
      },
      Target(corpus: Corpus([challenge.bytes])) { (try? Challenge(decoding: $0)) != nil },
      Target(corpus: Corpus([FailoverMessage.mature.encoded(), []])) {
        (try? FailoverMessage(decoding: $0)) != nil
      },
      Target(corpus: Corpus([envelope.encoded()])) { bytes in
        guard let read = try? Envelope(decoding: bytes) else { return false }
        precondition(read.encoded()[...] == bytes, "an envelope is not read as it was written")
        return true
      },
      Target(corpus: Corpus([RunnerMessage.run(job).encoded(), setups.encoded()])) {
        (try? RunnerMessage(decoding: $0)) != nil
      },
      Target(corpus: Corpus([Array("HTTP/1.1 200 OK\r\n".utf8)])) {
        var answer = HTTPExchange()
        return answer.take($0) == .status(200)
      },
      Target(corpus: Corpus([[]])) { (try? GroupsMessage(decoding: $0)) != nil },
      Target(corpus: Corpus(ClientStreams.clients), accepts: ClientStreams.survives),
      Target(corpus: Corpus(ClientStreams.daemons), accepts: ClientStreams.reads),
      Target(
        corpus: Corpus([SessionEnvelope(options: [], hint: Hint(1), groups: nil, data: [2]).bytes])
      ) {
        (try? SessionEnvelope(decoding: $0)) != nil
      },
      Target(corpus: Corpus([Array(key.utf8)])) {
        (try? KeyFile.parse(text: Array($0), file: "k")) != nil
      },
      Target(corpus: Corpus([Array(configuration.utf8)])) {
        (try? WackamoleConfiguration.parse(text: Array($0), file: "c")) != nil
      },
      Target(corpus: Corpus([Array(spread.utf8)])) {
        (try? SpreadConfiguration.parse(text: Array($0), file: "s")) != nil
      },
      Target(corpus: Corpus([Array("# x\nunix\nlocal\n10.0.0.0/8\n[2001:db8::]/32\n".utf8)])) {
        (try? AccessList.parse(text: Array($0), file: "a")) != nil
      },
    ]
  }

  private static let configuration = """
    Engine { Node = a Key = none Peers { a:10.0.0.1 b:10.0.0.2 } Profile = fast Port = 9 }
    Group = "w" Control = /run/c Mature = 3s Balance { Interval = 5m AcquisitionsPerRound = all }
    Prefer { 10.0.0.101/32 } # here
    Weight = 2 Apart { 10.0.0.101 10.0.0.102 } Notify { Arp-Cache 10.0.0.0/24 Throttle 3 Ping }
    Check "a" { Http = "http://127.0.0.1:80/x" For = 10.0.0.101 } RunScript /x on up User a
    Check b { Command = "/x 'a b'" Rise = 3 } Quorum = 2 Policy = drop LogFacility = local0
    VIFs { eth0:10.0.0.101/32 { eth0:10.0.0.102/32n24 eth1:[2001:db8::1]/128 } }
    """

  private static let spread = """
    Spread_Segment 10.0.0.255:4803 { a 10.0.0.1 { C D 10.0.0.1:5 M 10.0.0.9 } b 10.0.0.2 }
    Spread_Segment unicast { "c" 10.0.1.1 } DebugFlags = { ALL !EXIT } RouteMatrix { 0 1 2 }
    Window = 160 AcceleratedRing=no AllowedAuthMethods = "NULL IP" EventTimeStamp = "%F"
    Key = none Beacon = 20ms ClientListen = [::1]:4803 MaxSessionBytes = 4M UnixSocket = /a
    """
}
