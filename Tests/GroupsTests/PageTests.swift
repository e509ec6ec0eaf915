// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Groups
import Machine
import Testing
import Worlds

/// Lists of groups that are too long to be read at once.
@Suite("Pages of the list of groups")
struct PageTests {
  @Test("Pages put together are all groups in order of name, each once, with their members")
  func pages() {
    let story = Story(1)
    story.rings([0])
    let p = story.process("p", at: 0)
    let q = story.process("q", at: 0)
    var random = SplitMix64(seed: 4)
    let names = (0..<300).map { GroupName(stringLiteral: "group\($0)") }
    for name in names.shuffled(using: &random) { story.world.join(name, by: p) }
    for name in names.prefix(7) { story.world.join(name, by: q) }
    // A group that is gone is on no page.
    story.world.leave(names[100], by: p)
    story.world.settle()
    guard let engine = story.world.engines[0] else { return }
    let expected = names.filter { $0 != names[100] }.sorted()
    for limit in [1, 7, 50, 299, 1_000] {
      var listed: [(name: GroupName, members: Int)] = []
      while true {
        let page = engine.groups(after: listed.last?.name, limit: limit)
        #expect(page.count <= limit)
        if page.isEmpty { break }
        listed += page
      }
      #expect(listed.map(\.name) == expected)
      #expect(listed.filter { $0.members == 2 }.map(\.name) == names.prefix(7).sorted())
    }
    #expect(engine.groups(after: nil, limit: 0).isEmpty)
  }

  @Test("A page of 1,000 among 100,000 costs little more than a look at each")
  func cost() {
    var random = SplitMix64(seed: 5)
    let numbers = (0..<100_000).shuffled(using: &random)
    var comparisons = 0
    let page = numbers.smallest(1_000) {
      comparisons += 1
      return $0 < $1
    }
    #expect(page == Array(0..<1_000))
    // To sort them all takes 1.6 million.
    #expect(comparisons < 300_000)
    #expect((0..<10).reversed().smallest(3, by: <) == [0, 1, 2])
    #expect([2, 1].smallest(3, by: <) == [1, 2])
  }
}
