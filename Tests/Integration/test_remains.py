# SPDX-License-Identifier: Apache-2.0
"""The lab leaves nothing behind, however it ends."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from lab import descendants, lifetime, namespaces
from lab.process import SCRIPTS, program, start
from support import needs_root

SECONDS = 60


@needs_root
class Remains(unittest.TestCase):
    """Runs the demo's cluster as a program of its own and ends it in the middle."""

    def begin(self) -> subprocess.Popen[bytes]:
        """Starts a program that builds a cluster, and waits until the cluster runs."""
        child = start(program("stay"), subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(self.end, child)
        assert child.stdout is not None and child.stderr is not None
        if child.stdout.readline() != b"up\n":
            self.fail(child.stderr.read().decode(errors="replace"))
        self.assertNotEqual(self.traces(child.pid), [])
        return child

    def end(self, child: subprocess.Popen[bytes]) -> None:
        if child.poll() is None:
            child.kill()
        child.communicate()
        lifetime.sweep()

    def traces(self, pid: int) -> list[str]:
        """Namespaces, files and processes of the cluster of a program."""
        mark = re.compile(rf"wacklab-{pid}-")
        spaces = [name for name in namespaces.names() if mark.match(name)]
        files = [str(path) for path in lifetime.RUN.glob(f"wacklab-{pid}-*")]
        return spaces + files + [p for p in processes() if mark.search(p)]

    def check_signal(self, number: signal.Signals) -> None:
        child = self.begin()
        child.send_signal(number)
        self.assertEqual(child.wait(SECONDS), 128 + number)
        self.assertEqual(self.traces(child.pid), [])

    def test_interrupted_by_int(self) -> None:
        self.check_signal(signal.SIGINT)

    def test_interrupted_by_term(self) -> None:
        self.check_signal(signal.SIGTERM)

    def test_interrupted_by_hup(self) -> None:
        self.check_signal(signal.SIGHUP)

    def test_a_killed_run_is_swept_by_the_next(self) -> None:
        child = self.begin()
        child.kill()
        child.wait(SECONDS)
        deadline = time.monotonic() + SECONDS
        while found := [p for p in processes() if f"wacklab-{child.pid}-" in p]:
            self.assertLess(time.monotonic(), deadline, found)
            time.sleep(0.05)
        self.assertNotEqual(self.traces(child.pid), [])
        lifetime.sweep()
        self.assertEqual(self.traces(child.pid), [])

    def test_a_run_in_progress_is_not_swept(self) -> None:
        child = self.begin()
        before = self.traces(child.pid)
        lifetime.sweep()
        self.assertEqual(self.traces(child.pid), before)


class Descendants(unittest.TestCase):
    """Runs a command that sheds orphans and sessions, as compilers do, and ends it at many moments."""

    TRIALS = 12

    def begin(self) -> tuple[subprocess.Popen[bytes], Path, str]:
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        mark = f"TRIAL={folder}"
        environment = self.environment(folder) | {"TRIAL": str(folder)}
        child = subprocess.Popen(program("shed"), stdout=subprocess.PIPE, env=environment)
        self.addCleanup(self.end, child, mark)
        return child, folder, mark

    def environment(self, folder: Path) -> dict[str, str]:
        ours = {"TMPDIR": str(folder), "PYTHONPATH": str(SCRIPTS), "PYTHONDONTWRITEBYTECODE": "1"}
        return os.environ | ours

    def end(self, child: subprocess.Popen[bytes], mark: str) -> None:
        child.kill()
        child.communicate()
        descendants.end_marked(mark, spared=set())

    def test_an_interrupt_at_any_moment_leaves_no_process_and_no_file(self) -> None:
        for trial in range(self.TRIALS):
            number = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)[trial % 3]
            child, folder, mark = self.begin()
            assert child.stdout is not None
            self.assertEqual(child.stdout.readline(), b"up\n")
            moment = random.random() * 0.3
            said = f"{number.name} after {moment:.3f} s"
            time.sleep(moment)
            child.send_signal(number)
            self.assertEqual(child.wait(SECONDS), 128 + number, said)
            self.assertEqual(descendants.marked(mark), set(), said)
            self.assertEqual(list(folder.iterdir()), [], said)

    def test_what_a_killed_run_left_goes_with_the_next(self) -> None:
        child, folder, mark = self.begin()
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(0.2)
        child.kill()
        child.wait(SECONDS)
        self.assertNotEqual(descendants.marked(mark), set())
        self.assertNotEqual(list(folder.iterdir()), [])
        argv = program("shed", "--once")
        subprocess.run(argv, env=self.environment(folder), check=True, capture_output=True)
        self.assertEqual(descendants.marked(mark), set())
        self.assertEqual(list(folder.iterdir()), [])


def processes() -> list[str]:
    """The command lines of all processes."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue  # it ended meanwhile
    return found
