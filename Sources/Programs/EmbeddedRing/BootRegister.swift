// SPDX-License-Identifier: Apache-2.0

import GroupModel
import RingWire

/// The boots of the members on a link that is not sealed: with which one each was heard last, and
/// which are dead.
struct BootRegister {
  private struct Entry {
    let node: NodeID
    var last: BootID
    var dead: BootID?
  }

  /// At most one for each member that was heard.
  private var entries: [Entry] = []

  /// Notes that a member was heard; `false` if that run of it is dead.
  mutating func admit(_ boot: BootID, of node: NodeID) -> Bool {
    guard let index = entries.firstIndex(where: { $0.node == node }) else {
      entries.append(Entry(node: node, last: boot))
      return true
    }
    guard entries[index].dead != boot else { return false }
    entries[index].last = boot
    return true
  }

  /// Takes a run of a member for dead; `false` unless it is the one that was heard last, and lives.
  mutating func bury(_ boot: BootID, of node: NodeID) -> Bool {
    guard let index = entries.firstIndex(where: { $0.node == node }),
      entries[index].last == boot, entries[index].dead != boot
    else { return false }
    entries[index].dead = boot
    return true
  }
}
