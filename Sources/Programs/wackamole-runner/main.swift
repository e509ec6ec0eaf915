// SPDX-License-Identifier: Apache-2.0
//
// Runs health checks and scripts for wackamole, so that nothing which may block or crash does so in the
// daemon. It inherits a socket to the daemon on descriptor 3 and ends when the daemon does. Started as
// `wackamole-runner as USER PROGRAM ...`, it becomes that program with that user's rights.

import Glibc
import Reactor

/// Writes one line to standard error, as the journal or a person reads it.
func log(_ priority: Int, _ text: String) {
  let prefix = getenv("JOURNAL_STREAM") == nil ? "" : "<\(priority)>"
  let line = Array("\(prefix)wackamole-runner[\(getpid())]: \(text)\n".utf8)
  _ = write(STDERR_FILENO, line, line.count)
}

signal(SIGPIPE, SIG_IGN)
let arguments = Array(CommandLine.arguments.dropFirst())
if arguments.first == Substitution.word {
  Substitution.become(Array(arguments.dropFirst()))
}
do {
  let loop = try EventLoop()
  let runner = try Runner(daemon: Descriptor(adopting: 3), on: loop)
  try loop.run()
  runner.finish()
  exit(0)
} catch {
  log(3, "cannot run: \(error). It is started by wackamole, not by hand")
  exit(2)
}
