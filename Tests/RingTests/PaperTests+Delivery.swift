// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Machine
import Ring
import RingWire
import Testing

/// What is delivered, in which configuration and in which order (ICDCS 1994).
extension PaperTests {
  /// Three members that were parted and merged under load, with some loss throughout.
  private func parted() -> Cluster {
    var cluster = formed()
    cluster.lossPerMille = 20
    for round in 0..<60 {
      for node in cluster.roster.nodes {
        cluster.submit("\(node)\(round)", at: node, round % 3 == 0 ? .safe : .agreed)
      }
      if round == 20 { cluster.parts = [["a"], ["b", "c"]] }
      if round == 40 { cluster.parts = nil }
      cluster.advance(.milliseconds(20))
    }
    cluster.lossPerMille = 0
    #expect(cluster.advance(atMost: .seconds(5)) { $0.isRing(["a", "b", "c"]) } != nil)
    cluster.advance(.seconds(1))
    return cluster
  }

  private func configurations(_ cluster: Cluster, _ node: NodeID) -> [Delivery] {
    cluster[node].deliveries.filter { if case .message = $0 { false } else { true } }
  }

  @Test(
    "Config.Sequence: regular, transitional (a part of it), regular (that and more); ids are new"
  )
  func configurationSequence() {
    let cluster = parted()
    for node in cluster.roster.nodes {
      let all = configurations(cluster, node)
      var rings: Set<RingID> = []
      #expect(all.count >= 5)
      for (index, delivery) in all.enumerated() {
        switch delivery {
        case .regular(let regular):
          #expect(index % 2 == 0 && rings.insert(regular.ring).inserted)
          if index > 0, case .transitional(let before) = all[index - 1] {
            #expect(before.members.isSubset(of: regular.members) && before.to == regular.ring)
            #expect(before.members == regular.cameTogether)
          }
        case .transitional(let transitional):
          #expect(index % 2 == 1)
          if case .regular(let before) = all[index - 1] {
            #expect(transitional.members.isSubset(of: before.members))
            #expect(transitional.from == before.ring)
          }
        case .message: break
        }
      }
    }
  }

  @Test("Config.Membership, Config.Same: all of a configuration are in it, and agree who else is")
  func sameConfigurations() {
    let cluster = parted()
    var members: [RingID: Roster] = [:]
    for node in cluster.roster.nodes {
      for delivery in configurations(cluster, node) {
        switch delivery {
        case .regular(let regular):
          #expect(regular.members.contains(node))
          #expect(members[regular.ring] ?? regular.members == regular.members)
          members[regular.ring] = regular.members
        case .transitional(let transitional): #expect(transitional.members.contains(node))
        case .message: break
        }
      }
      if case .regular = cluster[node].deliveries.first {
      } else {
        Issue.record("\(node) delivers before its first configuration")
      }
    }
    #expect(members.count >= 4)
  }

  @Test(
    "Basic.OneConfiguration: a message is delivered in one configuration, by all who deliver it"
  )
  func oneConfiguration() {
    let cluster = parted()
    var rings: [String: RingID] = [:]
    for node in cluster.roster.nodes {
      var present: RingID?
      for delivery in cluster[node].deliveries {
        switch delivery {
        case .regular(let regular): present = regular.ring
        case .transitional: break
        case .message(let message):
          let text = String(decoding: message.payload, as: UTF8.self)
          #expect(message.ring == present)
          #expect(rings[text] ?? message.ring == message.ring, "\(text)")
          rings[text] = message.ring
        }
      }
    }
    #expect(rings.count == 180, "nobody failed, so everything was sent and delivered somewhere")
  }

  @Test("Basic.LocalOrder: nothing is delivered before its sender has put it in the order")
  func localOrder() {
    var cluster = Cluster(["a", "b"])
    cluster.start(cluster.roster)
    cluster.submit("early", at: "a")
    #expect(cluster.texts("a").isEmpty && cluster.texts("b").isEmpty, "there is no ring yet")
    cluster.advance(.milliseconds(300))
    for node in cluster.roster.nodes { #expect(cluster.story(node) == ["R{a b}", "early"]) }
    let ring = cluster["a"].engine.ring
    let sent = cluster["a"].sent.contains {
      if case .data(let data) = $0 { data.ring == ring } else { false }
    }
    #expect(sent)
  }

  @Test("Total.Consistent: two members deliver what both deliver in one order")
  func consistent() {
    let cluster = parted()
    for (one, other) in [("a", "b"), ("b", "c"), ("a", "c")] as [(NodeID, NodeID)] {
      let (mine, theirs) = (cluster.texts(one), cluster.texts(other))
      let common = Set(mine).intersection(theirs)
      #expect(common.count >= 60)
      #expect(mine.filter(common.contains) == theirs.filter(common.contains))
      #expect(Set(mine).count == mine.count, "nothing is delivered twice")
    }
  }

  @Test("Causal: an answer is nowhere delivered before what it answers")
  func causal() {
    var cluster = formed()
    cluster.loses = { from, to, packet in packet.kind == .data && from == "a" && to == "c" }
    cluster.submit("question", at: "a", .causal)
    #expect(cluster.advance(atMost: .seconds(1)) { $0.texts("b") == ["question"] } != nil)
    cluster.submit("answer", at: "b", .causal)
    cluster.advance(.milliseconds(1))
    #expect(cluster.texts("c").first != "answer")
    cluster.loses = { _, _, _ in false }
    cluster.advance(.milliseconds(100))
    #expect(cluster.texts("c") == ["question", "answer"])
  }

  @Test("Safe.Configuration: where a safe message is delivered, all have the configuration")
  func safeConfiguration() {
    var cluster = Cluster(["a", "b", "c"])
    cluster.start(cluster.roster)
    cluster.submit("safe", at: "a", .safe)
    for node in cluster.roster.nodes {
      #expect(cluster.advance(atMost: .seconds(1)) { $0.texts(node) == ["safe"] } != nil)
      for other in cluster.roster.nodes { #expect(cluster.story(other).first == "R{a b c}") }
    }
  }

  @Test(
    "FIFO, Reliable, unreliable: each sender's messages in its order, once, without a gap",
    arguments: [Service.fifo, .reliable, .unreliable]
  )
  func fifo(service: Service) {
    var cluster = formed()
    cluster.lossPerMille = 100
    for index in 0..<50 {
      for node in cluster.roster.nodes { cluster.submit("\(node)\(index)", at: node, service) }
      cluster.advance(.milliseconds(2))
    }
    cluster.lossPerMille = 0
    cluster.advance(.seconds(2))
    for node in cluster.roster.nodes {
      for sender in cluster.roster.nodes {
        let texts = cluster.texts(node).filter { $0.hasPrefix("\(sender)") }
        #expect(texts == (0..<50).map { "\(sender)\($0)" })
      }
    }
  }
}
