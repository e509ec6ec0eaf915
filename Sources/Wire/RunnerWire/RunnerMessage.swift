// SPDX-License-Identifier: Apache-2.0

package import Health

/// What the daemon and its runner, a process of its own for checks and scripts, tell each other.
///
/// Each message is one packet on a socket that keeps packets apart; both ends are of one installation,
/// and a runner of another version is told apart by the first byte.
package enum RunnerMessage: Sendable, Hashable {
  // MARK: To the runner

  /// Run these checks from now on, and no others; those that were there before go on as they were.
  case checks([Setup])
  /// Run a script once.
  case run(Job)

  // MARK: From the runner

  /// The state of a check changed, or its reason did.
  case state(CheckReport)
  /// A script has ended, or could not be run.
  case ended(Outcome)
  /// The runner lives; sent now and then.
  case alive

  /// A check, and what was known of it before.
  package struct Setup: Sendable, Hashable {
    package var check: Check
    package var state: CheckState

    package init(check: Check, state: CheckState) { (self.check, self.state) = (check, state) }
  }

  /// A script to run.
  package struct Job: Sendable, Hashable {
    /// Chosen by the daemon; comes back in the outcome.
    package var number: UInt64
    /// Jobs of one lane run one after the other, in order; those of different lanes need not.
    package var lane: String
    package var program: Check.Program
    /// Each as `NAME=value`; nothing else is in the program's environment.
    package var environment: [String]
    package var timeout: Duration

    package init(
      number: UInt64,
      lane: String,
      program: Check.Program,
      environment: [String],
      timeout: Duration
    ) {
      (self.number, self.lane, self.program) = (number, lane, program)
      (self.environment, self.timeout) = (environment, timeout)
    }
  }

  /// How a script ended.
  package struct Outcome: Sendable, Hashable {
    package var number: UInt64
    /// What went wrong, for the log; `nil` if it exited with status 0.
    package var failure: String?

    package init(number: UInt64, failure: String?) {
      (self.number, self.failure) = (number, failure)
    }
  }
}

/// What is known by a check, and why.
package struct CheckReport: Sendable, Hashable {
  package var name: String
  package var state: CheckState
  /// What the last run found: `connection refused`, `exit status 1`, `status 200`.
  package var reason: String

  package init(name: String, state: CheckState, reason: String) {
    (self.name, self.state, self.reason) = (name, state, reason)
  }
}
