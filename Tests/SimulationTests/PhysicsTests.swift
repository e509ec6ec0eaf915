// SPDX-License-Identifier: Apache-2.0

import GroupModel
import Machine
import Testing
import Worlds

@Suite("The physics of worlds")
struct PhysicsTests {
  @Test("The agenda gives items by time, and by entry at one time")
  func agenda() {
    var agenda = Agenda<Int>()
    var chance = Chance(seed: 1)
    var entered: [(Span, Int)] = []
    var taken: [(Span, Int)] = []
    for item in 0..<2_000 {
      let time = Span(nanoseconds: chance.below(300))
      agenda.add(item, at: time)
      entered.append((time, item))
      if chance.happens(percent: 30), let next = agenda.next() {
        taken.append((next.at, next.item))
        entered.removeAll { $0.1 == next.item }
      }
    }
    entered.sort { $0.0 != $1.0 ? $0.0 < $1.0 : $0.1 < $1.1 }
    for expected in entered {
      let next = agenda.next()
      #expect(next?.at == expected.0 && next?.item == expected.1)
    }
    #expect(agenda.next() == nil)
    #expect(taken.count > 500)
  }

  @Test("A clock tells when it will show an instant", arguments: [-50_000, -7, 0, 3, 200, 40_000])
  func clock(drift: Int) {
    var clock = HostClock(at: .seconds(3), showing: .seconds(900), drift: drift)
    var chance = Chance(seed: 2)
    for _ in 0..<200 {
      let now = Span.seconds(3) + chance.within(.zero ... .seconds(20))
      let ahead = chance.within(.zero ... .seconds(5))
      let target = clock.instant(at: now) + ahead.duration
      let time = clock.time(of: target)
      #expect(clock.instant(at: time) >= target)
      #expect(clock.instant(at: Span(nanoseconds: time.nanoseconds - 2)) < target || time <= now)
    }
    let before = clock.instant(at: .seconds(30))
    clock.stand(from: .seconds(30), to: .seconds(40))
    #expect(clock.instant(at: .seconds(40)) == before)
    #expect(clock.instant(at: .seconds(35)) == before)
    #expect(clock.instant(at: .seconds(41)) > before)
  }

  @Test("Waits have the mean they are asked for")
  func waits() {
    var chance = Chance(seed: 3)
    let sum = (0..<4_000).reduce(0) { sum, _ in
      sum + chance.wait(mean: .milliseconds(10)).nanoseconds
    }
    #expect((9_000_000...11_000_000).contains(sum / 4_000))
  }

  @Test("Letters are read as they were written, and only so")
  func letters() {
    for length in [0, 15, 16, 100, 70_000] {
      let letter = Letter(host: 3, incarnation: 2, number: 70_001, service: .safe, length: length)
      #expect(letter.bytes.count == max(15, length))
      #expect(Letter(payload: letter.bytes[...]) == letter)
      #expect(Letter(payload: letter.bytes.dropLast()) == nil)
      #expect(Letter(header: letter.bytes[..<15]) == letter)
    }
  }
}
