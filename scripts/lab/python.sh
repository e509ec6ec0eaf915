# SPDX-License-Identifier: Apache-2.0
#
# For programs in scripts/, which set `here` and read this: makes ready to run their part in Python.

if [[ $here == *:* ]]; then
  echo "$0: the path of this checkout has a colon, at which lists of paths are split: $here" >&2
  echo "$0: move or clone it to a path without one" >&2
  exit 1
fi
# The set-up comes first, because it also installs Python; asking for help or a clean-up needs none.
if command -v python3 >/dev/null; then :; else "$here/setup"; fi
export PYTHONPATH=$here PYTHONDONTWRITEBYTECODE=1
