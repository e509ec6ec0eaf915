// SPDX-License-Identifier: Apache-2.0

import SpreadConfiguration
import Testing

@Suite("The manual of spread.conf")
struct SpreadManualTests {
  private let page: Page

  init() throws { page = try Page("man/spread.conf.5") }

  @Test("It describes every statement, and no other")
  func statements() {
    let described = page.items.map(\.arguments).filter { $0.first == "Ic" && $0.count > 1 }
      .map { $0[1] }
    #expect(described.sorted() == Keyword.allCases.map(\.rawValue).sorted())
    #expect(page.commands == Set(described))
  }

  @Test("The examples are good")
  func examples() throws {
    let texts = page.displays + [try text(of: "examples/spread.conf")]
    #expect(texts.count == 4)
    for text in texts { #expect(!(try parse(text).daemons.isEmpty)) }
  }

  @Test("The defaults it states are the defaults")
  func defaults() throws {
    let plain = try parse(Self.segment)
    var stated = 0
    for item in page.items where item.arguments.first == "Ic" && item.arguments.count > 2 {
      guard let line = item.body.firstIndex(where: { $0.hasPrefix("Default:") }) else { continue }
      let same = item.body[line].split(separator: " ").dropFirst().first
      let below = item.body.dropFirst(line + 1 - item.body.startIndex).first?
        .split(separator: " ").dropFirst().first
      let value = String(try #require(same ?? below)).trimmingSuffix(in: ".,")
      #expect(try parse(Self.segment + "\n\(item.arguments[1]) = \(value)") == plain, "\(value)")
      stated += 1
    }
    #expect(stated == 24)
  }

  private static let segment = "Spread_Segment unicast { a 127.0.0.1 }"

  private func parse(_ text: String) throws -> SpreadConfiguration {
    var configuration = try SpreadConfiguration.parse(text: Array(text.utf8), file: "manual")
    configuration.notices = []
    return configuration
  }
}

extension String {
  fileprivate func trimmingSuffix(in marks: String) -> String {
    var text = self
    while let last = text.last, marks.contains(last) { text.removeLast() }
    return text
  }
}
