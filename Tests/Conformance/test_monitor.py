# SPDX-License-Identifier: Apache-2.0
"""spreadctl monitor in a terminal: what it draws, and what ends it."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import termios
import time

from daemons import binary
from support import AloneTest
from wire import until


class Monitor(AloneTest):
    def start(self, *words: str, has_shell: bool = False, ignored: signal.Signals | None = None) -> None:
        """Runs it in a terminal of its own, of 24 lines of 80 columns."""
        # Without a shell Ctrl-Z would do nothing: nobody could let it go on.
        shell = ["/bin/sh", "-mc", '"$@"; exit $?', "sh"] if has_shell else []
        command = [*shell, str(binary("spreadctl")), "monitor", "--control", self.daemon.control, *words]
        self.shown = b""
        self.process, self.terminal = pty.fork()
        if self.process == 0:
            if ignored is not None:
                signal.signal(ignored, signal.SIG_IGN)
            time.sleep(0.1)  # until the terminal has its size
            os.execv(command[0], command)
        os.set_blocking(self.terminal, False)
        self.resize(80, 24)
        until(lambda: b"\x1b[J" in self.look())

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def look(self) -> bytes:
        """All that was written to the terminal."""
        try:
            while more := os.read(self.terminal, 1 << 16):
                self.shown += more
        except OSError:
            pass  # nothing more for now, or the end
        return self.shown

    def size(self) -> tuple[int, int]:
        """The columns and lines of what was drawn last."""
        last = self.look().rpartition(b"\x1b[H")[2].partition(b"\x1b[J")[0].decode()
        lines = [line.rstrip("\r").removesuffix("\x1b[K") for line in last.split("\n")]
        return max(map(len, lines)), len(lines)

    def end(self) -> int:
        """How it ended, which it must by itself."""
        ended: list[int] = []

        def is_over() -> bool:
            self.look()
            process, status = os.waitpid(self.process, os.WNOHANG)
            if process:
                ended.append(os.waitstatus_to_exitcode(status))
            return bool(process)

        until(is_over)
        return ended[0]

    def test_keys(self) -> None:
        for key in (b"q", b"Q", b"\x03", b"\x04"):
            self.start("-i", "3600", has_shell=True)
            os.write(self.terminal, b"x\x1a")  # neither ends it, nor stops it
            os.write(self.terminal, key)
            self.assertEqual(self.end(), 0)
            self.assertTrue(self.shown.startswith(b"\x1b[?1049h\x1b[?25l"))
            self.assertTrue(self.shown.endswith(b"\x1b[?25h\x1b[?1049l"), "the terminal is given back")

    def test_size(self) -> None:
        """It fits any terminal, and is drawn anew for another size without waiting for the next look."""
        self.start("-i", "3600")
        for columns, rows in ((40, 10), (1, 1), (10, 2), (80, 24)):
            self.resize(columns, rows)
            until(lambda columns=columns, rows=rows: self.size() == (columns, rows) or self.size()[1] < rows < 25)
            self.assertLessEqual(self.size()[0], columns)
        os.write(self.terminal, b"q")
        self.assertEqual(self.end(), 0)

    def test_a_terminal_that_is_gone(self) -> None:
        """Also where the hang-up is ignored: it must neither stay nor spin."""
        self.start("-i", "3600", ignored=signal.SIGHUP)
        os.close(self.terminal)
        self.assertIn(self.end(), (0, 1))

    def test_a_daemon_that_hangs(self) -> None:
        self.start()
        assert self.daemon.process is not None
        self.daemon.process.send_signal(signal.SIGSTOP)
        try:
            time.sleep(1.5)
            os.write(self.terminal, b"q")
            begin = time.monotonic()
            self.end()
            self.assertLess(time.monotonic() - begin, 8, "one look in vain at most")
        finally:
            self.daemon.process.send_signal(signal.SIGCONT)
