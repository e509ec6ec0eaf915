// SPDX-License-Identifier: Apache-2.0

import Bytes
import GroupModel
import GroupsWire
import Machine
import Testing

@Suite("Messages between the group layers of daemons")
struct GroupsMessageTests {
  static let process = InlineName(Array("mail".utf8)) ?? NodeID("x").name

  static let samples: [GroupsMessage] = [
    .join(process: process, group: "g"),
    .leave(process: process, group: "abcdefghijklmnopqrstuvwxyz01234"),
    .disconnect(process: process),
    .data(Multicast(sender: process, tag: -7, destinations: ["g"], payload: [1, 2, 3])),
    .data(
      Multicast(
        sender: process,
        tag: 0,
        destinations: [
          "g", GroupName(privateNameOf: MemberID(node: "n", process: process)) ?? "h",
        ],
        payload: []
      )
    ),
    .state(
      StateChunk(
        ring: RingID(sequence: 1 << 40, representative: "a"),
        speaksFor: ["a", "b-2"],
        number: 7,
        isLast: true,
        groups: [
          StateChunk.GroupRecord(
            name: "g",
            id: ViewID(epoch: 3, origin: 1 << 63, index: 9),
            isChanged: true,
            members: [
              StateChunk.Member(node: 0, process: process),
              StateChunk.Member(node: 1, process: process),
            ]
          )
        ]
      )
    ),
  ]

  @Test("What is written is read as it was", arguments: samples)
  func roundTrip(message: GroupsMessage) throws {
    #expect(try GroupsMessage(decoding: message.bytes[...]) == message)
    // Reading does not depend on where the bytes start.
    let shifted = ([0, 0, 0] + message.bytes)[3...]
    #expect(try GroupsMessage(decoding: shifted) == message)
    #expect(StateChunk.isState(message.bytes[...]) == (message == Self.samples[5]))
  }

  @Test("The bytes of a join are these")
  func layout() {
    let bytes = GroupsMessage.join(process: Self.process, group: "gh").bytes
    #expect(bytes == [1, 4] + Array("mail".utf8) + [2] + Array("gh".utf8))
  }

  @Test("Whatever is cut off is refused, but for a payload", arguments: samples)
  func truncation(message: GroupsMessage) {
    var complete = message.bytes.count
    if case .data(let multicast) = message { complete -= multicast.payload.count }
    for count in 0..<complete {
      #expect(throws: WireError.self) {
        try GroupsMessage(decoding: message.bytes.prefix(count))
      }
    }
  }

  @Test("Bytes too many are refused")
  func trailing() {
    for message in Self.samples {
      if case .data = message { continue }
      #expect(throws: WireError.trailing(count: 1)) {
        try GroupsMessage(decoding: (message.bytes + [0])[...])
      }
    }
  }

  @Test("Fields that break a rule are refused by name")
  func malformed() {
    func refuses(_ bytes: [UInt8], _ error: WireError) {
      #expect(throws: error) { try GroupsMessage(decoding: bytes[...]) }
    }
    refuses([6], .unknown(field: "kind", value: 6))
    refuses([1, 0, 1, 0x67], .malformed(field: "process"))
    refuses([1, 1, 0x70, 1, 0x20], .malformed(field: "group"))
    refuses([1, 1, 0x70, 32] + [UInt8](repeating: 0x61, count: 32), .malformed(field: "group"))
    refuses([4, 1, 0x70, 0, 0, 0], .malformed(field: "destinations"))
    refuses([4, 1, 0x70, 0, 0, 101], .excessive(field: "destinations", value: 101, limit: 100))
    refuses([4, 1, 0x70, 0, 0, 1, 2, 0x23, 0x61], .malformed(field: "destination"))
    let head: [UInt8] = [5, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0x61]
    refuses(head + [0, 0], .malformed(field: "daemons"))
    refuses(head + [0, 2, 1, 0x62, 1, 0x61], .malformed(field: "daemons"))
    refuses(head + [0xff, 0xff], .excessive(field: "daemons", value: 65_535, limit: 1_024))
    let body = head + [0, 1, 1, 0x61, 0, 0, 0, 0]
    refuses(body + [2], .unknown(field: "last", value: 2))
    let group: [UInt8] = [1, 0, 1, 1, 0x67] + [UInt8](repeating: 0, count: 20) + [0]
    refuses(body + group + [0, 0], .malformed(field: "members"))
    refuses(
      body + group + [0, 1, 0, 1, 1, 0x70],
      .excessive(field: "daemon", value: 1, limit: 1)
    )
  }

  @Test("Random damage never does more than throw")
  func fuzz() {
    var random = SplitMix64(seed: 4)
    var accepted = 0
    for _ in 0..<20_000 {
      var bytes = Self.samples.randomElement(using: &random)?.bytes ?? []
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        let place = Int.random(in: 0..<bytes.count, using: &random)
        bytes[place] = UInt8.random(in: 0...255, using: &random)
      }
      if let message = try? GroupsMessage(decoding: bytes[...]) {
        accepted += 1
        #expect(message.bytes == bytes)
      }
    }
    #expect(accepted > 0)
  }

  @Test("Private names are destinations of their own form")
  func privateNames() {
    let member = MemberID(node: "node-1", process: Self.process)
    let name = GroupName(privateNameOf: member)
    #expect(name?.description == "#mail#node-1")
    #expect(name?.member == member)
    #expect(name?.isPrivate == true)
    #expect(GroupName("#mail#node-1".utf8) == nil)
    for text in ["#", "#a", "##b", "#a#", "#a#b#c", "#a#b/c", "a#b", ""] {
      #expect(GroupName(destination: Array(text.utf8)) == nil)
    }
    #expect(GroupName(destination: Array("g".utf8)) == "g")
    let long = InlineName(Array("a-process-with-a-long-name".utf8)) ?? Self.process
    #expect(GroupName(privateNameOf: MemberID(node: "node-1", process: long)) == nil)
  }

  @Test("A record's length is told before it is written")
  func lengths() {
    let name: GroupName = "abcdefghijklmnopq"
    func chunk(_ groups: [StateChunk.GroupRecord]) -> Int {
      let ring = RingID(sequence: 1, representative: "a")
      let chunk = StateChunk(ring: ring, speaksFor: ["a"], number: 0, isLast: false, groups: groups)
      return GroupsMessage.state(chunk).bytes.count
    }
    let record = StateChunk.GroupRecord(
      name: name,
      id: ViewID(epoch: 1, origin: 1, index: 1),
      isChanged: false,
      members: [StateChunk.Member(node: 0, process: Self.process)]
    )
    let length =
      StateChunk.GroupRecord.length(of: name) + StateChunk.Member.length(of: Self.process)
    #expect(chunk([record]) - chunk([]) == length)
  }
}
