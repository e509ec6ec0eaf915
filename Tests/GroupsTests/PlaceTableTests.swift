// SPDX-License-Identifier: Apache-2.0

import Machine
import Testing

@testable import Groups

@Suite("The containers of the group directory")
struct PlaceTableTests {
  @Test("A table of places does what a dictionary does")
  func table() {
    var random = SplitMix64(seed: 7)
    var table = PlaceTable()
    var keys: [Int] = []
    var places: [Int: Int32] = [:]
    for step in 0..<20_000 {
      let key = Int.random(in: 0..<700, using: &random)
      // It grows, shrinks and grows again.
      let isGrowing = step / 4_000 % 2 == 0
      if let place = places[key] {
        if isGrowing, Int.random(in: 0..<3, using: &random) > 0 { continue }
        table.remove(place, for: key)
        places[key] = nil
      } else if isGrowing || Int.random(in: 0..<3, using: &random) == 0 {
        table.insert(Int32(keys.count), for: key)
        places[key] = Int32(keys.count)
        keys.append(key)
      }
      #expect(table.count == places.count)
      let other = Int.random(in: 0..<700, using: &random)
      #expect(table.find(other) { keys[Int($0)] == other } == places[other])
    }
    for key in 0..<700 { #expect(table.find(key) { keys[Int($0)] == key } == places[key]) }
  }

  @Test("Keys of one hash are told apart, and survive the removal of those before them")
  func collisions() {
    struct Key: Hashable {
      let number: Int
      func hash(into hasher: inout Hasher) { hasher.combine(0) }
    }
    var table = PlaceTable()
    for number in 0..<20 { table.insert(Int32(number), for: Key(number: number)) }
    for number in stride(from: 0, to: 20, by: 2) {
      table.remove(Int32(number), for: Key(number: number))
    }
    for number in 0..<20 {
      let found = table.find(Key(number: number)) { $0 == Int32(number) }
      #expect(found == (number % 2 == 0 ? nil : Int32(number)))
    }
    #expect(table.count == 10)
    table.remove(4, for: Key(number: 4))
    #expect(table.count == 10)
  }

  @Test("Seats do what an array does")
  func seats() {
    var random = SplitMix64(seed: 9)
    var seats = Seats<Int>()
    var array: [Int] = []
    for step in 0..<2_000 {
      if array.count < 6, Bool.random(using: &random) || array.isEmpty {
        let position = Int.random(in: 0...array.count, using: &random)
        seats.insert(step, at: position)
        array.insert(step, at: position)
      } else {
        let position = Int.random(in: 0..<array.count, using: &random)
        #expect(seats.remove(at: position) == array.remove(at: position))
      }
      #expect((0..<seats.count).map { seats[$0] } == array)
      #expect(seats.isEmpty == array.isEmpty)
    }
  }
}
