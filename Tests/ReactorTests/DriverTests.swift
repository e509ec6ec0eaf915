// SPDX-License-Identifier: Apache-2.0

import Machine
import Testing

@testable import Reactor

/// Echoes its events as two effects each, and says when its deadline fired.
private struct Echo: StateMachine {
  var nextDeadline: Instant?

  mutating func handle(_ event: Int, at now: Instant, into effects: inout EffectQueue<String>) {
    effects.append("\(event)a")
    effects.append("\(event)b")
  }

  mutating func advance(to now: Instant, into effects: inout EffectQueue<String>) {
    guard let due = nextDeadline, due <= now else { return }
    nextDeadline = nil
    effects.append("deadline")
  }
}

@Suite("Driver")
struct DriverTests {
  @Test("Events fed by an effect wait until all effects of the present one are performed")
  func nestedEvents() throws {
    final class Box {
      var driver: Driver<Echo>?
      var performed: [String] = []
    }
    let box = Box()
    box.driver = Driver(
      Echo(),
      clock: { .boot },
      perform: { effect in
        box.performed.append(effect)
        if effect == "1a" {
          box.driver?.feed(2)
          box.driver?.feed(3)
        }
        if effect == "2b" { box.driver?.feed(4) }
      }
    )
    box.driver?.feed(1)
    #expect(box.performed == ["1a", "1b", "2a", "2b", "3a", "3b", "4a", "4b"])
    box.driver = nil
  }

  @Test("A deadline that is asked for while effects are performed fires after the events fed")
  func nestedAdvance() {
    final class Box {
      var driver: Driver<Echo>?
      var performed: [String] = []
    }
    let box = Box()
    box.driver = Driver(
      Echo(nextDeadline: .boot),
      clock: { .boot },
      perform: { effect in
        box.performed.append(effect)
        if effect == "1a" {
          box.driver?.advance()
          box.driver?.feed(2)
        }
      }
    )
    box.driver?.feed(1)
    #expect(box.performed == ["1a", "1b", "2a", "2b", "deadline"])
    box.driver = nil
  }

  @Test("The machine's deadline is an alarm of the loop")
  func alarm() throws {
    let loop = try EventLoop()
    var performed: [String] = []
    let driver = Driver(Echo(nextDeadline: BootClock.now + .milliseconds(5))) {
      performed.append($0)
    }
    driver.schedule(on: loop)
    let limit = BootClock.now + .seconds(1)
    while performed.isEmpty, BootClock.now < limit { try loop.turn(until: limit) }
    #expect(performed == ["deadline"])
    #expect(driver.nextDeadline == nil)
  }
}
