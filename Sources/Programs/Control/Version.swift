// SPDX-License-Identifier: Apache-2.0

/// The version this source tree builds.
package let programVersion = "0.1.0"
