// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Processor time of this thread, which does all the work; a busy machine does not count.
func processorSeconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}
