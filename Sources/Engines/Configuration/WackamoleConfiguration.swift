// SPDX-License-Identifier: Apache-2.0

package import Addresses
package import ConfigurationText
package import GroupModel

/// What `wackamole.conf` says, complete and consistent.
///
/// Whether an interface exists is not known here: that is found out when the program starts.
package struct WackamoleConfiguration: Sendable, Equatable {
  /// The most bytes a configuration file may have.
  package static let longestText = 1 << 20
  /// The most addresses that can be managed, those in sets included.
  package static let mostAddresses = 4_096

  package var backend: Backend
  package var group: GroupName
  /// Path of the control socket: absolute, at most 107 bytes.
  package var control: String
  /// How long a member that meets no mature one waits before it may hold an address.
  package var mature: Duration
  package var balance: Balance
  /// The VIFs this node prefers, in ascending order, each once.
  package var preferred: [VIFID]
  /// The VIFs in the order of the file, at least one.
  ///
  /// No address and no primary address occurs twice.
  package var virtualInterfaces: [VirtualInterface]
  /// The `nNET` hints that were given, in the order of the file.
  package var networkHints: [NetworkHint]

  /// Parses the text of a configuration file.
  ///
  /// `file` is what the file is called in diagnostics. `node` is this machine's name if it was
  /// given outside the file; it then wins over `Node`.
  ///
  /// - Throws: everything that is wrong, each with its place.
  package static func parse(
    text: [UInt8],
    file: String,
    node: NodeOverride? = nil
  ) throws(Diagnostics) -> Self {
    var parser = Parser(text: text, file: file)
    return try parser.configuration(node: node)
  }
}

extension WackamoleConfiguration {
  /// What carries the group messages.
  package enum Backend: Sendable, Equatable {
    /// The engine inside the program.
    case embedded(EngineConfiguration)
  }

  /// When and how far load is evened out.
  package struct Balance: Sendable, Equatable {
    /// The time between two rounds; longer than 0.
    package var interval: Duration = .seconds(10)
    /// The most VIFs one node takes over in a round; `nil`: as many as there are, 0: none ever.
    package var acquisitionsPerRound: UInt16?

    package init(interval: Duration = .seconds(10), acquisitionsPerRound: UInt16? = nil) {
      (self.interval, self.acquisitionsPerRound) = (interval, acquisitionsPerRound)
    }
  }

  /// How wide the network is to which an address is directly attached (`nNET`).
  package struct NetworkHint: Sendable, Equatable {
    package let address: InterfaceAddress
    /// The length of the network's prefix in bits: 1 up to the family's width.
    package let length: Int

    package init(address: InterfaceAddress, length: Int) {
      (self.address, self.length) = (address, length)
    }
  }

  /// This machine's name, given outside the file.
  package struct NodeOverride: Sendable, Equatable {
    package var name: String
    /// Where it was given, as an operator would say it: `--node` or `WACKAMOLE_NODE`.
    package var origin: String

    package init(name: String, origin: String) {
      (self.name, self.origin) = (name, origin)
    }
  }
}

/// The embedded engine as configured: who is on the ring, and how fast it is.
package struct EngineConfiguration: Sendable, Equatable {
  /// The port used unless one is configured.
  package static let defaultPort: UInt16 = 4813
  /// The most members of one ring.
  package static let mostPeers = 128

  /// This machine; always one of `peers`.
  package var node: NodeID
  /// All members in ring order, this one included; names and addresses are unique and of one family.
  package var peers: [Peer]
  package var port: UInt16
  /// The multicast group that carries what is for all members; `nil`: it is sent to each.
  package var multicast: IPAddress?
  package var key: Key
  package var profile: Profile
  /// The time-outs of the profile with the configured exceptions; their inequalities hold.
  package var timers: RingTimers
  /// An absolute path; `nil` if nothing is to be kept.
  package var stateDirectory: String?

  /// All members.
  package var roster: Roster { Roster(peers.map(\.node)) }

  /// Where a member listens; `nil` if it is not configured.
  package func endpoint(of node: NodeID) -> Endpoint? {
    guard let peer = peers.first(where: { $0.node == node }) else { return nil }
    return Endpoint(address: peer.address, port: port)
  }

  /// One member of the ring and the address its engine uses.
  package struct Peer: Sendable, Hashable {
    package var node: NodeID
    package var address: IPAddress

    package init(node: NodeID, address: IPAddress) {
      (self.node, self.address) = (node, address)
    }
  }

  /// What datagrams are sealed with.
  package enum Key: Sendable, Hashable {
    /// Nothing: datagrams are neither secret nor authentic.
    case none
    /// The cluster keys in the ``KeyFile`` of this absolute path.
    case file(String)
  }

  /// A named set of time-outs.
  package enum Profile: String, Sendable, Hashable, CaseIterable {
    case lan
    case fast
    case wan

    package var timers: RingTimers {
      switch self {
      case .lan: .lan
      case .fast: .fast
      case .wan: .wan
      }
    }
  }
}
