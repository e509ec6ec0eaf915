// SPDX-License-Identifier: Apache-2.0

import Addresses
import ConfigurationText

extension Parser {
  /// The widest part of an address that may vary among the hosts to be told: 65,536 of them.
  private static let mostHostBits = 16
  /// The most entries in all `Notify` statements.
  private static let mostNotifications = 1_024

  mutating func parseNotify(at token: Token) throws(Diagnostic) {
    markSeen(StatementWord.notify.rawValue, at: token.location)
    if next.kind == .equals {
      throw Diagnostic(
        "Notify takes no =",
        at: next.location,
        advice: "write Notify { ADDRESS/LENGTH ... }, Notify Arp-Cache, or Notify None"
      )
    }
    guard next.kind == .open else {
      let value = try takeText("None, Arp-Cache, an address, or {")
      if value.kind == .word, asciiLowercased(value.text) == "none" {
        draft.notifyNone = draft.notifyNone ?? token.location
        return
      }
      return try parseNotification(at: value)
    }
    let block = try takeOpening(of: token.text)
    var empty = true
    while let element = takeElement(of: block) {
      empty = false
      do throws(Diagnostic) {
        try parseNotification(at: element)
      } catch {
        report(error)
        while takeOption() != nil {}
      }
    }
    if empty { report(emptiness(of: block, advice: "add a network, or write Notify None")) }
  }

  private mutating func parseNotification(at token: Token) throws(Diagnostic) {
    guard draft.notifications.count < Self.mostNotifications else {
      throw Diagnostic(
        "there are more than \(Self.mostNotifications) entries in Notify",
        at: token.location,
        advice: "write a network that covers several of them"
      )
    }
    let isKnownHosts =
      token.kind == .word && asciiLowercased(token.text) == asciiLowercased("Arp-Cache")
    let parts = isKnownHosts ? nil : try AddressText.parts(token)
    let options = try takeNotifyOptions()
    guard let parts else {
      if let throttle = options.throttle {
        throw Diagnostic(
          "Arp-Cache takes no Throttle",
          at: throttle.location,
          advice: "remove it: known hosts are told at the pace of all announcements"
        )
      }
      draft.notifications.append(.knownHosts(ping: options.ping))
      return
    }
    let width = parts.address.bitWidth
    let length = parts.length ?? width
    guard let prefix = IPPrefix(address: parts.address, length: length),
      width - length <= Self.mostHostBits
    else {
      throw Diagnostic(
        "\(token.shown) has more than \(1 << Self.mostHostBits) addresses, each of which is to be told",
        at: parts.location,
        advice:
          "write /\(width - Self.mostHostBits) or longer; all neighbours hear the broadcast anyway"
      )
    }
    draft.notifications.append(
      .network(
        prefix,
        interface: parts.interface,
        throttle: options.throttle?.value,
        ping: options.ping
      )
    )
  }

  private mutating func takeNotifyOptions() throws(Diagnostic) -> (
    throttle: Located<UInt16>?, ping: Bool
  ) {
    var options = (throttle: Located<UInt16>?.none, ping: false)
    while let (word, token) = takeOption(.throttle, .ping) {
      switch word {
      case .throttle:
        let rate = UInt16(try takeNumber(in: 1...10_000))
        options.throttle = Located(value: rate, location: token.location)
      case .ping: options.ping = true
      case .user, .timeout: break
      }
    }
    return options
  }

  /// Reads the next token if it is one of these words.
  mutating func takeOption(
    _ words: OptionWord...
  ) -> (word: OptionWord, token: Token)? {
    guard next.kind == .word, let word = OptionWord(word: next.text),
      words.isEmpty || words.contains(word)
    else { return nil }
    return (word, take())
  }

  mutating func checkNotify() {
    guard let none = draft.notifyNone, !draft.notifications.isEmpty else { return }
    report(
      Diagnostic(
        "Notify None contradicts the other Notify statements",
        at: none,
        advice: "remove one of the two"
      )
    )
  }
}
