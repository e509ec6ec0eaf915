// SPDX-License-Identifier: Apache-2.0

import CLinux

/// What the present thread is called; on the main thread, the process, for ps(1) and pkill(1).
package enum ProcessName {
  /// The kernel takes 15 bytes of it.
  package static func set(_ name: String) { _ = wack_set_name(name) }
}
