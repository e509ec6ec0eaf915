// SPDX-License-Identifier: Apache-2.0

import Logging
import SpreadConfiguration

/// Where the daemon logs: opened anew with each reading of the configuration, so that a log file can be
/// renamed and SIGHUP makes the next one.
final class Logbook {
  private(set) var log: Logger
  private let make: (SpreadConfiguration.Log) throws -> Logger

  /// Opens the log.
  ///
  /// - Throws: what `make` does.
  init(
    _ settings: SpreadConfiguration.Log,
    make: @escaping (SpreadConfiguration.Log) throws -> Logger
  ) throws {
    self.make = make
    log = try make(settings)
  }

  /// A log with these settings, not used yet.
  func prepare(_ settings: SpreadConfiguration.Log) throws -> Logger { try make(settings) }

  /// What is logged from here on goes there.
  func turn(to log: Logger) { self.log = log }
}
